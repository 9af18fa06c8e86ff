"""Algorithm 1 of the paper: pre-training (lines 4-6) and the main loop (lines 8-17).

Which phases there are, and who learns how fast, is `Algorithm1`; what an iteration does is `Steps`.
The names are the paper's: f and m are leaked and dynamic motion features, a hat marks what comes
from predictions.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from typing import TYPE_CHECKING, ClassVar, NamedTuple

import tensorflow as tf

from lmvp_tf import losses
from lmvp_tf.distribution import over_replicas
from lmvp_tf.errors import UserError
from lmvp_tf.models.lmvp import LMVP, Rollout
from lmvp_tf.models.motion_guider import Guidance
from lmvp_tf.models.predictor import VideoPredictor, over_time
from lmvp_tf.training import horizons
from lmvp_tf.training.optimizers import Optimizers
from lmvp_tf.training.procedure import Learner, Procedure, Step
from lmvp_tf.training.update import update

if TYPE_CHECKING:
    from lmvp_tf.configs import Config

Report = dict[str, tf.Tensor]  # float32 scalars


class Algorithm1(Procedure):
    """The paper's training of D, M and G: pre-training, then the main loop."""

    # TensorBoard shows the losses under the paper's equations.
    scalars: ClassVar = {
        "L_dis": "losses/L_dis (Eq. 1)",
        "L_M_L": "losses/L_M^L (Eq. 2)",
        "L_M_L/zeros": "losses/L_M^L of m_t = 0 (what Eq. 2 has to beat)",
        "L_M_L/minus_f": "losses/L_M^L of m_t = -a f_t (what Eq. 2 has to beat)",
        "L_M_T": "losses/L_M^T (Eq. 3)",
        "L_recons": "losses/L_recons (in Eq. 4)",
        "L_gen": "losses/L_gen (Eq. 4)",
        "D_accuracy/real": "D_accuracy/real",
        "D_accuracy/fake": "D_accuracy/fake",
    }

    def validate(self) -> None:
        data, model, training = self.config.data, self.config.model, self.config.training
        counted, fewest = self.config.losses.first_counted, self.config.losses.fewest_predicted
        if not 2 <= counted <= data.num_inputs + 1:
            raise UserError(
                "losses.first_counted is 2, the first prediction, to T0 + 1, the first of a frame "
                f"that is not given: {data.num_inputs + 1}. Received: {counted}"
            )
        most = min(model.clip_length, data.num_predicted)
        if fewest > most:
            raise UserError(
                "losses.fewest_predicted: no clip of model.clip_length frames has more than "
                f"{most} predicted ones. Received: {fewest}"
            )
        if model.learner_apart and "M" not in training.updates:
            raise UserError(
                "model.guider_apart leaves what makes m_t to Eq. 2, which training.updates="
                f"{training.updates} leaves out: set it to false"
            )
        if training.train_encoder and training.main_loop != "joint":
            raise UserError("training.train_encoder is of training.main_loop=joint alone")

    def starts(self) -> dict[str, int]:
        """Pre-training (lines 4-6), with a growing horizon, and the main loop (lines 8-17)."""
        starts = {phase: stage.start for phase, stage in self._stages().items()}
        return {**starts, "main": self.config.training.pretrain_steps}

    def learners(self, model: VideoPredictor) -> dict[str, Learner]:
        """One of each network, and "F", which moves theta_F by the reconstruction.

        That is apart from "D", whose Adam keeps the moments of Eq. 1: one pair of moments for two
        losses of different scale would serve neither.
        """
        networks, training = model.networks, self.config.training
        rate = training.learning_rate
        learners = {
            "D": Learner(networks["F"] + networks["C"], training.discriminator_learning_rate),
            "F": Learner(networks["F"], rate),
            "M": Learner(networks["M"], rate, {"main": training.guider_learning_rate}),
            "G": Learner(networks["G"], rate),
        }
        if "R" in networks:  # Eq. 2 moves M from the first step: the main loop is no change to it
            learners |= {"R": Learner(networks["R"], rate), "M": Learner(networks["M"], rate)}
        if "D" not in training.updates:
            del learners["D"]
        return learners

    def steps(self, model: VideoPredictor, optimizers: Optimizers) -> dict[str, Step]:
        steps = Steps(model, optimizers, self.config)
        pretraining: dict[str, Step] = {
            phase: functools.partial(steps.pretrain, num_real=stage.num_real)
            for phase, stage in self._stages().items()
        }
        joint = self.config.training.main_loop == "joint"
        return {**pretraining, "main": steps.main_joint if joint else steps.main}

    def _stages(self) -> dict[str, horizons.Stage]:
        return horizons.stages(self.config, "pretrain")


class SharedRollout(NamedTuple):
    """One rollout that several losses read, and what it was made from, on a tape for each."""

    d_tape: tf.GradientTape  # recorded f
    m_tape: tf.GradientTape  # recorded m, where it was asked to
    g_tape: tf.GradientTape  # recorded all
    f: tf.Tensor  # f_1..f_T of real clips, [B, T, h, w, K]
    guidance: Guidance  # of f_1..f_R
    rollout: Rollout
    reconstruction: tf.Tensor  # L_recons, a scalar


@dataclasses.dataclass(frozen=True)
class Steps:
    """The iterations of Algorithm 1.

    Each takes x_1..x_T, [B, T, H, W, C] in [0, 1], updates the networks, and returns float32
    scalars for the log.

    Attributes:
      model: a built LMVP.
      optimizers: its Optimizers.
      config: the Config.
    """

    model: LMVP
    optimizers: Optimizers
    config: Config

    def pretrain(self, video: tf.Tensor, num_real: int) -> Report:
        """Lines 4-6: theta_D by Eq. 1; theta_F, theta_M and theta_G by Eq. 4 with gamma = 0.

        One rollout gives both the clips that D is shown as fake and the reconstruction. Where what
        makes m_t is apart, Eq. 2 trains it, and the reconstruction M's recurrence.

        Args:
          video: x_1..x_T.
          num_real: R, how many frames are real for G; after x_R it goes on from its own
            predictions.
        """
        networks, weight = self.model.networks, self.config.losses.pretrain_learner_weight
        shared = self._share_rollout(video, num_real, learns="R" in networks)
        f = tf.stop_gradient(shared.f)
        loss_g, report = shared.reconstruction, {"L_recons": shared.reconstruction}
        if weight and "R" not in networks:
            with shared.g_tape:
                guidance, _ = self.model.guide(f[:, :-1])
                learner, scalars = self._learner_loss(guidance.motion, f)
                loss_g = loss_g + weight * learner
            report |= scalars

        # Line 4: theta_D.
        report |= self._train_discriminator(
            shared.d_tape, shared.f, shared.rollout, num_real, networks["F"] + networks["C"]
        )
        # Line 5: theta_G, theta_F and theta_M, by L_recons.
        if "R" in networks:
            report |= self._train_guider(shared.m_tape, shared.guidance, f[:, : num_real + 1])
        moved = "FRG" if "R" in networks else "FMG"
        thetas = {name: networks[name] for name in moved}
        return report | update(self.optimizers, shared.g_tape, loss_g, thetas)

    def main(self, video: tf.Tensor) -> Report:
        """Lines 8-17: theta_D by Eq. 1, theta_M by Eq. 2, theta_G by Eq. 4, each with the networks
        as the lines before left them.
        """
        config, model, networks = self.config, self.model, self.model.networks
        num_inputs, num_open = config.data.num_inputs, config.data.num_predicted
        backprop = config.training.backprop_through_time
        real_clips = model.clips(video)
        with tf.GradientTape() as g_tape:
            # Line 8: generate fake clips.
            rollout = model.rollout(video[:, :num_inputs], num_open, backprop=backprop)
            reconstruction = self._reconstruction(video, rollout.predictions)

        # Lines 9-10: train the discriminator.
        with tf.GradientTape() as d_tape:
            f = model.leak(real_clips)
        report = self._train_discriminator(d_tape, f, rollout, num_inputs, self._theta_d)

        # Lines 11-14: train the motion guider, on real clips alone, whose f line 17 reads too.
        f = tf.stop_gradient(model.leak(real_clips))
        with tf.GradientTape() as m_tape:
            guidance, _ = model.guide(f[:, :-1])
        report |= self._train_guider(m_tape, guidance, f)

        # Lines 15-17: train the generator. f̂_t, m̂_t and x̂_t are inputs; F and M are fixed.
        frames, f_hat = tf.stop_gradient(rollout.frames), f[:, :num_inputs]
        if num_open > 1:  # else no f̂_t is of predictions
            f_hat_open = tf.stop_gradient(model.leak(model.clips(frames)[:, num_inputs:]))
            f_hat = tf.concat([f_hat, f_hat_open], axis=1)
        m_hat, shown = map(tf.stop_gradient, model.guide(f_hat)[0])
        with g_tape:
            predictions = model.generate(frames, shown)
            f_hat_next = model.leak(model.next_clips(frames, predictions))
            teacher = losses.teacher_loss(m_hat, f_hat, f_hat_next, self._step_weights)
            if not backprop:
                reconstruction = self._reconstruction(video, predictions)
            loss_g = losses.generator_loss(reconstruction, teacher, config.losses.gamma)
        report |= update(self.optimizers, g_tape, loss_g, {"G": networks["G"]})
        return report | {"L_M_T": teacher, "L_recons": reconstruction, "L_gen": loss_g}

    def main_joint(self, video: tf.Tensor) -> Report:
        """Lines 8-17 with all losses on one rollout, and the networks as the step found them."""
        networks, training = self.model.networks, self.config.training
        gamma, num_inputs = self.config.losses.gamma, self.config.data.num_inputs
        # Line 8: generate fake clips.
        shared = self._share_rollout(video, num_inputs, learns=True)
        f = tf.stop_gradient(shared.f)
        # Lines 15-16: Eq. 3 pulls at each prediction, through F before line 10 moves it.
        loss_g, report = shared.reconstruction, {"L_recons": shared.reconstruction}
        if gamma:
            teacher, pull = self._teach(shared.rollout, f[:, :num_inputs])
            with shared.g_tape:
                pulled = tf.reduce_sum(pull * shared.rollout.predictions)
                loss_g = losses.generator_loss(loss_g, pulled, gamma)
            total = losses.generator_loss(shared.reconstruction, teacher, gamma)
            report |= {"L_M_T": teacher, "L_gen": total}

        # Lines 9-10: train the discriminator.
        report |= self._train_discriminator(
            shared.d_tape, shared.f, shared.rollout, num_inputs, self._theta_d
        )
        # Lines 11-14: train the motion guider, on real clips alone.
        report |= self._train_guider(shared.m_tape, shared.guidance, f[:, : num_inputs + 1])
        # Line 17: train the generator; beyond the paper, F and M's recurrence too.
        moved = "FRG" if training.train_encoder else "G"
        thetas = {name: networks[name] for name in moved if name in networks}
        return report | update(self.optimizers, shared.g_tape, loss_g, thetas)

    def _share_rollout(self, video: tf.Tensor, num_real: int, learns: bool) -> SharedRollout:
        """One rollout; `learns` tells whether M is to learn from it by Eq. 2."""
        # No persistent tape for all: it would look into the compiled functions of the filter.
        model, m_tape = self.model, tf.GradientTape()
        with tf.GradientTape() as g_tape:
            with tf.GradientTape() as d_tape:
                f = model.leak(model.clips(video))
            f_real, _ = tf.split(f, [num_real, -1], axis=1)  # the gradient of a slice is far slower
            with m_tape if learns else contextlib.nullcontext():
                guidance, memory = model.guide(f_real)
            rollout = model.rollout(
                video[:, :num_real],
                video.shape[1] - num_real,
                (guidance, memory),
                backprop=self.config.training.backprop_through_time,
            )
            reconstruction = self._reconstruction(video, rollout.predictions)
        return SharedRollout(d_tape, m_tape, g_tape, f, guidance, rollout, reconstruction)

    def _train_discriminator(
        self,
        tape: tf.GradientTape,
        f: tf.Tensor,
        rollout: Rollout,
        num_real: int,
        theta: list[tf.Variable],
    ) -> Report:
        """theta_D by Eq. 1; `tape` recorded f_1..f_T of the real clips.

        D is left as it is where no clip is predicted enough to be shown to it, see `_first_shown`.
        """
        model, shown = self.model, self._first_shown(num_real)
        num_clips = rollout.predictions.shape[1]
        if "D" not in self.config.training.updates or shown >= num_clips:
            return {}
        fake_clips = tf.stop_gradient(model.next_clips(rollout.frames, rollout.predictions))
        with tape:
            real = over_time(model.discriminator.classify, _from(f, shown))
            fake = over_time(model.discriminator, _from(fake_clips, shown))
            loss = losses.discriminator_loss(real, fake)
        return {
            "L_dis": loss,
            "D_accuracy/real": tf.reduce_mean(tf.cast(real > 0, tf.float32)),
            "D_accuracy/fake": tf.reduce_mean(tf.cast(fake < 0, tf.float32)),
        } | update(self.optimizers, tape, loss, {"D": theta})

    def _train_guider(self, tape: tf.GradientTape, guidance: Guidance, f: tf.Tensor) -> Report:
        """theta_M by Eq. 2; `tape` recorded the guidance at all f_t but the last."""
        if "M" not in self.config.training.updates:
            return {}
        with tape:
            loss, report = self._learner_loss(guidance.motion, f)
        return report | update(self.optimizers, tape, loss, {"M": self.model.networks["M"]})

    def _learner_loss(self, motions: tf.Tensor, f: tf.Tensor) -> tuple[tf.Tensor, Report]:
        """Eq. 2, and beside it what it has to beat."""
        first = self.config.losses.first_counted - 2
        f = _from(f, first)
        loss = losses.learner_loss(_from(motions, first), f)
        yardsticks = losses.learner_yardsticks(f, lambda x: over_replicas(tf.reduce_mean(x)))
        return loss, {"L_M_L": loss, **{f"L_M_L/{k}": value for k, value in yardsticks.items()}}

    def _teach(self, rollout: Rollout, f_real: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Eq. 3, and its gradient to every x̂_{t+1}, which G makes. x̂_t, f̂_t and m̂_t are inputs."""
        frames, predictions, m_hat = map(tf.stop_gradient, rollout)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(predictions)
            f_hat_next = self.model.leak(self.model.next_clips(frames, predictions))
            open_loop = tf.stop_gradient(f_hat_next[:, f_real.shape[1] - 1 : -1])
            f_hat = tf.concat([f_real, open_loop], axis=1)
            loss = losses.teacher_loss(m_hat, f_hat, f_hat_next, self._step_weights)
        return loss, tape.gradient(loss, predictions)

    def _reconstruction(self, video: tf.Tensor, predictions: tf.Tensor) -> tf.Tensor:
        settings = self.config.losses
        return losses.reconstruction_loss(
            settings.reconstruction,
            video[:, 1:],
            predictions,
            self._step_weights,
            settings.gdl_weight,
            settings.gdl_alpha,
        )

    @property
    def _theta_d(self) -> list[tf.Variable]:
        """What Eq. 1 moves in the main loop."""
        networks = self.model.networks
        return (networks["F"] if self.config.training.train_features else []) + networks["C"]

    @property
    def _step_weights(self) -> tf.Tensor:
        """One weight per prediction of frames 2..T: 0 for what does not count, `input_weight` for
        the other inputs up to x_T0.
        """
        data, settings = self.config.data, self.config.losses
        ignored = settings.first_counted - 2
        inputs = [settings.input_weight] * (data.num_inputs - 1 - ignored)
        return tf.constant([0.0] * ignored + inputs + [1.0] * data.num_predicted, tf.float32)

    def _first_shown(self, num_real: int) -> int:
        """The first of the T - 1 clips that end with a prediction, from 0, that D is shown as fake.

        The clip that ends with x̂_{R+i} has i predicted frames. Real clips it is shown from the same
        number on: without 0, neither the real one of t = 1, which is one frame c times.
        """
        settings = self.config.losses
        first = num_real + settings.fewest_predicted - 2 if settings.fewest_predicted > 1 else 0
        return max(first, settings.first_counted - 2)


def _from(values: tf.Tensor, first: int) -> tf.Tensor:
    """values[:, first:]; the gradient of a slice is far slower."""
    return tf.split(values, [first, -1], axis=1)[1] if first else values
