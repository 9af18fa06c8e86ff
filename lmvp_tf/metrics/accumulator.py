"""The metrics of a test set, collected batch by batch."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf.distribution import Distribution
from lmvp_tf.errors import RunError
from lmvp_tf.metrics import registry
from lmvp_tf.metrics.metric import FrameShape

Values = dict[str, npt.NDArray[np.float32]]


class MetricAccumulator:
    """Collects the metrics of a test set batch by batch; keeps no frames.

    Holds every frame metric of every sequence and predicted step, a number each, so that means and
    the spread over sequences can be had from the same values.

    Args:
      probabilities: whether pixels are probabilities (drawings, not natural video). A metric that
        does not suit the frames is None in all results.
      distribution: the devices to compute them on; None: those that TensorFlow chooses.

    Attributes:
      frame_shape: (H, W, C) of what was added.
    """

    def __init__(
        self, probabilities: bool = True, distribution: Distribution | None = None
    ) -> None:
        self.probabilities = probabilities
        self._distribution = distribution or Distribution()
        self.frame_shape: FrameShape | None = None
        self._batches: list[Values] = []

    def update(self, truth: Any, prediction: Any) -> None:
        """Adds a batch.

        Args:
          truth, prediction: [B, S, H, W, C] float32 in [0, 1].
        """
        truth = tf.convert_to_tensor(truth, tf.float32)
        prediction = tf.convert_to_tensor(prediction, tf.float32)
        self.frame_shape = tuple(truth.shape[2:])
        names = suitable(self.frame_shape, self.probabilities)
        values = _compiled(names, self._distribution)(truth, prediction)
        self._batches.append({name: values[name].numpy() for name in names})

    def values(self) -> Values:
        """Returns a dict of [N, S] float32: each frame metric of every sequence and step.

        Raises:
          RunError: nothing was added yet.
        """
        if not self._batches:
            raise RunError("no sequence was evaluated: there are no metrics to average")
        return {
            name: np.concatenate([batch[name] for batch in self._batches])
            for name in self._batches[0]
        }

    def result(
        self, sequences: Any = slice(None), last_frame: MetricAccumulator | None = None
    ) -> dict[str, dict[str, Any]]:
        """Returns {"metrics": {name: mean}, "per_step": {name: [mean of each step]}}.

        The names are those of `registry.computed()`; None where a metric has no value.

        Args:
          sequences: which of the N sequences to average over, as a NumPy index; all by default.
          last_frame: what the last input frame, repeated, had on the same sequences.
        """
        means, per_step = self._means(sequences)
        reference, reference_per_step = last_frame._means(sequences) if last_frame else ({}, {})
        assert self.frame_shape  # there are means
        overall = registry.completed(means, self.frame_shape, reference)
        steps = registry.completed(per_step, self.frame_shape, reference_per_step)
        return {
            "metrics": {n: None if v is None else float(v) for n, v in overall.items()},
            "per_step": {n: None if v is None else v.tolist() for n, v in steps.items()},
        }

    def _means(self, sequences: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """Means over all frames, and [S] over sequences, in float64."""
        per_step = {
            name: value[sequences].mean(axis=0, dtype=np.float64)
            for name, value in self.values().items()
        }
        return {name: value.mean() for name, value in per_step.items()}, per_step


def suitable(frame_shape: FrameShape, probabilities: bool) -> tuple[str, ...]:
    """Names of the frame metrics that can be computed of such frames."""
    return tuple(
        name
        for name, metric in registry.frame_metrics().items()
        if metric.applies(frame_shape, probabilities)
    )


@functools.cache
def _compiled(
    names: tuple[str, ...], distribution: Distribution
) -> Callable[[tf.Tensor, tf.Tensor], dict[str, tf.Tensor]]:
    """The metrics of these names in one graph, where what they share is computed once."""
    metrics = {name: registry.frame_metrics()[name] for name in names}

    def of_frames(truth: tf.Tensor, prediction: tf.Tensor) -> dict[str, tf.Tensor]:
        return {name: metric.of_frames(truth, prediction) for name, metric in metrics.items()}

    return distribution.spread(of_frames, reduce_retracing=True)
