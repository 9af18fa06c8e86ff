"""Runs systems over the same test sequences and measures what they predict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import tensorflow as tf

from lmvp_tf import stopping
from lmvp_tf.distribution import Distribution
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.evaluation.evaluate.floors import System
from lmvp_tf.metrics.accumulator import MetricAccumulator


def measure(
    systems: Mapping[str, System],
    batches: Iterable[Any],
    num_inputs: int,
    probabilities: bool = True,
    progress: Callable[[int], object] | None = None,
    distribution: Distribution | None = None,
) -> dict[str, MetricAccumulator]:
    """Measures every system on the same sequences, streaming: no prediction outlives its batch.

    A batch smaller than the first is filled up with copies of its first sequence, whose predictions
    are dropped, so that no system is traced again for the rest of a test set.

    Args:
      systems: {name: System}, the models and the floors.
      batches: iterable of sequences [B, T, H, W, C] float32 in [0, 1].
      num_inputs: T0, the frames that a system sees; it predicts the other S = T - T0.
      probabilities: whether pixels are probabilities.
      progress: called with the number of sequences done, after each batch.
      distribution: the devices to compute the metrics on; None: those that TensorFlow chooses.

    Returns:
      {name: MetricAccumulator}, in the order of `systems`.

    Raises:
      UserError: there is no sequence, or none of its frames is left to predict.
      RunError: a prediction has a wrong shape or a value that is not finite.
    """
    accumulators = {name: MetricAccumulator(probabilities, distribution) for name in systems}
    batch_size, done = 0, 0
    for batch in stopping.unless_asked(batches):
        batch = tf.convert_to_tensor(batch, tf.float32)
        size, length = batch.shape[:2]
        if length <= num_inputs:
            raise UserError(
                f"{num_inputs} input frames leave nothing to predict in sequences of {length} "
                "frames: lower the number of input frames"
            )
        batch_size = batch_size or size
        inputs = _fill_up(batch[:, :num_inputs], batch_size)
        truth = batch[:, num_inputs:]
        for name, system in systems.items():
            prediction = system(inputs, length - num_inputs)[:size]
            accumulators[name].update(truth, checked_prediction(name, prediction, truth))
        done += size
        if progress:
            progress(done)
    if not done:
        raise UserError("the test set has no sequence: give at least one")
    return accumulators


def checked_prediction(name: str, prediction: tf.Tensor, truth: tf.Tensor) -> tf.Tensor:
    """Returns the prediction clipped to [0, 1], as float32.

    Raises:
      RunError: its shape is not `truth`'s, or a value is not finite; the message names the system.
    """
    prediction = tf.cast(prediction, tf.float32)
    if prediction.shape != truth.shape:
        raise RunError(
            f"{name} predicted frames of shape {tuple(prediction.shape)}, "
            f"expected {tuple(truth.shape)}"
        )
    if not tf.reduce_all(tf.math.is_finite(prediction)):
        raise RunError(f"{name} predicted values that are not finite: its weights have diverged")
    return tf.clip_by_value(prediction, 0.0, 1.0)


def _fill_up(inputs: tf.Tensor, batch_size: int) -> tf.Tensor:
    missing = batch_size - inputs.shape[0]
    if missing <= 0:
        return inputs
    return tf.concat([inputs, tf.repeat(inputs[:1], missing, axis=0)], axis=0)
