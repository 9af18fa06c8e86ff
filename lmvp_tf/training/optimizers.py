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


class Optimizers:
    """One built Adam per network, so that a checkpoint finds every slot.

    `F` moves theta_F by the reconstruction in pre-training. It is apart from `D`, whose Adam keeps
    the moments of Eq. 1: one pair of moments for two losses of different scale would serve neither.

    Args:
      model: a built LMVP.
      training: a TrainingConfig.
    """

    def __init__(self, model, training):
        networks = model.networks
        rate, clip_norm = training.learning_rate, training.clip_norm or None

        def adam(name, peak, variables):
            schedule = LearningRate(peak, training)
            optimizer = keras.optimizers.Adam(schedule, global_clipnorm=clip_norm, name=name)
            optimizer.build(variables)
            return optimizer

        self.D = adam("adam_D", training.discriminator_learning_rate, networks["F"] + networks["C"])
        self.M = adam("adam_M", training.guider_learning_rate, networks["M"])
        self.G = adam("adam_G", rate, networks["G"])
        self.F = adam("adam_F", rate, networks["F"])

    def as_dict(self):
        """The optimizers by network, for a checkpoint."""
        return {"D": self.D, "M": self.M, "G": self.G, "F": self.F}
