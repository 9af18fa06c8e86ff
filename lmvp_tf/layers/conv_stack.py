"""A stack of 3x3 convolutions: the body of F, D's classifier and every part of G."""

import keras


@keras.saving.register_keras_serializable(package="lmvp_tf")
class ConvStack(keras.layers.Layer):
    """3x3 convolutions with zero padding, each followed by a leaky ReLU.

    Args:
      widths: channels of each convolution.
      strides: stride of each convolution; 1 for all when left out.

    Input shape: [B, H, W, C].
    Output shape: [B, H / s, W / s, widths[-1]] with s the product of the strides.
    """

    def __init__(self, widths, strides=None, **kwargs):
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        self.strides = tuple(strides or (1,) * len(self.widths))
        self.convolutions = [
            keras.layers.Conv2D(
                width,
                3,
                strides=stride,
                padding="same",
                activation="leaky_relu",
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

    def call(self, inputs):
        for convolution in self.convolutions:
            inputs = convolution(inputs)
        return inputs

    def compute_output_shape(self, input_shape):
        for convolution in self.convolutions:
            input_shape = convolution.compute_output_shape(input_shape)
        return input_shape

    def get_config(self):
        return {**super().get_config(), "widths": self.widths, "strides": self.strides}
