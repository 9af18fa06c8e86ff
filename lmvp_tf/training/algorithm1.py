"""Algorithm 1 of the paper: the pre-training step (lines 4-6) and the main step (lines 8-17).

Both are free functions of (model, optimizers, config, video) that update the networks and return
scalars for the log; `lmvp_tf.training.graphs` wraps each in a tf.function. The names are the
paper's: f and m are leaked and dynamic motion features, a hat marks what comes from predictions.
"""

from __future__ import annotations

import functools
from typing import ClassVar

import tensorflow as tf

from lmvp_tf import losses
from lmvp_tf.models.lmvp import Rollout
from lmvp_tf.models.predictor import VideoPredictor, over_time
from lmvp_tf.training.optimizers import Optimizers
from lmvp_tf.training.procedure import Learner, Procedure, Step
from lmvp_tf.training.update import update


class Algorithm1(Procedure):
    """The paper's training of D, M and G: pre-training, then the main loop."""

    # TensorBoard shows the losses under the paper's equations.
    scalars: ClassVar = {
        "L_dis": "losses/L_dis (Eq. 1)",
        "L_M_L": "losses/L_M^L (Eq. 2)",
        "L_M_L/zeros": "losses/L_M^L of m_t = 0 (what Eq. 2 has to beat)",
        "L_M_T": "losses/L_M^T (Eq. 3)",
        "L_recons": "losses/L_recons (in Eq. 4)",
        "L_gen": "losses/L_gen (Eq. 4)",
        "D_accuracy/real": "D_accuracy/real",
        "D_accuracy/fake": "D_accuracy/fake",
    }

    def starts(self) -> dict[str, int]:
        """One-step pre-training, pre-training (lines 4-6), the main loop (lines 8-17)."""
        training = self.config.training
        return {"one_step": 0, "pretrain": training.one_step_steps, "main": training.pretrain_steps}

    def learners(self, model: VideoPredictor) -> dict[str, Learner]:
        """One of each network, and "F", which moves theta_F by the reconstruction.

        That is apart from "D", whose Adam keeps the moments of Eq. 1: one pair of moments for two
        losses of different scale would serve neither.
        """
        networks, training = model.networks, self.config.training
        return {
            "D": Learner(networks["F"] + networks["C"], training.discriminator_learning_rate),
            "F": Learner(networks["F"], training.learning_rate),
            "M": Learner(
                networks["M"], training.learning_rate, {"main": training.guider_learning_rate}
            ),
            "G": Learner(networks["G"], training.learning_rate),
        }

    def steps(self, model: VideoPredictor, optimizers: Optimizers) -> dict[str, Step]:
        data = self.config.data
        pretrain = functools.partial(pretrain_step, model, optimizers, self.config)
        return {
            "one_step": functools.partial(pretrain, num_real=data.num_frames - 1),
            "pretrain": functools.partial(pretrain, num_real=data.num_inputs),
            "main": functools.partial(train_step, model, optimizers, self.config),
        }


def pretrain_step(model, optimizers, config, video, num_real):
    """One pre-training iteration: Eq. 1 on theta_D, then Eq. 4 with gamma = 0 on theta_F, theta_M,
    theta_G.

    One rollout gives both the clips that D is shown as fake and the reconstruction.

    Args:
      model: a built LMVP.
      optimizers: its Optimizers.
      config: the Config.
      video: x_1..x_T, [B, T, H, W, C], values in [0, 1].
      num_real: R, how many frames are real for G; after x_R it goes on from its own predictions.

    Returns:
      A dict of float32 scalars.
    """
    networks = model.networks
    with tf.GradientTape() as joint_tape:
        with tf.GradientTape() as d_tape:
            f = model.leak(model.clips(video))
        f_real, _ = tf.split(f, [num_real, -1], axis=1)  # the gradient of a slice is far slower
        rollout = model.rollout(
            video[:, :num_real],
            config.data.num_frames - num_real,
            f_real,
            backprop=config.training.backprop_through_time,
        )
        reconstruction = _reconstruction(config, video, rollout.predictions)
        joint = reconstruction
        if config.losses.pretrain_learner_weight:
            fixed = tf.stop_gradient(f)
            learner = losses.learner_loss(model.guide(fixed[:, :-1])[0], fixed)
            joint = joint + config.losses.pretrain_learner_weight * learner
    fake_clips = tf.stop_gradient(model.next_clips(rollout))
    with d_tape:
        real = over_time(model.discriminator.classify, f)
        fake = over_time(model.discriminator, fake_clips)
        loss_d = losses.discriminator_loss(real, fake)

    # Line 4: theta_D.
    theta_d = networks["F"] + networks["C"]
    report = update(optimizers, d_tape, loss_d, {"D": theta_d})
    # Line 5: theta_G, theta_F and theta_M, by L_recons.
    report |= update(optimizers, joint_tape, joint, {name: networks[name] for name in "FMG"})
    report |= {"L_dis": loss_d, "L_recons": reconstruction}
    if config.losses.pretrain_learner_weight:
        report |= {"L_M_L": learner, "L_M_L/zeros": _learner_loss_of_zeros(fixed)}
    return report | _accuracy(real, fake)


def train_step(model, optimizers, config, video):
    """One iteration of the main loop: theta_D by Eq. 1, theta_M by Eq. 2, theta_G by Eq. 4.

    Args:
      model: a built LMVP.
      optimizers: its Optimizers.
      config: the Config.
      video: x_1..x_T, [B, T, H, W, C], values in [0, 1].

    Returns:
      A dict of float32 scalars.
    """
    num_frames, num_inputs = config.data.num_frames, config.data.num_inputs
    backprop = config.training.backprop_through_time
    networks = model.networks
    real_clips = model.clips(video)
    with tf.GradientTape() as g_tape:
        # Line 8: generate fake clips.
        rollout = model.rollout(video[:, :num_inputs], num_frames - num_inputs, backprop=backprop)
        reconstruction = _reconstruction(config, video, rollout.predictions)
    fake_clips = tf.stop_gradient(model.next_clips(rollout))

    # Lines 9-10: train the discriminator.
    theta_d = (networks["F"] if config.training.train_features else []) + networks["C"]
    with tf.GradientTape() as d_tape:
        real = over_time(model.discriminator, real_clips)
        fake = over_time(model.discriminator, fake_clips)
        loss_d = losses.discriminator_loss(real, fake)
    report = update(optimizers, d_tape, loss_d, {"D": theta_d})

    # Lines 11-14: train the motion guider, on real clips alone, whose features line 17 reads too.
    f = tf.stop_gradient(model.leak(real_clips))
    with tf.GradientTape() as m_tape:
        m, _ = model.guide(f[:, :-1])
        learner = losses.learner_loss(m, f)
    report |= update(optimizers, m_tape, learner, {"M": networks["M"]})

    # Lines 15-17: train the generator. f̂_t, m̂_t and x̂_t are inputs; F and M are fixed.
    frames = tf.stop_gradient(rollout.frames)
    f_hat = tf.stop_gradient(model.leak(model.clips(frames)[:, num_inputs:]))
    f_hat = tf.concat([f[:, :num_inputs], f_hat], axis=1)
    m_hat = tf.stop_gradient(model.guide(f_hat)[0])
    with g_tape:
        predictions = model.generate(frames, m_hat)
        f_hat_next = model.leak(model.next_clips(Rollout(frames, predictions)))
        teacher = losses.teacher_loss(m_hat, f_hat, f_hat_next, _step_weights(config))
        if not backprop:
            reconstruction = _reconstruction(config, video, predictions)
        loss_g = losses.generator_loss(reconstruction, teacher, config.losses.gamma)
    report |= update(optimizers, g_tape, loss_g, {"G": networks["G"]})
    report |= {"L_dis": loss_d, "L_M_L": learner, "L_M_L/zeros": _learner_loss_of_zeros(f)}
    report |= {"L_M_T": teacher, "L_recons": reconstruction, "L_gen": loss_g}
    return report | _accuracy(real, fake)


def _learner_loss_of_zeros(f):
    """Eq. 2 of m_t = 0: an M that does not beat it knows nothing of how features move."""
    return losses.learner_loss(tf.zeros_like(f[:, :-1]), f)


def _step_weights(config):
    """One weight per prediction of frames 2..T; the inputs x_2..x_T0 count `input_weight`."""
    num_inputs, num_frames = config.data.num_inputs, config.data.num_frames
    inputs = [config.losses.input_weight] * (num_inputs - 1)
    return tf.constant(inputs + [1.0] * (num_frames - num_inputs), tf.float32)


def _reconstruction(config, video, predictions):
    settings = config.losses
    return losses.reconstruction_loss(
        settings.reconstruction,
        video[:, 1:],
        predictions,
        _step_weights(config),
        settings.gdl_weight,
        settings.gdl_alpha,
    )


def _accuracy(real, fake):
    """How often D is right, on real and on generated clips."""
    return {
        "D_accuracy/real": tf.reduce_mean(tf.cast(real > 0, tf.float32)),
        "D_accuracy/fake": tf.reduce_mean(tf.cast(fake < 0, tf.float32)),
    }
