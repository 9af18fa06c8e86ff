"""Saving and restoring what a run is: weights, optimizer slots, the step, the seconds spent."""

from __future__ import annotations

import pathlib
from typing import Any

import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.configs import Config
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.files import LiteralName
from lmvp_tf.models.predictor import VideoPredictor
from lmvp_tf.models.registry import model_class
from lmvp_tf.training import memory, weights
from lmvp_tf.training.optimizers import Optimizers
from lmvp_tf.training.procedures import procedure_class


def build_model(config: Config) -> VideoPredictor:
    """The model of a Config, with all its variables."""
    memory.check(config)
    policy = {"none": "float32"}.get(
        config.training.mixed_precision, f"mixed_{config.training.mixed_precision}"
    )
    model = model_class(config.model_name)(config.model, dtype=policy, name=config.model_name)
    model.recompute = config.training.recompute
    model.frames_together = config.training.frames_together
    model.rolled = config.training.rolled and not model.recompute
    model.build((None, config.data.num_inputs, *config.data.frame_shape))
    return model


class TrainState:
    """A model in training. Everything exists before a checkpoint is read, so that nothing of it is
    lost.

    Args:
      config: the Config.

    Attributes:
      model: the VideoPredictor.
      procedure: the Procedure that trains it.
      optimizers: its Optimizers.
      step: int64 variable, batches trained on.
      seconds: float64 variable, time spent training on them.
      cpu_seconds: float64 variable, time that processor cores were busy in it, summed over cores.
    """

    def __init__(self, config: Config) -> None:
        memory.check(config, training=True)
        self.model = build_model(config)
        self.procedure = procedure_class(self.model.procedure)(config)
        self.optimizers = Optimizers(self.procedure, self.model)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        self.seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False, name="seconds")
        self.cpu_seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False, name="cpu_seconds")
        self.checkpoint = tf.train.Checkpoint(
            **_tracked(self.model, self.step, self.seconds, self.cpu_seconds),
            optimizers=dict(self.optimizers),
        )


class Checkpoints:
    """The checkpoints of a workdir: the newest two.

    Args:
      workdir: a pathlib.Path.
      checkpoint: the tf.train.Checkpoint to save and restore.
    """

    def __init__(self, workdir: pathlib.Path, checkpoint: tf.train.Checkpoint) -> None:
        self.folder = _folder(workdir)
        self._name = LiteralName(self.folder)
        self.manager = tf.train.CheckpointManager(checkpoint, str(self._name), max_to_keep=2)

    @property
    def newest(self) -> int | None:
        """The step of the newest checkpoint; None where there is none."""
        path = self.manager.latest_checkpoint
        return step_of(pathlib.Path(path)) if path else None

    def save(self, step: int) -> None:
        """Saves under the number of the step.

        Raises:
          RunError: it cannot be written. The checkpoints saved before stay as they are.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self.manager.save(checkpoint_number=step)
        except (tf.errors.OpError, OSError) as error:
            raise RunError(
                f"no checkpoint could be written to {self.folder} at step {step} "
                f"({_first_line(error)}); free some space and run the same command to go on from "
                f"the one before"
            ) from error

    def restore(self, partial: bool = False) -> bool:
        """Restores the newest checkpoint.

        Args:
          partial: leave out what the checkpoint holds and this program does not need (optimizers).

        Returns:
          Whether there was one.

        Raises:
          UserError: it is damaged, or of another model.
        """
        path = self.manager.latest_checkpoint
        if not path:
            return False
        try:
            status = self.manager.checkpoint.restore(path)
            status.assert_existing_objects_matched()
            if not partial:
                status.assert_consumed()
        except (tf.errors.OpError, AssertionError, ValueError, OSError, IndexError) as error:
            raise UserError(
                f"{self.folder / pathlib.Path(path).name} cannot be restored: it is damaged or of "
                f"another model ({_first_line(error)})"
            ) from error
        if partial:
            status.expect_partial()
        return True


def newest_step(workdir: pathlib.Path) -> int | None:
    """The step of the newest checkpoint of a workdir; None where it has none."""
    return Checkpoints(workdir, tf.train.Checkpoint()).newest


def has_any(workdir: pathlib.Path) -> bool:
    """Whether a workdir holds files of a checkpoint, be they readable or not."""
    return any(_folder(workdir).glob("ckpt-*.*"))


def step_of(checkpoint: pathlib.Path) -> int:
    """The step of a checkpoint by its path, .../ckpt-STEP."""
    return int(checkpoint.name.rpartition("-")[2])


def _folder(workdir: pathlib.Path) -> pathlib.Path:
    return workdir / "checkpoints"


def load_trained(workdir: pathlib.Path, config: Config) -> tuple[VideoPredictor, weights.Trained]:
    """The trained model of a workdir: its newest checkpoint, or the weights that were published.

    It computes in float32, also where it was trained in mixed precision: many processors have no
    half precision and are slow at it, and it rounds differently from one to the next.

    Returns:
      (model, trained): the VideoPredictor, and how long it was trained, a Trained.

    Raises:
      UserError: the workdir has neither, or a damaged one.
    """
    model = build_model(configs.replace(config, {"training.mixed_precision": "none"}))
    if weights.are_in(workdir):
        return model, weights.read(model, workdir)
    step = tf.Variable(0, dtype=tf.int64)
    seconds, cpu_seconds = (tf.Variable(0.0, dtype=tf.float64) for _ in range(2))
    checkpoint = tf.train.Checkpoint(**_tracked(model, step, seconds, cpu_seconds))
    if not Checkpoints(workdir, checkpoint).restore(partial=True):
        raise UserError(f"{workdir} has no checkpoint yet: train it by run_train.py first")
    return model, weights.Trained(int(step), float(seconds), float(cpu_seconds))


def _tracked(
    model: VideoPredictor, step: tf.Variable, seconds: tf.Variable, cpu_seconds: tf.Variable
) -> dict[str, Any]:
    """What a checkpoint holds besides the optimizers.

    The variables are given by network and not left to be found by way of the model: TensorFlow does
    not look into lists of layers that Keras holds, and would pass over their weights in silence.
    """
    return {
        "networks": model.networks,
        "step": step,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
    }


def _first_line(error: Exception) -> str:
    """What an error of TensorFlow says, in one line, without the name of the function it was in."""
    text = str(getattr(error, "message", "") or error).rpartition("}} ")[2]
    return (text.strip().splitlines() or ["no reason given"])[0][:300]
