"""The metrics by name, in the order of files and tables. A new one is a class and a line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lmvp_tf.metrics import pixel_errors, ssim
from lmvp_tf.metrics.metric import CitedMetric, DerivedMetric, FrameMetric, FrameShape, Metric

METRICS: dict[str, Metric] = {
    "bce": pixel_errors.BinaryCrossEntropy(),
    "bce_per_frame": pixel_errors.PerFrame("bce", "BCE", "BCE per frame (nats)"),
    "mse": pixel_errors.MeanSquaredError(),
    "ratio": pixel_errors.RatioToLastFrame(),
    "mse_per_frame": pixel_errors.PerFrame(
        "mse", "MSE", "MSE per frame", "the sum of squared errors of a frame"
    ),
    "mae_per_frame": pixel_errors.AbsoluteErrorPerFrame(),
    "psnr": pixel_errors.PSNR(),
    "psnr_of_mean_mse": pixel_errors.PSNROfMeanMSE(),
    "ssim_tf": ssim.SSIM_TF,
    "ssim_skimage": ssim.SSIM_SKIMAGE,
    "ssim_openstl": ssim.SSIM_OPENSTL,
    "ssim_paper": ssim.SSIMPaper(),
}


def frame_metrics() -> dict[str, FrameMetric]:
    """Those that are computed frame by frame."""
    return {name: metric for name, metric in METRICS.items() if isinstance(metric, FrameMetric)}


def computed() -> dict[str, Metric]:
    """All but those that are only cited."""
    return {name: metric for name, metric in METRICS.items() if not isinstance(metric, CitedMetric)}


def completed(
    means: Mapping[str, Any],
    frame_shape: FrameShape,
    last_frame: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Every computed metric from the means of those that are known.

    Args:
      means: {name: number or array}. One that is missing or None, and what follows from it, is
        None in the result: frames it does not suit, or values from before there was the metric.
      frame_shape: (H, W, C).
      last_frame: the same means of the last input frame, repeated; None where they are not known.

    Returns:
      {name: number, array or None}, in the registry's order.
    """
    values: dict[str, Any] = {}
    for name, metric in computed().items():
        values[name] = means.get(name)
        if isinstance(metric, DerivedMetric) and values[name] is None:
            source = means.get(metric.source)
            reference = (last_frame or {}).get(metric.source) if metric.relative else None
            if source is None or (metric.relative and reference is None):
                continue
            values[name] = metric.of_mean(source, frame_shape, reference)
    return values


def protocol() -> dict[str, str]:
    """How every computed metric is computed, for results files."""
    return {
        "prediction": "open loop from the input frames, clipped to [0, 1]; pixel values in [0, 1]",
        "mean": "over the frames of all sequences, each with the same weight",
        **{name: metric.protocol for name, metric in computed().items()},
    }
