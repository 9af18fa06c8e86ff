"""The block of SimVP's second translator: attention by a large kernel, with a gate."""

from __future__ import annotations

from typing import Any

import keras
from keras import KerasTensor, ops

_SCALE = 1e-2  # of what a block adds at the start


@keras.saving.register_keras_serializable(package="lmvp_tf")
class GatedAttentionBlock(keras.layers.Layer):
    """Gated spatiotemporal attention and a convolutional MLP, each added to what it reads (Tan et
    al. 2022, "SimVP: Towards Simple yet Powerful Spatiotemporal Predictive Learning").

        y = x + s_1 * attention(batch_norm(x)),    z = y + s_2 * mlp(batch_norm(y))
        attention(x) = x + conv_1(value * sigmoid(gate)),
          [value, gate] = conv_1(dilated_7x7(depthwise_5x5(gelu(conv_1(x)))))
        mlp(x) = conv_1(gelu(depthwise_3x3(conv_1(x))))

    The dilation is 3: together the two depthwise convolutions reach as far as a kernel of 23x23.

    Args:
      mlp_ratio: channels inside the MLP, as a multiple of C.

    Call arguments:
      inputs: [B, H, W, C].
      training: normalise by the batch, that of all replicas, and move the averages by which it is
        done elsewhere.

    Output shape: [B, H, W, C].
    """

    def __init__(self, mlp_ratio: int = 8, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mlp_ratio = mlp_ratio

    def build(self, input_shape: tuple[Any, ...]) -> None:
        *_, width = input_shape

        def pointwise(name: str, width: int) -> keras.layers.Layer:
            return keras.layers.Conv2D(
                width, 1, kernel_initializer=_normal(), dtype=self.dtype_policy, name=name
            )

        def depthwise(name: str, size: int, dilation: int = 1) -> keras.layers.Layer:
            return keras.layers.DepthwiseConv2D(
                size,
                padding="same",
                dilation_rate=dilation,
                depthwise_initializer=_normal(),
                dtype=self.dtype_policy,
                name=name,
            )

        def norm(name: str) -> keras.layers.Layer:
            return keras.layers.BatchNormalization(
                momentum=0.9, epsilon=1e-5, synchronized=True, dtype=self.dtype_policy, name=name
            )

        self.attention_norm, self.mlp_norm = norm("attention_norm"), norm("mlp_norm")
        self.projection = pointwise("projection", width)
        self.near, self.far = depthwise("near", 5), depthwise("far", 7, dilation=3)
        self.gates = pointwise("gates", 2 * width)
        self.attention_output = pointwise("attention_output", width)
        self.expansion = pointwise("expansion", self.mlp_ratio * width)
        self.mixing = depthwise("mixing", 3)
        self.mlp_output = pointwise("mlp_output", width)
        inside = (*input_shape[:-1], self.mlp_ratio * width)
        for layer in (self.attention_norm, self.projection, self.near, self.far, self.gates):
            layer.build(input_shape)
        for layer in (self.attention_output, self.mlp_norm, self.expansion):
            layer.build(input_shape)
        self.mixing.build(inside)
        self.mlp_output.build(inside)
        self.attention_scale, self.mlp_scale = (
            self.add_weight(
                name=name, shape=(width,), initializer=keras.initializers.Constant(_SCALE)
            )
            for name in ("attention_scale", "mlp_scale")
        )

    def call(self, inputs: KerasTensor, training: bool = False) -> KerasTensor:
        attended = self._attention(self.attention_norm(inputs, training=training))
        outputs = inputs + self.attention_scale * attended
        return outputs + self.mlp_scale * self._mlp(self.mlp_norm(outputs, training=training))

    def _attention(self, inputs: KerasTensor) -> KerasTensor:
        projected = ops.gelu(self.projection(inputs), approximate=False)
        value, gate = ops.split(self.gates(self.far(self.near(projected))), 2, axis=-1)
        return inputs + self.attention_output(value * ops.sigmoid(gate))

    def _mlp(self, inputs: KerasTensor) -> KerasTensor:
        mixed = self.mixing(self.expansion(inputs))
        return self.mlp_output(ops.gelu(mixed, approximate=False))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "mlp_ratio": self.mlp_ratio}


def _normal() -> keras.initializers.Initializer:
    """A new one for each layer: the same one would draw the same numbers again."""
    return keras.initializers.VarianceScaling(2.0, "fan_out", "untruncated_normal")
