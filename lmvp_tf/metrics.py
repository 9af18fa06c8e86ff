"""BCE, MSE, PSNR and three named SSIM protocols, per frame and streamed over a test set.

Papers report "SSIM" computed in at least three ways that differ by up to 0.1 on the same frames, so
each way has its own name here and `PROTOCOL`, which goes into every results file, says what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf.errors import RunError, UserError

BCE_EPSILON = 1e-7
PERFECT_PSNR = 100.0
MIN_FRAME_SIZE = 11  # the Gaussian window of `ssim_tf`

FRAME_METRICS = ("bce", "mse", "psnr", "ssim_tf", "ssim_skimage", "ssim_openstl")
METRICS = (
    "bce",
    "bce_per_frame",
    "mse",
    "mse_per_frame",
    "psnr",
    "psnr_of_mean_mse",
    "ssim_tf",
    "ssim_skimage",
    "ssim_openstl",
)

_SSIM = (
    "structural similarity, K1 0.01, K2 0.03, mean over the positions where the window lies wholly "
    "inside the frame and over channels, then over frames; "
)
PROTOCOL = {
    "prediction": "open loop from the input frames, clipped to [0, 1]; pixel values in [0, 1]",
    "mean": "over the frames of all sequences, each with the same weight",
    "bce": "binary cross-entropy per pixel in nats, prediction clipped to [1e-7, 1 - 1e-7]; null "
    "where pixels are not probabilities",
    "bce_per_frame": "bce x H x W x C",
    "mse": "mean squared error per pixel",
    "mse_per_frame": "mse x H x W x C: the sum of squared errors of a frame",
    "psnr": "10 log10(1 / mse) in dB of each frame, at most 100 (mse 1e-10), then the mean",
    "psnr_of_mean_mse": "10 log10(1 / mse) in dB of the mean mse, at most 100",
    "ssim_tf": _SSIM + "11x11 Gaussian window of sigma 1.5, data range 1: tf.image.ssim",
    "ssim_skimage": _SSIM + "7x7 uniform window, sample covariance, data range 1: "
    "skimage.metrics.structural_similarity(data_range=1)",
    "ssim_openstl": _SSIM + "7x7 uniform window, sample covariance, data range 2: what OpenSTL "
    "reports, by scikit-image 0.19's default range [-1, 1] of floats",
}


def frame_metrics(truth: tf.Tensor, prediction: tf.Tensor) -> dict[str, tf.Tensor]:
    """Computes every metric of every predicted frame; `PROTOCOL` says how.

    Args:
      truth: [B, S, H, W, C] float32 in [0, 1], the S frames to be predicted; H, W >= 11.
      prediction: [B, S, H, W, C] float32 in [0, 1].

    Returns:
      A dict of [B, S] float32, one for each name of `FRAME_METRICS`.
    """
    mse = tf.reduce_mean(tf.math.squared_difference(truth, prediction), axis=[2, 3, 4])
    uniform = np.full(7, 1 / 7)
    offsets = np.arange(11) - 5.0
    gaussian = np.exp(-0.5 * (offsets / 1.5) ** 2)
    gaussian /= gaussian.sum()
    ssim_tf = _ssim(truth, prediction, gaussian, data_ranges=[1.0])
    ssim_uniform = _ssim(
        truth, prediction, uniform, data_ranges=[1.0, 2.0], covariance_scale=49 / 48
    )
    return {
        "bce": _binary_cross_entropy(truth, prediction),
        "mse": mse,
        "psnr": psnr(mse),
        "ssim_tf": ssim_tf[0],
        "ssim_skimage": ssim_uniform[0],
        "ssim_openstl": ssim_uniform[1],
    }


def psnr(mse: tf.Tensor) -> tf.Tensor:
    """Peak signal-to-noise ratio, 10 log10(1 / mse) dB for a peak of 1.

    A perfect frame has no finite PSNR. It counts as 100 dB, so that means and JSON stay finite.

    Args:
      mse: mean squared errors, of any shape.

    Returns:
      A tensor of that shape, in dB.
    """
    mse = tf.maximum(mse, 10 ** (-PERFECT_PSNR / 10))
    return -10.0 / np.log(10.0) * tf.math.log(mse)


def _binary_cross_entropy(truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
    """Mean over the pixels of each frame, in nats: [B, S]."""
    # 1 - p is clipped by itself: float32 near 1 has too few digits to hold 1 - 1e-7.
    yes = tf.maximum(prediction, BCE_EPSILON)
    no = tf.maximum(1.0 - prediction, BCE_EPSILON)
    bce = -truth * tf.math.log(yes) - (1.0 - truth) * tf.math.log(no)
    return tf.reduce_mean(bce, axis=[2, 3, 4])


def _ssim(
    truth: tf.Tensor,
    prediction: tf.Tensor,
    taps: npt.NDArray[np.float64],
    data_ranges: Iterable[float],
    covariance_scale: float = 1.0,
) -> list[tf.Tensor]:
    """Structural similarity (Wang et al. 2004, Eq. 13) of each frame, for several data ranges.

    Args:
      truth, prediction: [B, S, H, W, C].
      taps: [n] weights that sum to 1; the window is their outer product with themselves.
      data_ranges: the values of L in C1 = (0.01 L)^2 and C2 = (0.03 L)^2.
      covariance_scale: factor on variances and covariance (n^2 / (n^2 - 1): sample covariance).

    Returns:
      [B, S] for each data range.
    """
    # Variance is E[x^2] - E[x]^2, a small difference of large terms where a frame is bright and
    # flat. Taken around the frame's mean the terms are small too, and so is their rounding.
    center = tf.reduce_mean(truth, axis=[2, 3], keepdims=True)  # [B, S, 1, 1, C]
    x, y = truth - center, prediction - center
    mean_x, mean_y = _windowed(x, taps), _windowed(y, taps)
    covariance = covariance_scale * (_windowed(x * y, taps) - mean_x * mean_y)
    variances = covariance_scale * (
        _windowed(x * x + y * y, taps) - tf.square(mean_x) - tf.square(mean_y)
    )
    mean_x, mean_y = mean_x + center, mean_y + center
    squares = tf.square(mean_x) + tf.square(mean_y)
    results = []
    for data_range in data_ranges:
        c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
        luminance = (2.0 * mean_x * mean_y + c1) / (squares + c1)
        structure = (2.0 * covariance + c2) / (variances + c2)
        results.append(tf.reduce_mean(luminance * structure, axis=[2, 3, 4]))
    return results


def _windowed(x: tf.Tensor, taps: npt.NDArray[np.float64]) -> tf.Tensor:
    """Weighted sums of x [B, S, H, W, C] over the windows inside it: [B, S, H-n+1, W-n+1, C]."""
    # Shifted sums along one axis, then the other: 20 times faster on CPU than a depthwise
    # convolution or an average pooling over so few channels.
    height = tf.shape(x)[2] - len(taps) + 1
    width = tf.shape(x)[3] - len(taps) + 1
    x = tf.add_n([tap * x[:, :, i : i + height] for i, tap in enumerate(taps)])
    return tf.add_n([tap * x[:, :, :, i : i + width] for i, tap in enumerate(taps)])


_compiled_frame_metrics = tf.function(frame_metrics, reduce_retracing=True, autograph=False)


class MetricAccumulator:
    """Collects the metrics of a test set batch by batch; keeps no frames.

    Holds `FRAME_METRICS` of every sequence and predicted step, 6 numbers a frame, so that means and
    the spread over sequences can be had from the same values.

    Args:
      with_bce: False where pixels are not probabilities (natural video): BCE is then None.
    """

    def __init__(self, with_bce: bool = True) -> None:
        self._names = [name for name in FRAME_METRICS if with_bce or name != "bce"]
        self._batches: list[dict[str, npt.NDArray[np.float32]]] = []
        self._pixels = 0

    def update(
        self,
        truth: npt.NDArray[np.float32] | tf.Tensor,
        prediction: npt.NDArray[np.float32] | tf.Tensor,
    ) -> None:
        """Adds a batch.

        Args:
          truth, prediction: [B, S, H, W, C] float32 in [0, 1].

        Raises:
          UserError: the frames are too small for SSIM's window.
        """
        truth = tf.convert_to_tensor(truth, tf.float32)
        height, width, channels = truth.shape[2:]
        if min(height, width) < MIN_FRAME_SIZE:
            raise UserError(
                f"SSIM needs frames of at least {MIN_FRAME_SIZE}x{MIN_FRAME_SIZE} pixels, "
                f"these are {height}x{width}: evaluate on larger frames"
            )
        self._pixels = height * width * channels
        values = _compiled_frame_metrics(truth, tf.convert_to_tensor(prediction, tf.float32))
        self._batches.append({name: values[name].numpy() for name in self._names})

    def values(self) -> dict[str, npt.NDArray[np.float32]]:
        """Returns a dict of [N, S] float32: each frame metric of every sequence and step.

        Raises:
          RunError: nothing was added yet.
        """
        if not self._batches:
            raise RunError("no sequence was evaluated: there are no metrics to average")
        return {
            name: np.concatenate([batch[name] for batch in self._batches]) for name in self._names
        }

    def per_sequence(self) -> dict[str, npt.NDArray[np.float64]]:
        """Returns a dict of [N] float64: each frame metric's mean over a sequence's steps."""
        return {name: value.mean(axis=1, dtype=np.float64) for name, value in self.values().items()}

    def result(
        self, sequences: slice | npt.NDArray[np.intp] = slice(None)
    ) -> dict[str, dict[str, Any]]:
        """Returns {"metrics": {name: mean}, "per_step": {name: [mean of each step]}}.

        The names are `METRICS`; `bce` and `bce_per_frame` are None without BCE.

        Args:
          sequences: which of the N sequences to average over, as a NumPy index; all by default.
        """
        per_step = {
            name: value[sequences].mean(axis=0, dtype=np.float64)
            for name, value in self.values().items()
        }
        overall = {name: value.mean() for name, value in per_step.items()}
        return {
            "metrics": self._with_derived(overall, float),
            "per_step": self._with_derived(per_step, np.ndarray.tolist),
        }

    def _with_derived(self, means: dict[str, Any], convert: Callable[[Any], Any]) -> dict[str, Any]:
        """Adds what follows from the means, in the order of `METRICS`; `convert` makes it JSON."""
        means = dict(means)
        for name in ("bce", "mse"):
            if name in means:
                means[f"{name}_per_frame"] = means[name] * self._pixels
        means["psnr_of_mean_mse"] = psnr(means["mse"]).numpy()
        return {name: convert(means[name]) if name in means else None for name in METRICS}
