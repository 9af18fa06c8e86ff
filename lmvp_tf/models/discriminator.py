"""The discriminator D and, at its bottom, F, whose features it leaks (Section 2.1)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from lmvp_tf.layers import grid
from lmvp_tf.layers.conv_stack import ConvStack

if TYPE_CHECKING:
    import tensorflow as tf


@keras.saving.register_keras_serializable(package="lmvp_tf")
class FeatureExtractor(keras.Model):
    """F, the bottom of D: the motion feature of a clip, f_t = F(x_{t-c:t}; theta_F).

    Strided convolutions and a tanh, so that |f_t| < 1: however D's classifier stretches its
    features, the scale of Eq. 2 and Eq. 3 stays where it is.

    Args:
      widths: channels of the strided layers, each of which halves H and W.
      channels: K, channels of f_t.
      difference: read x_t - x_{t-1} of clips of two frames instead of the frames: an ablation.
      normalize: instance normalisation before the tanh (Ulyanov et al. 2016), without which natural
        video, grey everywhere, drives it into saturation.

    Input shape: a clip, its c frames side by side as channels, oldest first: [B, H, W, c * C].
    Output shape: a map, so that position survives: [B, h, w, K], float32, with h = H / s and
      w = W / s, rounded up, where s is the stride.

    Attributes:
      stride: s, pixels from one cell of f_t to the next.
    """

    def __init__(
        self,
        widths: Sequence[int],
        channels: int,
        difference: bool = False,
        normalize: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.widths = tuple(widths)
        self.channels = channels
        self.difference = difference
        self.normalize = normalize
        self.encoder = ConvStack(
            self.widths, strides=(2,) * len(self.widths), dtype=self.dtype_policy, name="encoder"
        )
        self.head = keras.layers.Conv2D(
            channels, 3, padding="same", dtype=self.dtype_policy, name="head"
        )
        self.normalization = None
        if normalize:
            self.normalization = keras.layers.GroupNormalization(
                groups=-1, dtype="float32", name="normalization"
            )

    @property
    def stride(self) -> int:
        return 2 ** len(self.widths)

    def build(self, input_shape: tuple[Any, ...]) -> None:
        if self.difference:
            input_shape = (*input_shape[:-1], input_shape[-1] // 2)
        self.encoder.build(input_shape)
        self.head.build(self.encoder.compute_output_shape(input_shape))
        if self.normalization is not None:
            self.normalization.build(self.compute_output_shape(input_shape))

    def call(self, clips: tf.Tensor) -> tf.Tensor:
        if self.difference:
            before, now = ops.split(clips, 2, axis=-1)
            clips = now - before
        clips = grid.pad(clips, self.stride)
        features = ops.cast(self.head(self.encoder(clips)), "float32")
        if self.normalization is not None:
            features = self.normalization(features)
        return ops.tanh(features)

    def compute_output_shape(self, input_shape: tuple[Any, ...]) -> tuple[Any, ...]:
        return (*self.encoder.compute_output_shape(input_shape)[:-1], self.channels)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "widths": self.widths,
            "channels": self.channels,
            "difference": self.difference,
            "normalize": self.normalize,
        }


@keras.saving.register_keras_serializable(package="lmvp_tf")
class Discriminator(keras.Model):
    """D(x_{t-c:t}) = CNN(F(x_{t-c:t}; theta_F); theta_C): is this clip real?

    Args:
      feature_widths: channels of F's strided layers.
      feature_channels: K, channels of F's output.
      classifier_widths: channels of the classifier's strided layers over F.
      difference, normalize: see FeatureExtractor.

    Call arguments:
      clips: [B, H, W, c * C], values in [0, 1].

    Returns:
      The logit of P(real), [B], float32.
    """

    def __init__(
        self,
        feature_widths: Sequence[int],
        feature_channels: int,
        classifier_widths: Sequence[int],
        difference: bool = False,
        normalize: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.feature_widths = tuple(feature_widths)
        self.feature_channels = feature_channels
        self.classifier_widths = tuple(classifier_widths)
        self.difference = difference
        self.normalize = normalize
        self.features = FeatureExtractor(
            self.feature_widths,
            feature_channels,
            difference,
            normalize,
            dtype=self.dtype_policy,
            name="features",
        )
        self.classifier = ConvStack(
            self.classifier_widths,
            strides=(2,) * len(self.classifier_widths),
            dtype=self.dtype_policy,
            name="classifier",
        )
        self.logit = keras.layers.Dense(1, dtype=self.dtype_policy, name="logit")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.features.build(input_shape)
        shape = self.features.compute_output_shape(input_shape)
        self.classifier.build(shape)
        _, height, width, channels = self.classifier.compute_output_shape(shape)
        self.logit.build((None, height * width * channels))

    def call(self, clips: tf.Tensor) -> tf.Tensor:
        return self.classify(self.features(clips))

    def classify(self, features: tf.Tensor) -> tf.Tensor:
        """The classifier alone: f_t, [B, h, w, K] -> the logit of P(real), [B]."""
        hidden = self.classifier(features)
        hidden = ops.reshape(hidden, (-1, hidden.shape[1] * hidden.shape[2] * hidden.shape[3]))
        return ops.cast(self.logit(hidden)[:, 0], "float32")

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "feature_widths": self.feature_widths,
            "feature_channels": self.feature_channels,
            "classifier_widths": self.classifier_widths,
            "difference": self.difference,
            "normalize": self.normalize,
        }
