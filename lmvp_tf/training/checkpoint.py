"""Saving and restoring what a run is: weights, optimizer slots, the step, the seconds spent."""

from __future__ import annotations

import contextlib
import pathlib
from typing import Any

import keras
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.configs import Config
from lmvp_tf.distribution import Distribution
from lmvp_tf.errors import RunError, UserError, WriteError
from lmvp_tf.files import LiteralName, told_by_name
from lmvp_tf.models.predictor import VideoPredictor
from lmvp_tf.models.registry import model_class
from lmvp_tf.training import checkpoint_files, memory, weights
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
      distribution: the devices; None: those that TensorFlow chooses.

    Attributes:
      distribution: the Distribution.
      model: the VideoPredictor.
      procedure: the Procedure that trains it.
      optimizers: its Optimizers.
      step: int64 variable, batches trained on.
      seconds: float64 variable, time spent training on them.
      cpu_seconds: float64 variable, time that processor cores were busy in it, summed over cores.
    """

    def __init__(self, config: Config, distribution: Distribution | None = None) -> None:
        self.distribution = distribution or Distribution()
        _check_backend()
        self.distribution.check(config.training)
        memory.check(config, training=True, machines=self.distribution.workers)
        self.step = tf.Variable(0, dtype=tf.int64, trainable=False, name="step")
        with self.distribution.strategy.scope():
            self.model = build_model(config)
            self.procedure = procedure_class(self.model.procedure)(config)
            self.optimizers = Optimizers(self.procedure, self.model, self.step)
        self.seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False, name="seconds")
        self.cpu_seconds = tf.Variable(0.0, dtype=tf.float64, trainable=False, name="cpu_seconds")
        self.checkpoint = tf.train.Checkpoint(
            **_tracked(self.model, self.step, self.seconds, self.cpu_seconds),
            optimizers=dict(self.optimizers),
        )


_KINDS = {
    "networks": "the weights of",
    "optimizers": "what the optimizer keeps of the gradients of",
}


def not_finite(checkpoint: tf.train.Checkpoint) -> str:
    """Names what in a checkpoint has a NaN or an infinity, by network; empty: nothing."""
    view = tf.train.TrackableView
    parts: dict[str, Any] = {}
    for name, part in view.children(checkpoint).items():
        networks = view.children(part).items() if name in _KINDS else ()
        parts |= {f"{_KINDS[name]} {network}": inner for network, inner in networks} or {name: part}
    seen, bad = set[int](), []
    for name, part in parts.items():
        # An optimizer has the weights too: what belongs to two is told of the first, the network.
        nodes = [node for node in view(part).descendants() if id(node) not in seen]
        seen |= {id(node) for node in nodes}
        if not all(_is_finite(node) for node in nodes):
            bad.append(name)
    return ", ".join(bad)


def _is_finite(node: Any) -> bool:
    value = node.value if isinstance(node, keras.Variable) else node
    if not (isinstance(value, tf.Variable) and value.dtype.is_floating):
        return True
    return bool(tf.reduce_all(tf.math.is_finite(value)))


class Checkpoints:
    """The checkpoints of a workdir: the newest two. Nothing that is not finite gets into one.

    Args:
      workdir: a pathlib.Path.
      checkpoint: the tf.train.Checkpoint to save and restore.
    """

    def __init__(self, workdir: pathlib.Path, checkpoint: tf.train.Checkpoint) -> None:
        self.folder = _folder(workdir)
        self._name = LiteralName(self.folder)
        self._checkpoint = checkpoint
        self._newest: int | None = None

    @property
    def newest(self) -> int | None:
        """The step of the newest whole checkpoint; None where there is none.

        Raises:
          UserError: none of them is whole.
        """
        if self._newest is None:
            self._newest = checkpoint_files.find(self.folder).step
        return self._newest

    def save(self, step: int) -> None:
        """Saves under the number of the step. This checkpoint and the one before it are kept.

        Raises:
          WriteError: it cannot be written. The checkpoints saved before stay as they are.
          RunError: something in it is not finite.
        """
        before, counter = self.newest, self._checkpoint.save_counter
        counted = int(counter)
        if strange := not_finite(self._checkpoint):
            raise RunError(
                f"{strange} not finite at step {step}: training has diverged. Nothing was saved, "
                "the last checkpoint is from before; try a lower --set training.learning_rate"
            )
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            checkpoint_files.remove(self.folder, step)
            counter.assign_add(1)  # a part of every checkpoint so far
            self._checkpoint.write(f"{self._name}/{checkpoint_files.name_of(step)}")
            checkpoint_files.seal(self.folder, step)
            self._newest = step
            checkpoint_files.remove_others(self.folder, {before, step})
        except (tf.errors.OpError, OSError, WriteError) as error:
            counter.assign(counted)
            with contextlib.suppress(OSError):
                checkpoint_files.clear_leftovers(self.folder)
            raise WriteError(
                f"no checkpoint could be written to {self.folder} at step {step} "
                f"({checkpoint_files.first_line(error)})",
                checkpoint_files.may_pass(error),
            ) from error

    def restore(self, partial: bool = False, before: int | None = None) -> bool:
        """Restores the newest whole checkpoint, and says so where a newer one is damaged.

        Args:
          partial: leave out what the checkpoint holds and this program does not need (optimizers).
          before: only a checkpoint of an earlier step.

        Returns:
          Whether there was one.

        Raises:
          UserError: none of them is whole, or it is of another model, or not finite; or all are of
            `before` or later.
        """
        step, damaged = checkpoint_files.find(self.folder, before)
        if step is None:
            return False
        name = checkpoint_files.name_of(step)
        for newer, reason in damaged.items():
            newer_path = self.folder / checkpoint_files.name_of(newer)
            print(f"{newer_path} is damaged ({reason}): goes on from {name}.")
        try:
            status = self._checkpoint.restore(f"{self._name}/{name}")
            status.assert_existing_objects_matched()
            if not partial:
                status.assert_consumed()
        except (tf.errors.OpError, AssertionError, ValueError, OSError, IndexError) as error:
            raise UserError(
                f"{self.folder / name} cannot be restored: it is damaged or of another model "
                f"({checkpoint_files.first_line(error)})"
            ) from error
        if partial:
            status.expect_partial()
        if strange := not_finite(self._checkpoint):
            raise UserError(
                f"{self.folder / name} cannot be used: {strange} not finite in it. Begin the run "
                "anew by run_train.py --restart with a lower --set training.learning_rate"
            )
        self._newest = step
        return True


def newest_step(workdir: pathlib.Path) -> int | None:
    """The step of the newest whole checkpoint of a workdir; None where it has no checkpoint.

    Raises:
      UserError: it has some, and none of them is whole.
    """
    return checkpoint_files.find(_folder(workdir)).step


def has_any(workdir: pathlib.Path) -> bool:
    """Whether a workdir holds files of a checkpoint, be they readable or not."""
    return bool(checkpoint_files.steps(_folder(workdir)))


def make_folder(workdir: pathlib.Path) -> None:
    """Makes the folder of checkpoints: a workdir with a log and without it has lost them.

    Raises:
      WriteError: it cannot be made.
    """
    with told_by_name(_folder(workdir)):
        _folder(workdir).mkdir(parents=True, exist_ok=True)


def has_folder(workdir: pathlib.Path) -> bool:
    """Whether a workdir has the folder of checkpoints, be it empty."""
    return _folder(workdir).is_dir()


def clear_leftovers(workdir: pathlib.Path) -> None:
    """Removes checkpoints that killed programs left half written."""
    checkpoint_files.clear_leftovers(_folder(workdir))


def _folder(workdir: pathlib.Path) -> pathlib.Path:
    return workdir / "checkpoints"


def load_trained(
    workdir: pathlib.Path, config: Config, distribution: Distribution | None = None
) -> tuple[VideoPredictor, weights.Trained]:
    """The trained model of a workdir: its newest checkpoint, or the weights that were published.

    Args:
      workdir: the folder of the run.
      config: its Config.
      distribution: the devices to have the model on; None: those that TensorFlow chooses.

    Returns:
      (model, trained): the VideoPredictor, and how long it was trained, a Trained.

    Raises:
      UserError: the workdir has neither, or a damaged one.
    """
    model = build_for_prediction(config, distribution)
    return model, read_trained(model, workdir)


def build_for_prediction(
    config: Config, distribution: Distribution | None = None
) -> VideoPredictor:
    """The model of a Config, not for training.

    It computes in float32, also where it was trained in mixed precision: many processors have no
    half precision and are slow at it, and it rounds differently from one to the next.

    Args:
      config: the Config.
      distribution: the devices to have it on; None: those that TensorFlow chooses.

    Raises:
      UserError: Keras does not run on TensorFlow.
    """
    _check_backend()
    with (distribution or Distribution()).strategy.scope():
        return build_model(configs.replace(config, {"training.mixed_precision": "none"}))


def _check_backend() -> None:
    if (backend := keras.config.backend()) != "tensorflow":
        raise UserError(
            f"Keras runs on {backend} here, and runs are trained and read on TensorFlow: set "
            "KERAS_BACKEND=tensorflow, or load what run_export.py --format=keras writes"
        )


def read_trained(model: VideoPredictor, workdir: pathlib.Path) -> weights.Trained:
    """Reads into a model what its run has learned: the newest checkpoint, or published weights.

    Returns:
      How long it was trained, a Trained.

    Raises:
      UserError: the workdir has neither, or a damaged one, or one of another model.
    """
    if weights.are_in(workdir):
        return weights.read(model, workdir)
    step = tf.Variable(0, dtype=tf.int64)
    seconds, cpu_seconds = (tf.Variable(0.0, dtype=tf.float64) for _ in range(2))
    checkpoint = tf.train.Checkpoint(**_tracked(model, step, seconds, cpu_seconds))
    if not Checkpoints(workdir, checkpoint).restore(partial=True):
        raise UserError(f"{workdir} has no checkpoint yet: train it by run_train.py first")
    return weights.Trained(int(step), float(seconds), float(cpu_seconds))


def _tracked(
    model: VideoPredictor, step: tf.Variable, seconds: tf.Variable, cpu_seconds: tf.Variable
) -> dict[str, Any]:
    """What a checkpoint holds besides the optimizers.

    The variables are given by network and not left to be found by way of the model: TensorFlow does
    not look into lists of layers that Keras holds, and would pass over their weights in silence.
    """
    statistics = {"statistics": model.statistics} if model.statistics else {}
    return {
        "networks": model.networks,
        **statistics,
        "step": step,
        "seconds": seconds,
        "cpu_seconds": cpu_seconds,
    }
