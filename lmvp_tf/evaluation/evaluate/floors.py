"""Predictors that have learned nothing: a model is worth its name only where it beats them all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf.errors import UserError

# (inputs [B, T0, H, W, C], S) -> prediction [B, S, H, W, C]
System = Callable[[tf.Tensor, int], tf.Tensor]

FLOORS = ("last_frame", "zeros", "mean_image")


def last_frame(inputs: tf.Tensor, num_predicted: int) -> tf.Tensor:
    """Repeats the last input frame: [B, T0, H, W, C] -> [B, S, H, W, C]."""
    return tf.repeat(inputs[:, -1:], num_predicted, axis=1)


def zeros(inputs: tf.Tensor, num_predicted: int) -> tf.Tensor:
    """Predicts black frames: [B, T0, H, W, C] -> [B, S, H, W, C]."""
    return tf.zeros_like(last_frame(inputs, num_predicted))


def floors(mean_image: npt.NDArray[np.float32] | None) -> dict[str, System]:
    """Returns them by name.

    Args:
      mean_image: [H, W, C] in [0, 1], the mean frame of the training data; None: there are none,
        and no floor that repeats it.
    """
    systems: dict[str, System] = {"last_frame": last_frame, "zeros": zeros}
    if mean_image is not None:

        def predict_mean_image(inputs: tf.Tensor, num_predicted: int) -> tf.Tensor:
            return zeros(inputs, num_predicted) + mean_image

        systems["mean_image"] = predict_mean_image
    return systems


def mean_training_image(batches: Iterable[Any], num_batches: int) -> npt.NDArray[np.float32]:
    """Averages the frames of a training stream.

    Args:
      batches: iterable of [B, T, H, W, C] in [0, 1].
      num_batches: how many of them to draw.

    Returns:
      [H, W, C].

    Raises:
      UserError: the stream has no batch.
    """
    total: Any = 0.0
    count = 0
    for _, batch in zip(range(num_batches), batches, strict=False):
        frames = np.asarray(batch)
        total = total + frames.sum(axis=(0, 1), dtype=np.float64)
        count += frames.shape[0] * frames.shape[1]
    if not count:
        raise UserError("the training stream is empty: there is no mean image to compare with")
    return (total / count).astype(np.float32)
