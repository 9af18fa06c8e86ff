"""The training step of a baseline: one loss, one tape, one optimizer."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar

import tensorflow as tf

from lmvp_tf import losses
from lmvp_tf.models.predictor import VideoPredictor
from lmvp_tf.training import horizons
from lmvp_tf.training.optimizers import Optimizers
from lmvp_tf.training.procedure import Learner, Procedure, Step
from lmvp_tf.training.update import update

if TYPE_CHECKING:
    from lmvp_tf.configs import Config


class Supervised(Procedure):
    """Training by the reconstruction loss alone, over a growing horizon."""

    scalars: ClassVar = {"L_recons": "losses/L_recons (in Eq. 4)"}  # one chart with LMVP

    def starts(self) -> dict[str, int]:
        return {phase: stage.start for phase, stage in self._stages().items()}

    def learners(self, model: VideoPredictor) -> dict[str, Learner]:
        rate = self.config.training.learning_rate
        return {name: Learner(theta, rate) for name, theta in model.networks.items()}

    def steps(self, model: VideoPredictor, optimizers: Optimizers) -> dict[str, Step]:
        step = functools.partial(supervised_step, model, optimizers, self.config)
        return {
            phase: functools.partial(step, num_real=stage.num_real)
            for phase, stage in self._stages().items()
        }

    def _stages(self) -> dict[str, horizons.Stage]:
        return horizons.stages(self.config, "open_loop")


def supervised_step(
    model: VideoPredictor, optimizers: Optimizers, config: Config, video: tf.Tensor, num_real: int
) -> dict[str, tf.Tensor]:
    """Moves the model by the reconstruction loss of what it predicts.

    Args:
      model: a built VideoPredictor.
      optimizers: its Optimizers.
      config: the Config.
      video: x_1..x_T, [B, T, H, W, C], values in [0, 1].
      num_real: R, how many frames are real to the model.

    Returns:
      A dict of float32 scalars.
    """
    settings = config.losses
    with tf.GradientTape() as tape:
        targets, predictions, num_inside = model.supervise(
            video, config.data.num_inputs, num_real, config.training.backprop_through_time
        )
        weights = [settings.input_weight] * num_inside
        weights += [1.0] * (predictions.shape[1] - num_inside)
        loss = losses.reconstruction_loss(
            settings.reconstruction,
            targets,
            predictions,
            tf.constant(weights, tf.float32),
            settings.gdl_weight,
            settings.gdl_alpha,
        )
    return {"L_recons": loss} | update(optimizers, tape, loss, model.networks)
