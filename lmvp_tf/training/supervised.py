"""The training step of a baseline: one loss, one tape, one optimizer."""

import functools

import tensorflow as tf

from lmvp_tf import losses
from lmvp_tf.training.update import update


def steps(model, optimizers, config):
    """The step of every phase, as functions of a batch: {"one_step", "open_loop"}."""
    data = config.data
    step = functools.partial(supervised_step, model, optimizers, config)
    return {
        "one_step": functools.partial(step, num_real=data.num_frames - 1),
        "open_loop": functools.partial(step, num_real=data.num_inputs),
    }


def phase(training, step):
    """The phase that a step (from 0) belongs to."""
    return "one_step" if step < training.one_step_steps else "open_loop"


def supervised_step(model, optimizers, config, video, num_real):
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
