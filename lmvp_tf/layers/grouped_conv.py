"""Convolutions whose channels are in groups that do not see each other."""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import KerasTensor


@keras.saving.register_keras_serializable(package="lmvp_tf")
class GroupedConv2D(keras.layers.Conv2D):
    """A Conv2D with zero padding and `groups`, by TensorFlow's own kernel.

    Keras compiles grouped convolutions by XLA. On a CPU that takes a hundred times as long, and no
    TFLite file can hold it. TensorFlow 2.21 has them, with gradients, on every device.

    Args:
      filters: U, channels that come out, a multiple of `groups`.
      kernel_size: k.
      groups: G; C, the channels that go in, are a multiple of it.

    Input shape: [B, H, W, C]. Output shape: [B, H, W, U].
    """

    def __init__(self, filters: int, kernel_size: int, groups: int = 1, **kwargs: object) -> None:
        kwargs = {**kwargs, "padding": "same"}
        super().__init__(filters, kernel_size, groups=groups, **kwargs)

    def convolution_op(self, inputs: KerasTensor, kernel: KerasTensor) -> KerasTensor:
        return tf.nn.conv2d(inputs, kernel, strides=1, padding="SAME")
