"""How a model is trained: the settings of its losses, of Algorithm 1, and of the optimizers."""

from __future__ import annotations

import dataclasses

from lmvp_tf.errors import UserError
from lmvp_tf.settings import setting


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Eq. 4 and what it leaves open. Every loss is a mean over elements, whatever their number."""

    reconstruction: str = setting("bce", choices=("bce", "mse"))
    gdl_weight: float = 0.0  # weight of the gradient difference loss in L_recons
    gdl_alpha: float = 1.0  # exponent of the gradient difference loss
    gamma: float = 0.1  # weight of Eq. 3 in Eq. 4
    input_weight: float = 1.0  # weight of one-step predictions of the frames up to T0
    pretrain_learner_weight: float = 0.0  # weight of Eq. 2 on theta_M in pre-training; the paper: 0
    # First t whose x̂_t counts, in every loss of LMVP; nobody can know the direction of x̂_2.
    first_counted: int = 2
    # Predicted frames that a clip must have for D to be shown it as fake.
    fewest_predicted: int = setting(1, positive=True)

    def validate(self) -> None:
        """Refuses what cannot work together.

        Raises:
          UserError: naming the field, what it may hold, and what it holds.
        """
        if self.gdl_alpha < 1:
            raise UserError(
                "losses.gdl_alpha must be 1 or more: below 1 its gradient is infinite at a perfect "
                f"prediction. Received: {self.gdl_alpha}"
            )


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Algorithm 1 and its optimizers. A step is one batch, in either phase.

    Pre-training is to last "until convergence" (Algorithm 1, line 6), which shows only while it
    runs. So a run may be continued with other lengths of its phases. log.csv tells which phase each
    step was in.
    """

    batch_size: int = setting(8, positive=True)
    seed: int = 0
    # First steps of pre-training: every prediction from real frames.
    one_step_steps: int = setting(0, resumable=True)
    # Then open loop over so many frames, one number after the other, those of T - T0 or more left
    # out; after them over all T - T0.
    horizons: tuple[int, ...] = setting((), empty=True)
    horizon_steps: int = setting(100, positive=True)  # for each of them
    pretrain_steps: int = setting(0, resumable=True)  # lines 4-6
    max_steps: int = setting(100, positive=True, resumable=True)  # lines 4-18 together
    # Which networks learn by a loss of their own. "G": the reconstruction is all.
    updates: str = setting("DMG", choices=("DMG", "DG", "MG", "G"))
    # "sequential": each line reads what the lines before updated. "joint": all read one rollout.
    main_loop: str = setting("sequential", choices=("sequential", "joint"))
    # In the joint main loop the reconstruction goes on moving theta_F and M's recurrence.
    train_encoder: bool = False
    # End earlier, after so many seconds of training; 0: no limit.
    max_seconds: float = setting(0.0, resumable=True)
    # "muon": of convolutions' kernels the momentum, made orthogonal; Adam moves the rest.
    optimizer: str = setting("adam", choices=("adam", "muon"))
    # Of theta_G; and of theta_F and theta_M in pre-training.
    learning_rate: float = setting(1e-3, resumable=True)
    # Of theta_M in the main loop, where another loss moved it before.
    guider_learning_rate: float = setting(1e-3, resumable=True)
    discriminator_learning_rate: float = setting(1e-4, resumable=True)  # of theta_D by Eq. 1
    train_features: bool = True  # False: the main loop leaves theta_F as pre-training left it
    warmup_steps: int = 0  # the learning rates rise linearly over these steps
    phase_warmup_steps: int = 0  # and over these anew when a later phase begins
    # Of the rates: "cosine" to 0, "halve" at each fifth of the run, "one_cycle" up and down.
    decay: str = setting("none", choices=("none", "cosine", "halve", "one_cycle"))
    decay_steps: int = setting(0, resumable=True)  # the run that it is made for; 0: max_steps
    # The share of the rates that no decay goes below.
    learning_rate_floor: float = setting(0.0, at_most=1, resumable=True)
    # Adam: what stays of its mean of gradients, and of squared gradients, at every step.
    beta_1: float = setting(0.9, below=1)
    beta_2: float = setting(0.999, below=1)
    # Bound on the norm of each network's gradient; 0: none.
    clip_norm: float = setting(1.0, resumable=True)
    # What comes of an update that is not finite: the run stops, or that network skips it.
    on_nonfinite: str = setting("stop", choices=("stop", "skip"), resumable=True)
    backprop_through_time: bool = True  # the reconstruction's gradient through earlier predictions
    # Loops over time as `while` loops: a smaller graph, sooner ready.
    rolled: bool = setting(True, resumable=True)
    # G on all real frames in one call; False: less memory.
    frames_together: bool = setting(True, resumable=True)
    # G's filters anew in the backward pass: less memory, more time.
    recompute: bool = setting(False, resumable=True)
    jit_compile: bool = False  # compile the whole step by XLA
    # "float16" is with loss scaling.
    mixed_precision: str = setting("none", choices=("none", "bfloat16", "float16"))
    # Steps between lines of log.csv and TensorBoard's scalars.
    log_every: int = setting(10, positive=True, resumable=True)
    # Steps between validations, with pictures.
    validate_every: int = setting(250, positive=True, resumable=True)
    validation_sequences: int = setting(64, positive=True, resumable=True)
    checkpoint_seconds: float = setting(120.0, resumable=True)  # between checkpoints

    def validate(self) -> None:
        """Refuses what cannot work together.

        Raises:
          UserError: naming the field, what it may hold, and what it holds.
        """
        if not self.one_step_steps <= self.pretrain_steps:
            raise UserError(
                "training.one_step_steps are the first of training.pretrain_steps and cannot be "
                f"more. Received: {self.one_step_steps} > {self.pretrain_steps}"
            )
        if list(self.horizons) != sorted({h for h in self.horizons if h > 1}):
            raise UserError(
                "training.horizons must rise, from 2 on: one-step predictions come before them. "
                f"Received: {self.horizons}"
            )
        growing = len(self.horizons) * self.horizon_steps
        if self.horizons and self.one_step_steps + growing > self.pretrain_steps:
            raise UserError(
                "training.horizons, each for training.horizon_steps, and training.one_step_steps "
                "are the first of training.pretrain_steps and cannot be more. Received: "
                f"{self.one_step_steps} + {growing} > {self.pretrain_steps}"
            )
        ends_early = self.decay in ("cosine", "one_cycle") and 0 < self.decay_steps < self.max_steps
        if ends_early and not self.learning_rate_floor:
            raise UserError(
                f"the learning rate falls to 0 at step {self.decay_steps}, and the run is to last "
                f"{self.max_steps}: go on with a share of it by --set "
                "training.learning_rate_floor=0.05, or with a longer decay, and a jump, by --set "
                f"training.decay_steps={self.max_steps}"
            )
