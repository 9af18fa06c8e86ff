"""Structural similarity by three protocols, each under a name of its own.

Papers report "SSIM" computed in at least three ways that differ by up to 0.1 on the same frames.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf.metrics.metric import CitedMetric, FrameMetric


class SSIM(FrameMetric):
    """Structural similarity (Wang et al. 2004, Eq. 13), mean over a frame's windows and channels.

    Args:
      name: what follows "SSIM" in its titles.
      taps: [n] weights that sum to 1; the window is their outer product with themselves.
      data_range: L in C1 = (0.01 L)^2 and C2 = (0.03 L)^2.
      sample_covariance: divide (co)variances by n^2 - 1 instead of n^2.
      protocol, note: as of Metric, on the window and the range.
    """

    form, higher_is_better = ".3f", True

    def __init__(
        self,
        name: str,
        taps: npt.NDArray[np.float64],
        data_range: float,
        sample_covariance: bool,
        protocol: str,
        note: str,
    ) -> None:
        self.title, self.axis, self.note = f"SSIM {name}", f"SSIM ({name})", note
        self.protocol = (
            "structural similarity, K1 0.01, K2 0.03, mean over the positions where the window "
            f"lies wholly inside the frame and over channels, then over frames; {protocol}"
        )
        self.smallest_side = len(taps)
        self.taps, self.data_range = taps, data_range
        self.covariance_scale = len(taps) ** 2 / (len(taps) ** 2 - 1) if sample_covariance else 1.0

    def of_frames(self, truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        # Variance is E[x^2] - E[x]^2, a small difference of large terms where a frame is bright and
        # flat. Taken around the frame's mean the terms are small too, and so is their rounding.
        center = tf.reduce_mean(truth, axis=[2, 3], keepdims=True)  # [B, S, 1, 1, C]
        x, y = truth - center, prediction - center
        mean_x, mean_y = windowed(x, self.taps), windowed(y, self.taps)
        covariance = self.covariance_scale * (windowed(x * y, self.taps) - mean_x * mean_y)
        variances = self.covariance_scale * (
            windowed(x * x + y * y, self.taps) - tf.square(mean_x) - tf.square(mean_y)
        )
        mean_x, mean_y = mean_x + center, mean_y + center
        squares = tf.square(mean_x) + tf.square(mean_y)
        c1, c2 = (0.01 * self.data_range) ** 2, (0.03 * self.data_range) ** 2
        luminance = (2.0 * mean_x * mean_y + c1) / (squares + c1)
        structure = (2.0 * covariance + c2) / (variances + c2)
        return tf.reduce_mean(luminance * structure, axis=[2, 3, 4])


def windowed(x: tf.Tensor, taps: Sequence[float] | npt.NDArray[np.float64]) -> tf.Tensor:
    """Weighted sums of x [B, S, H, W, C] over the windows inside it: [B, S, H-n+1, W-n+1, C]."""
    # Shifted sums along one axis, then the other: 20 times faster on CPU than a depthwise
    # convolution or an average pooling over so few channels.
    height = tf.shape(x)[2] - len(taps) + 1
    width = tf.shape(x)[3] - len(taps) + 1
    x = tf.add_n([tap * x[:, :, i : i + height] for i, tap in enumerate(taps)])
    return tf.add_n([tap * x[:, :, :, i : i + width] for i, tap in enumerate(taps)])


def _gaussian(size: int, sigma: float) -> npt.NDArray[np.float64]:
    taps = np.exp(-0.5 * ((np.arange(size) - (size - 1) / 2) / sigma) ** 2)
    return taps / taps.sum()


SSIM_TF = SSIM(
    "tf",
    _gaussian(11, 1.5),
    1.0,
    False,
    "11x11 Gaussian window of sigma 1.5, data range 1: tf.image.ssim",
    "11x11 Gaussian window, range 1",
)
SSIM_SKIMAGE = SSIM(
    "skimage",
    np.full(7, 1 / 7),
    1.0,
    True,
    "7x7 uniform window, sample covariance, data range 1: "
    "skimage.metrics.structural_similarity(data_range=1)",
    "7x7 uniform window, range 1",
)
SSIM_OPENSTL = SSIM(
    "openstl",
    np.full(7, 1 / 7),
    2.0,
    True,
    "7x7 uniform window, sample covariance, data range 2: what OpenSTL "
    "reports, by scikit-image 0.19's default range [-1, 1] of floats",
    "7x7 uniform window, range 2",
)


class SSIMPaper(CitedMetric):
    """The SSIM of the paper's tables."""

    title, axis, form, higher_is_better = "SSIM paper", "SSIM (the paper's)", ".3f", True
    protocol = "structural similarity as the paper reports it, which does not say how"
    note = "the paper's, which does not define it"
