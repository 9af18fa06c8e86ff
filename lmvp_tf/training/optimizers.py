"""The Adam optimizers of Algorithm 1, one for each network, and their learning rates."""

import math

import keras
from keras import ops

_HALVINGS = 5  # equal parts of a run, as the authors of DFN: each 4,000 of their 20,000 steps


class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up, then a constant rate, a cosine to zero, or halving in equal intervals.

    When a later phase begins, the warm-up may come again (`training.phase_warmup_steps`). Gradients
    of the new loss can be ten times as large, and Adam, whose second moment is still that of the
    old one, would take steps as many times too long.

    Args:
      peak: the rate after the warm-up.
      training: a TrainingConfig.
      main_peak: the same for the main loop, where that has another; `peak` when None.
      phases: the steps at which later phases begin.
    """

    def __init__(self, peak, training, main_peak=None, phases=()):
        super().__init__()
        self.peak = peak
        self.training = training
        self.main_peak = peak if main_peak is None else main_peak
        self.phases = tuple(phases)

    def __call__(self, step):
        training = self.training
        step = ops.cast(step, "float32")
        peak = ops.where(step < training.pretrain_steps, self.peak, self.main_peak)
        rate = peak * _rise(step, training.warmup_steps)
        for start in self.phases:
            risen = _rise(step - start, training.phase_warmup_steps)
            rate = ops.where(step < start, rate, rate * risen)
        if training.decay == "cosine":
            progress = ops.minimum(step / training.max_steps, 1.0)
            return rate * 0.5 * (1.0 + ops.cos(math.pi * progress))
        if training.decay == "halve":
            return rate * ops.power(0.5, ops.floor(_HALVINGS * step / training.max_steps))
        return rate

    def get_config(self):
        return {
            "peak": self.peak,
            "training": self.training,
            "main_peak": self.main_peak,
            "phases": self.phases,
        }


def _rise(step, length):
    return ops.minimum(1.0, (step + 1.0) / max(length, 1))


class Optimizers(dict):
    """One built Adam per network, so that a checkpoint finds every slot: "G" for a baseline, "D",
    "M", "G" and "F" for LMVP.

    `F` moves theta_F by the reconstruction in pre-training. It is apart from `D`, whose Adam keeps
    the moments of Eq. 1: one pair of moments for two losses of different scale would serve neither.

    Args:
      model: a built VideoPredictor.
      training: a TrainingConfig.
    """

    def __init__(self, model, training):
        networks = dict(model.networks)
        starts = [training.one_step_steps]
        if "M" in networks:  # only LMVP has a main loop
            starts.append(training.pretrain_steps)
        phases = sorted({start for start in starts if start})

        def rate(peak, main_peak=None):
            return LearningRate(peak, training, main_peak, phases)

        rates = {
            "F": rate(training.learning_rate),
            "G": rate(training.learning_rate),
            "M": rate(training.learning_rate, main_peak=training.guider_learning_rate),
            "D": rate(training.discriminator_learning_rate),
        }
        if "C" in networks:
            networks["D"] = networks["F"] + networks.pop("C")
        super().__init__(
            (name, _adam(name, rates[name], theta, training)) for name, theta in networks.items()
        )


# Keras' 1e-7 is as large as many gradients of a squared error (on Highway, the median of F's second
# layer was 3e-7): it would slow down some layers and not others.
_EPSILON = 1e-10


def _adam(name, rate, theta, training):
    optimizer = keras.optimizers.Adam(
        rate,
        beta_2=training.beta_2,
        epsilon=_EPSILON,
        global_clipnorm=training.clip_norm or None,
        name=f"adam_{name}",
    )
    if training.mixed_precision == "float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    optimizer.build(theta)
    return optimizer
