"""The Adam optimizers of Algorithm 1, one for each network, and their learning rates."""

import math

import keras
from keras import ops


class LearningRate(keras.optimizers.schedules.LearningRateSchedule):
    """A linear warm-up, then a constant rate, a cosine to zero, or halving at intervals.

    Args:
      peak: the rate after the warm-up.
      training: a TrainingConfig.
    """

    def __init__(self, peak, training):
        super().__init__()
        self.peak = peak
        self.training = training

    def __call__(self, step):
        training = self.training
        step = ops.cast(step, "float32")
        rate = self.peak * ops.minimum(1.0, (step + 1.0) / max(training.warmup_steps, 1))
        if training.decay == "cosine":
            progress = ops.minimum(step / training.max_steps, 1.0)
            return rate * 0.5 * (1.0 + ops.cos(math.pi * progress))
        if training.decay == "halve":
            return rate * ops.power(0.5, ops.floor(step / training.halve_every))
        return rate

    def get_config(self):
        return {"peak": self.peak, "training": self.training}


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
        rates = dict.fromkeys("FG", training.learning_rate)
        rates |= {"M": training.guider_learning_rate, "D": training.discriminator_learning_rate}
        if "C" in networks:
            networks["D"] = networks["F"] + networks.pop("C")
        super().__init__(
            (name, _adam(name, rates[name], theta, training)) for name, theta in networks.items()
        )


def _adam(name, rate, theta, training):
    optimizer = keras.optimizers.Adam(
        LearningRate(rate, training),
        global_clipnorm=training.clip_norm or None,
        name=f"adam_{name}",
    )
    optimizer.build(theta)
    return optimizer
