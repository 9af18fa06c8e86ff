"""A stack of 3x3 convolutions: the body of F, D's classifier and every part of G."""

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="lmvp_tf")
class ConvStack(keras.layers.Layer):
    """3x3 convolutions with zero padding, each followed by a leaky ReLU.

    Args:
      widths: channels of each convolution.
      strides: stride of each convolution; 1 for all when left out.
      negative_slope: of the leaky ReLUs.
      position_bias: the first convolution has a bias for every pixel instead of one per channel.

    Input shape: [B, H, W, C].
    Output shape: [B, H / s, W / s, widths[-1]] with s the product of the strides.
    """

    def __init__(self, widths, strides=None, negative_slope=0.2, position_bias=False, **kwargs):
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

    def build(self, input_shape):
        for convolution in self.convolutions:
            convolution.build(input_shape)
            input_shape = convolution.compute_output_shape(input_shape)
            if self.position_bias and convolution is self.convolutions[0]:
                self.pixel_bias = self.add_weight(
                    name="pixel_bias", shape=input_shape[1:], initializer="zeros"
                )

    def call(self, inputs):
        for i, convolution in enumerate(self.convolutions):
            inputs = convolution(inputs)
            if i == 0 and self.position_bias:
                inputs = inputs + ops.cast(self.pixel_bias, inputs.dtype)
            inputs = ops.leaky_relu(inputs, self.negative_slope)
        return inputs

    def compute_output_shape(self, input_shape):
        for convolution in self.convolutions:
            input_shape = convolution.compute_output_shape(input_shape)
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "widths": self.widths,
            "strides": self.strides,
            "negative_slope": self.negative_slope,
            "position_bias": self.position_bias,
        }
