"""Training of a recurrent model that reads real frames or its own predictions, by chance.

How likely a frame is real changes with the share p of the run that is over. The numbers are those
of PredRNN's authors, whose 25,000 and 50,000 of 80,000 steps are 5/16 and 5/8 of a run:

    "scheduled" (Bengio et al. 2015): the T0 inputs are real. Later frames are real with a chance
      that falls evenly from 1 to 0 at p = 5/8.
    "reverse" (Wang et al. 2021): until p = 5/16 every frame but the first is real with chance 1/2.
      Then the inputs' chance rises to 1, as 1 - exp(-32 (p - 5/16)) / 2, and the others' falls
      evenly to 0, both until p = 5/8.

What is drawn for a batch depends on the seed and the step alone: a run that was interrupted goes on
as it would have, on however many devices.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, ClassVar

import tensorflow as tf

from lmvp_tf import losses
from lmvp_tf.distribution import part_of_replica, replicas_in_sync
from lmvp_tf.errors import UserError
from lmvp_tf.models.predictor import VideoPredictor
from lmvp_tf.models.predrnn import PredRNN
from lmvp_tf.training.optimizers import Optimizers
from lmvp_tf.training.procedure import Step
from lmvp_tf.training.supervised import Supervised
from lmvp_tf.training.update import update

if TYPE_CHECKING:
    from lmvp_tf.configs import Config

_CHANGE, _END, _SPEED = 5 / 16, 5 / 8, 32.0


class ScheduledSampling(Supervised):
    """One phase, in which ever fewer of the frames to be predicted are real to the model."""

    scalars: ClassVar = {
        **Supervised.scalars,
        "L_decouple": "losses/L_decouple (of the two memories of PredRNN)",
        "real/inputs": "real/inputs (share of frames 2 to T0)",
        "real/others": "real/others (share of frames T0 + 1 to T - 1)",
    }

    def validate(self) -> None:
        training = self.config.training
        if training.one_step_steps or training.horizons:
            raise UserError(
                f"--model={self.config.model_name} reads real frames by a schedule of its own "
                "(model.sampling): leave training.one_step_steps=0 and training.horizons empty. "
                f"Received: {training.one_step_steps} and {training.horizons}"
            )

    def starts(self) -> dict[str, int]:
        return {"sampled": 0}

    def steps(self, model: VideoPredictor, optimizers: Optimizers) -> dict[str, Step]:
        return {"sampled": functools.partial(sampled_step, model, optimizers, self.config)}


def sampled_step(
    model: PredRNN, optimizers: Optimizers, config: Config, video: tf.Tensor
) -> dict[str, tf.Tensor]:
    """Moves the model by the reconstruction loss of x̂_2..x̂_T, made from what was drawn.

    Args:
      model: a built PredRNN.
      optimizers: its Optimizers.
      config: the Config.
      video: x_1..x_T, [B, T, H, W, C], values in [0, 1].

    Returns:
      A dict of float32 scalars.
    """
    settings, data = config.losses, config.data
    whole_batch = replicas_in_sync() * tf.shape(video)[0]
    is_real = part_of_replica(draw(config, optimizers.step, whole_batch))
    with tf.GradientTape() as tape:
        backprop = config.training.backprop_through_time
        predictions, overlap = model.sample(video, is_real, backprop)
        inputs = [settings.input_weight] * (data.num_inputs - 1)
        loss = reconstruction = losses.reconstruction_loss(
            settings.reconstruction,
            video[:, 1:],
            predictions,
            tf.constant(inputs + [1.0] * data.num_predicted, tf.float32),
            settings.gdl_weight,
            settings.gdl_alpha,
        )
        report = {"L_recons": reconstruction}
        if overlap is not None:
            report["L_decouple"] = tf.reduce_mean(overlap)
            loss = reconstruction + model.settings.decoupling_weight * report["L_decouple"]
    inputs, others = tf.split(tf.cast(is_real[:, 1:], tf.float32), [data.num_inputs - 1, -1], 1)
    for name, part in (("inputs", inputs), ("others", others)):
        if part.shape[1]:
            report[f"real/{name}"] = tf.reduce_mean(part)
    return report | update(optimizers, tape, loss, model.networks)


def draw(config: Config, step: tf.Variable | int, batch_size: int | tf.Tensor) -> tf.Tensor:
    """Whether x_1..x_{T-1} are real to the model at a step, bool, [B, T-1]."""
    data, training = config.data, config.training
    step = tf.cast(step, tf.int64)
    progress = tf.cast(step, tf.float32) / (training.decay_steps or training.max_steps)
    of_inputs, of_others = chances(config.model.sampling, progress)
    lengths = (1, data.num_inputs - 1, data.num_predicted - 1)
    limits = tf.repeat(tf.stack([1.0, of_inputs, of_others]), lengths)
    seed = tf.stack([tf.constant(training.seed, tf.int64), step])
    # Whole numbers by Philox are the same in a step that XLA compiled.
    drawn = tf.random.stateless_uniform(
        [batch_size, sum(lengths)], seed, None, None, tf.uint32, alg="philox"
    )
    return tf.cast(drawn, tf.float64) < tf.cast(limits, tf.float64) * 2.0**32


def chances(kind: str, progress: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """How likely an input frame but the first, and a later frame, is real.

    Args:
      kind: "scheduled" or "reverse".
      progress: the share of the run that is over, float32.
    """
    if kind == "scheduled":
        return tf.ones_like(progress), tf.maximum(1.0 - progress / _END, 0.0)
    since = tf.maximum(progress - _CHANGE, 0.0)
    of_inputs = tf.where(progress < _END, 1.0 - 0.5 * tf.exp(-_SPEED * since), 1.0)
    return of_inputs, tf.maximum(0.5 - 0.5 * since / (_END - _CHANGE), 0.0)
