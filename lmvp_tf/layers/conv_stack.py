"""A stack of 3x3 convolutions: the body of F, D's classifier and every part of G."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import keras
from keras import KerasTensor, ops


@keras.saving.register_keras_serializable(package="lmvp_tf")
class ConvStack(keras.layers.Layer):
    """3x3 convolutions with zero padding, each followed by a leaky ReLU.

    Args:
      widths: channels of each convolution.
      strides: stride of each convolution; 1 for all when left out.
      negative_slope: of the leaky ReLUs.
      position_bias: the first convolution has a bias for every pixel instead of one per channel.

    Call arguments:
      inputs: [B, H, W, C], or None where `coarse` is all.
      coarse: [B, H / 2, W / 2, K], more channels, doubled as `convolve_doubled` doubles them, if
        the first convolution has stride 1. The stack is then built for C + K channels.

    Output shape: [B, H / s, W / s, widths[-1]] with s the product of the strides.
    """

    def __init__(
        self,
        widths: Sequence[int],
        strides: Sequence[int] | None = None,
        negative_slope: float = 0.2,
        position_bias: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        self.strides = tuple(strides or (1,) * len(self.widths))
        self.negative_slope = negative_slope
        self.position_bias = position_bias
        self.convolutions = [
            keras.layers.Conv2D(
                width,
                3,
                strides=stride,
                padding="same",
                use_bias=i > 0 or not position_bias,
                kernel_initializer="he_normal",
                dtype=self.dtype_policy,
                name=f"conv_{i}",
            )
            for i, (width, stride) in enumerate(zip(self.widths, self.strides, strict=True))
        ]

    def build(self, input_shape: tuple[Any, ...]) -> None:
        for convolution in self.convolutions:
            convolution.build(input_shape)
            input_shape = convolution.compute_output_shape(input_shape)
            if self.position_bias and convolution is self.convolutions[0]:
                self.pixel_bias = self.add_weight(
                    name="pixel_bias", shape=input_shape[1:], initializer="zeros"
                )

    def call(self, inputs: KerasTensor | None, coarse: KerasTensor | None = None) -> KerasTensor:
        for i, convolution in enumerate(self.convolutions):
            if i == 0 and coarse is not None:
                inputs = self._first_of_both(inputs, coarse)
            else:
                inputs = convolution(inputs)
            if i == 0 and self.position_bias:
                inputs = inputs + ops.cast(self.pixel_bias, inputs.dtype)
            inputs = leaky_relu(inputs, self.negative_slope)
        return inputs

    def _first_of_both(self, inputs: KerasTensor | None, coarse: KerasTensor) -> KerasTensor:
        """The first convolution over [inputs, doubled coarse], without making either of them."""
        first = self.convolutions[0]
        coarse, kernel = (ops.cast(x, self.compute_dtype) for x in (coarse, first.kernel))
        split = kernel.shape[2] - coarse.shape[-1]
        maps = convolve_doubled(coarse, kernel[:, :, split:])
        if inputs is not None:
            inputs = ops.cast(inputs, self.compute_dtype)
            maps += ops.conv(inputs, kernel[:, :, :split], padding="same")
        return maps if first.bias is None else maps + ops.cast(first.bias, maps.dtype)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        for convolution in self.convolutions:
            input_shape = convolution.compute_output_shape(input_shape)
        return input_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "widths": self.widths,
            "strides": self.strides,
            "negative_slope": self.negative_slope,
            "position_bias": self.position_bias,
        }


def leaky_relu(x: KerasTensor, negative_slope: float = 0.2) -> KerasTensor:
    """A leaky ReLU whose gradient is taken from its output, which has the sign of x.

    The next layer keeps that output for the backward pass in any case. x, as large, is not kept
    then: a third of what a training step holds in memory (docs/decisions.md). On a Keras backend
    other than TensorFlow it is Keras' own.
    """
    if keras.backend.backend() != "tensorflow":
        return ops.leaky_relu(x, negative_slope)
    return _activation(negative_slope)(x)


@functools.cache
def _activation(negative_slope: float) -> Callable[[KerasTensor], KerasTensor]:
    import tensorflow as tf

    from lmvp_tf.layers.own_gradient import own_gradient

    def gradient(upstream: tf.Tensor, y: tf.Tensor, x: tf.Tensor) -> list[tf.Tensor]:
        del x
        return [tf.raw_ops.LeakyReluGrad(gradients=upstream, features=y, alpha=negative_slope)]

    name = f"lmvp_tf/leaky_relu/{negative_slope}"
    return own_gradient(name, lambda x: (ops.leaky_relu(x, negative_slope),), gradient)


def convolve_doubled(maps: KerasTensor, kernel: KerasTensor) -> KerasTensor:
    """The 3x3 convolution, with zero padding, of maps whose every cell is repeated in a 2x2 square.

    Of the nine cells under the kernel several are the same one: a transposed convolution with
    stride 2, by a 4x4 kernel of sums, gives the same with 4/9 of the products.

    Args:
      maps: [B, h, w, K].
      kernel: [3, 3, K, U].

    Returns:
      [B, 2 * h, 2 * w, U].
    """
    # Which rows, and columns, of the kernel meet the same cell, for the four of the new one.
    sums = ops.cast([[0, 0, 1], [0, 1, 1], [1, 1, 0], [1, 0, 0]], kernel.dtype)
    kernel = ops.einsum("ip,jq,pqku->ijuk", sums, sums, kernel)
    return ops.conv_transpose(maps, kernel, strides=2, padding="same")
