"""The block of SimVP's first translator: kernels of several sizes, side by side."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import KerasTensor

from lmvp_tf.layers.conv_stack import leaky_relu
from lmvp_tf.layers.grouped_conv import GroupedConv2D

_KERNEL_SIZES = (3, 5, 7, 11)
_GROUPS = 8


@keras.saving.register_keras_serializable(package="lmvp_tf")
class InceptionBlock(keras.layers.Layer):
    """A 1x1 convolution, then grouped convolutions of four sizes, and their sum (Gao et al. 2022).

        y = sum over k in (3, 5, 7, 11) of leaky_relu(group_norm(conv_k(conv_1(x))))

    There are 8 groups, or as many as divide both numbers of channels.

    Args:
      hidden: channels after the 1x1 convolution.
      width: U, channels that come out.

    Input shape: [B, H, W, C]. Output shape: [B, H, W, U].
    """

    def __init__(self, hidden: int, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.hidden = hidden
        self.width = width
        groups, policy = math.gcd(_GROUPS, hidden, width), self.dtype_policy
        self.reduction = keras.layers.Conv2D(hidden, 1, dtype=policy, name="reduction")
        self.convolutions = [
            GroupedConv2D(width, size, groups, dtype=policy, name=f"conv_{size}x{size}")
            for size in _KERNEL_SIZES
        ]
        self.norms = [
            keras.layers.GroupNormalization(
                groups, epsilon=1e-5, dtype=policy, name=f"norm_{size}x{size}"
            )
            for size in _KERNEL_SIZES
        ]

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.reduction.build(input_shape)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            convolution.build((*input_shape[:-1], self.hidden))
            norm.build((*input_shape[:-1], self.width))

    def call(self, inputs: KerasTensor) -> KerasTensor:
        reduced = self.reduction(inputs)
        branches = zip(self.convolutions, self.norms, strict=True)
        return sum(leaky_relu(norm(convolution(reduced))) for convolution, norm in branches)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "hidden": self.hidden, "width": self.width}
