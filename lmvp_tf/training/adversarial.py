"""Training by the reconstruction and the verdict of a discriminator of whole sequences."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar

import tensorflow as tf

from lmvp_tf import losses
from lmvp_tf.models.mcnet import MCnet
from lmvp_tf.models.predictor import VideoPredictor
from lmvp_tf.training.optimizers import Optimizers
from lmvp_tf.training.procedure import Learner, Step
from lmvp_tf.training.supervised import Supervised
from lmvp_tf.training.update import update

if TYPE_CHECKING:
    from lmvp_tf.configs import Config


class Adversarial(Supervised):
    """The phases of `Supervised`, in which D learns beside G, with an optimizer of its own."""

    scalars: ClassVar = {
        **Supervised.scalars,
        "L_dis": "losses/L_dis (Eq. 1)",
        "L_adv": "losses/L_adv (-log D of what G predicts)",
    }

    def learners(self, model: VideoPredictor) -> dict[str, Learner]:
        training, networks = self.config.training, model.networks
        return {
            "G": Learner(networks["G"], training.learning_rate),
            "D": Learner(networks["D"], training.discriminator_learning_rate),
        }

    def steps(self, model: VideoPredictor, optimizers: Optimizers) -> dict[str, Step]:
        step = functools.partial(adversarial_step, model, optimizers, self.config)
        return {
            phase: functools.partial(step, num_real=stage.num_real)
            for phase, stage in self._stages().items()
        }


def adversarial_step(
    model: MCnet, optimizers: Optimizers, config: Config, video: tf.Tensor, num_real: int
) -> dict[str, tf.Tensor]:
    """Moves D by Eq. 1, then G by the reconstruction and by what D, as it is now, says to it.

    Args:
      model: a built MCnet.
      optimizers: its Optimizers.
      config: the Config.
      video: x_1..x_T, [B, T, H, W, C], values in [0, 1].
      num_real: R, how many frames are real to the model.

    Returns:
      A dict of float32 scalars.
    """
    settings, num_inputs = config.losses, config.data.num_inputs
    inputs, networks = video[:, :num_inputs], model.networks
    with tf.GradientTape() as g_tape:
        targets, predictions, _ = model.supervise(
            video, num_inputs, num_real, config.training.backprop_through_time
        )
        reconstruction = losses.reconstruction_loss(
            settings.reconstruction,
            targets,
            predictions,
            tf.ones([config.data.num_predicted]),
            settings.gdl_weight,
            settings.gdl_alpha,
        )
    with tf.GradientTape() as d_tape:
        real = model.judge(inputs, targets)
        fake = model.judge(inputs, tf.stop_gradient(predictions))
        loss_d = losses.discriminator_loss(real, fake)
    report = update(optimizers, d_tape, loss_d, {"D": networks["D"]})
    with g_tape:
        verdict = tf.reduce_mean(tf.nn.softplus(-model.judge(inputs, predictions)))
        loss_g = reconstruction + model.settings.adversarial_weight * verdict
    report |= update(optimizers, g_tape, loss_g, {"G": networks["G"]})
    return {"L_recons": reconstruction, "L_dis": loss_d, "L_adv": verdict} | report
