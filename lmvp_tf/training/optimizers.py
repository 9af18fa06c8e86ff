"""The optimizers of a procedure, one for each of its learners, and their learning rates."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from lmvp_tf.models.predictor import VideoPredictor
from lmvp_tf.recipe import TrainingConfig
from lmvp_tf.training.procedure import Learner, Procedure

_HALVINGS = 5  # equal parts of a run, as the authors of DFN: each 4,000 of their 20,000 steps


class LearningRate:
    """A linear warm-up, then a constant rate, a cosine to zero, halving in equal intervals, or one
    cycle: by a cosine from 1/25 of the rate up to it, in 3/10 of the run, and by another to nearly
    nothing (Smith and Topin 2019; the numbers are PyTorch's).

    It goes by the step of the run: an optimizer that leaves steps out keeps up with the others.

    When a later phase begins, the warm-up may come again (`training.phase_warmup_steps`). Gradients
    of the new loss can be ten times as large, and Adam, whose second moment is still that of the
    old one, would take steps as many times too long.

    Args:
      peaks: {the step that a phase begins at: the rate after the warm-up}, in order, from 0 on.
      training: a TrainingConfig.
    """

    def __init__(self, peaks: Mapping[int, float], training: TrainingConfig) -> None:
        self.peaks = dict(peaks)
        self.training = training

    def __call__(self, step: tf.Variable | int) -> tf.Tensor:
        training = self.training
        step = ops.cast(step, "float32")
        (_, peak), *later = self.peaks.items()
        for start, other in later:
            peak = ops.where(step < start, peak, other)
        rate = peak * _rise(step, training.warmup_steps)
        for start, _ in later:
            risen = _rise(step - start, training.phase_warmup_steps)
            rate = ops.where(step < start, rate, rate * risen)
        length, floor = training.decay_steps or training.max_steps, training.learning_rate_floor
        if training.decay == "cosine":
            progress = ops.minimum(step / length, 1.0)
            decayed = rate * 0.5 * (1.0 + ops.cos(math.pi * progress))
        elif training.decay == "one_cycle":
            decayed = rate * _one_cycle(ops.minimum(step / length, 1.0))
        elif training.decay == "halve":
            decayed = rate * ops.power(0.5, ops.floor(_HALVINGS * step / length))
        else:
            return rate
        return ops.maximum(decayed, rate * floor)


def _rise(step: Any, length: int) -> keras.KerasTensor:
    return ops.minimum(1.0, (step + 1.0) / max(length, 1))


_RISE, _FIRST, _LAST = 0.3, 1 / 25, 1 / 250_000


def _one_cycle(progress: Any) -> keras.KerasTensor:
    """The share of the rate at a share of the run."""

    def between(start: float, end: float, share: Any) -> keras.KerasTensor:
        return end + (start - end) * 0.5 * (1.0 + ops.cos(math.pi * share))

    rising = between(_FIRST, 1.0, progress / _RISE)
    falling = between(1.0, _LAST, (progress - _RISE) / (1.0 - _RISE))
    return ops.where(progress < _RISE, rising, falling)


class Optimizers(dict[str, keras.optimizers.Optimizer]):
    """A built optimizer for each learner of a procedure, by name: a checkpoint finds every slot.

    Args:
      procedure: the Procedure.
      model: a built VideoPredictor.
      step: the variable that counts the steps of the run.

    Attributes:
      step: that variable.
      skip_nonfinite: whether a network is to be left as it is by an update that is not finite.
    """

    def __init__(
        self, procedure: Procedure, model: VideoPredictor, step: tf.Variable | int = 0
    ) -> None:
        training = procedure.config.training
        super().__init__(
            (name, _optimizer(name, _rate(learner, procedure, step), learner.variables, training))
            for name, learner in procedure.learners(model).items()
        )
        self.step = step
        self.skip_nonfinite = training.on_nonfinite == "skip"


def _rate(
    learner: Learner, procedure: Procedure, step: tf.Variable | int
) -> Callable[[], tf.Tensor]:
    starts = procedure.starts()  # of phases that begin at the same step, the last one has steps
    peaks = {start: learner.rates.get(phase, learner.rate) for phase, start in starts.items()}
    return functools.partial(LearningRate(peaks, procedure.config.training), step)


# Keras' 1e-7 is as large as many gradients of a squared error (on Highway, the median of F's second
# layer was 3e-7): it would slow down some layers and not others.
_EPSILON = 1e-10


class _Adam(keras.optimizers.Adam):
    """Adam for gradients that are averaged over replicas already: see `update`.

    Keras would sum them after it has clipped those of each replica by itself.
    """

    def _all_reduce_sum_gradients(self, grads_and_vars: Any) -> Any:
        return grads_and_vars


class _Muon(_Adam):
    """Muon (Jordan et al. 2024): of the kernels of convolutions, as matrices [kh * kw * C, N], the
    momentum is made orthogonal before it moves them. Adam moves the rest, the taps of the filters
    among it.

    Its steps are scaled to be as large as Adam's (Liu et al. 2025), so that both take the same
    learning rates. Keras' Muon knows matrices alone, and has that scale from 3.13 on.
    """

    # Keras' iteration of Newton and Schulz, and its numbers. No Muon is made for it: that would
    # start TensorFlow where this module is imported.
    zeropower_via_newtonschulz5 = keras.optimizers.Muon.zeropower_via_newtonschulz5
    transpose_last_axis = keras.optimizers.Muon.transpose_last_axis
    muon_a, muon_b, muon_c = 3.4445, -4.7750, 2.0315

    def update_step(
        self, gradient: tf.Tensor, variable: keras.Variable, learning_rate: tf.Tensor
    ) -> None:
        if len(variable.shape) != 4:
            super().update_step(gradient, variable, learning_rate)
            return
        momentum = self._momentums[self._get_variable_index(variable)]
        self.assign(momentum, gradient + _MOMENTUM * momentum)
        ahead = gradient + _MOMENTUM * momentum  # Nesterov's
        matrix = ops.reshape(ahead, (-1, variable.shape[-1]))
        size = _ADAMS_SIZE * max(matrix.shape) ** 0.5
        move = size * self.zeropower_via_newtonschulz5(matrix, steps=5)
        self.assign_sub(variable, learning_rate * ops.reshape(move, variable.shape))


_MOMENTUM = 0.95
_ADAMS_SIZE = 0.2  # the root mean square of what Adam adds, at a rate of 1
_OPTIMIZERS = {"adam": _Adam, "muon": _Muon}


def _optimizer(
    name: str, rate: Callable[[], tf.Tensor], theta: Sequence[Any], training: TrainingConfig
) -> keras.optimizers.Optimizer:
    optimizer = _OPTIMIZERS[training.optimizer](
        rate,
        beta_1=training.beta_1,
        beta_2=training.beta_2,
        epsilon=_EPSILON,
        global_clipnorm=training.clip_norm or None,
        name=f"{training.optimizer}_{name}",
    )
    if training.mixed_precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(theta)
    return optimizer
