"""Metrics of pixels one by one: cross-entropy, squared and absolute errors, PSNR."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import tensorflow as tf

from lmvp_tf.metrics.metric import DerivedMetric, FrameMetric, FrameShape

BCE_EPSILON = 1e-7
PERFECT_PSNR = 100.0
SMALLEST_MSE = 10 ** (-PERFECT_PSNR / 10)
_PIXELS = [2, 3, 4]  # the axes of [B, S, H, W, C] that make a frame


def psnr(mse: Any) -> tf.Tensor:
    """Peak signal-to-noise ratio, 10 log10(1 / mse) dB for a peak of 1.

    A perfect frame has no finite PSNR. It counts as 100 dB, so that means and JSON stay finite.

    Args:
      mse: mean squared errors, of any shape.

    Returns:
      A tensor of that shape, in dB.
    """
    mse = tf.maximum(mse, SMALLEST_MSE)
    return -10.0 / np.log(10.0) * tf.math.log(mse)


class BinaryCrossEntropy(FrameMetric):
    """Mean over the pixels of a frame, in nats."""

    title, axis, form, higher_is_better = "BCE/px", "BCE per pixel (nats)", ".4f", False
    protocol = (
        "binary cross-entropy per pixel in nats, prediction clipped to [1e-7, 1 - 1e-7]; null "
        "where pixels are not probabilities"
    )
    note = "in nats"
    of_probabilities = True

    def of_frames(self, truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        # 1 - p is clipped by itself: float32 near 1 has too few digits to hold 1 - 1e-7.
        yes = tf.maximum(prediction, BCE_EPSILON)
        no = tf.maximum(1.0 - prediction, BCE_EPSILON)
        bce = -truth * tf.math.log(yes) - (1.0 - truth) * tf.math.log(no)
        return tf.reduce_mean(bce, axis=_PIXELS)


class MeanSquaredError(FrameMetric):
    """Mean over the pixels of a frame."""

    title, axis, form, higher_is_better = "MSE/px", "MSE per pixel", ".5f", False
    protocol = "mean squared error per pixel"

    def of_frames(self, truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.math.squared_difference(truth, prediction), axis=_PIXELS)


class AbsoluteErrorPerFrame(FrameMetric):
    """The sum of absolute differences of a frame: what OpenSTL calls MAE."""

    title, axis, form, higher_is_better = "MAE/frame", "MAE per frame", ".1f", False
    protocol = (
        "the sum of absolute differences of a frame over pixels and channels: OpenSTL's MAE, "
        "openstl/core/metrics.py without spatial_norm"
    )
    note = "sum of absolute differences, as OpenSTL"

    def of_frames(self, truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        return tf.reduce_sum(tf.abs(truth - prediction), axis=_PIXELS)


class PSNR(FrameMetric):
    """Peak signal-to-noise ratio of a frame."""

    title, axis, form, higher_is_better = "PSNR", "PSNR (dB)", ".2f", True
    protocol = "10 log10(1 / mse) in dB of each frame, at most 100 (mse 1e-10), then the mean"
    note = "in dB, the mean over frames"

    def of_frames(self, truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        return psnr(MeanSquaredError().of_frames(truth, prediction))


class PSNROfMeanMSE(DerivedMetric):
    """PSNR of the mean squared error, which is no mean of PSNR."""

    title, axis, form, higher_is_better = "PSNR of MSE", "PSNR of the mean MSE (dB)", ".2f", True
    protocol = "10 log10(1 / mse) in dB of the mean mse, at most 100"
    note = "in dB, of the mean MSE"
    source = "mse"

    def of_mean(self, mean: Any, frame_shape: FrameShape, last_frame: Any) -> Any:
        return psnr(np.asarray(mean, np.float64)).numpy()


class PerFrame(DerivedMetric):
    """A metric per pixel as a sum over the frame.

    Args:
      source: name of the metric per pixel.
      name: what it is called, such as "BCE".
      axis: as of Metric.
      what: what the sum is of, for the protocol; "" for nothing.
    """

    form, higher_is_better = ".1f", False

    def __init__(self, source: str, name: str, axis: str, what: str = "") -> None:
        self.source = source
        self.title, self.axis = f"{name}/frame", axis
        self.protocol = f"{source} x H x W x C{what and ': ' + what}"
        self.note = "times the pixels"

    def of_mean(self, mean: Any, frame_shape: FrameShape, last_frame: Any) -> Any:
        return mean * math.prod(frame_shape)


class RatioToLastFrame(DerivedMetric):
    """The mean squared error divided by that of the last input frame, repeated."""

    title, axis, form, higher_is_better = "/last frame", "MSE / last frame's", ".3f", False
    protocol = "mse divided by that of the last frame, which counts as 1e-10 at the least"
    note = "MSE divided by the last frame's"
    source = "mse"
    relative = True

    def of_mean(self, mean: Any, frame_shape: FrameShape, last_frame: Any) -> Any:
        return mean / np.maximum(last_frame, SMALLEST_MSE)  # a still video has none
