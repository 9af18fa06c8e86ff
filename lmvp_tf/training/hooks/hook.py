"""The contract of a hook: what is done beside the steps of a run, and what it may see."""

from __future__ import annotations

import dataclasses
import pathlib
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from lmvp_tf.configs import Config
from lmvp_tf.datasets.base import Dataset
from lmvp_tf.training.checkpoint import Checkpoints, TrainState
from lmvp_tf.training.clock import Clock
from lmvp_tf.training.retrying import Retrying


@dataclasses.dataclass
class Run:
    """A training run, as hooks see it.

    Attributes:
      config: its Config.
      workdir: the folder that it is kept in.
      videos: its Dataset.
      state: its TrainState: model, procedure, optimizers, and times.
      checkpoints: those of the workdir.
      clock: its Clock.
      retrying: how what writes is called, hooks among it.
      columns: the first columns of log.csv, by all that report to it.
      step: batches trained on so far.
      profile: (first, last), the steps to record for TensorBoard's profiler; None for none.
      stop_requested: set by a hook, it ends the run after this step. The run is saved, and the same
        command goes on from there.
    """

    config: Config
    workdir: pathlib.Path
    videos: Dataset
    state: TrainState
    checkpoints: Checkpoints
    clock: Clock
    retrying: Retrying
    columns: list[str] = dataclasses.field(default_factory=list)
    step: int = 0
    profile: tuple[int, int] | None = None
    stop_requested: bool = False

    @property
    def complete(self) -> bool:
        """Whether it has all its steps, or all its seconds."""
        training = self.config.training
        out_of_time = 0 < training.max_seconds <= float(self.state.seconds)
        return self.step >= training.max_steps or out_of_time

    def due(self, every: int) -> bool:
        """Whether what comes after each `every` steps, and at the end, comes after this one."""
        return self.step % every == 0 or self.complete


@dataclasses.dataclass
class Report:
    """What one step did, and what hooks found after it.

    Attributes:
      phase: the phase that the step was of.
      scalars: what the step returned.
      extras: what hooks add, by name. They become columns of log.csv and charts of TensorBoard.
      pictures: pictures to show in TensorBoard, [H, W, 3] in [0, 1], by name.
    """

    phase: str
    scalars: dict[str, float]
    extras: dict[str, float] = dataclasses.field(default_factory=dict)
    pictures: dict[str, npt.NDArray[np.floating]] = dataclasses.field(default_factory=dict)

    def is_logged(self, run: Run) -> bool:
        """Whether it becomes a row: each `training.log_every` steps or where a hook added to it."""
        return run.due(run.config.training.log_every) or bool(self.extras or self.pictures)

    def row(self, run: Run) -> dict[str, Any]:
        """The row of log.csv."""
        return {
            "step": run.step,
            "seconds": float(run.state.seconds),
            "cpu_seconds": float(run.state.cpu_seconds),
            "sequences": run.step * run.config.training.batch_size,
            "phase": self.phase,
            **self.scalars,
            **self.extras,
        }


class Hook:
    """Something done beside the steps of a run: a log, a check, a picture.

    A new one is a class and a line in `lmvp_tf.training.hooks.registry.HOOKS`. It is made without
    arguments, for one run. The methods are called in the order of that list, `close` in the
    opposite one; each does nothing unless it is overridden. A hook that adds to the Report stands
    before those that write it. Hooks must leave the model, the optimizers and the counters alone:
    a run is the same with any hooks.

    A method that raises WriteError or OSError for a reason that may pass, as a full disk, is called
    again for some minutes. So nothing of a call that failed may count.

    Class attributes:
      everywhere: whether each worker of a distributed run has one. Else the chief's is the only
        one, as for all that write.
    """

    everywhere: ClassVar[bool] = False

    def columns(self, run: Run) -> list[str]:
        """Names of the scalars that it adds, in the order of log.csv.

        Others that it adds come after those of all hooks.
        """
        del run
        return []

    def begin(self, run: Run) -> None:
        """Before the first step; `run.step` is above 0 in a run that goes on."""

    def before_step(self, run: Run) -> None:
        """Before step `run.step` + 1, its batch at hand."""

    def after_step(self, run: Run, report: Report) -> None:
        """After step `run.step`.

        Raises:
          RunError: the run cannot go on.
        """

    def end(self, run: Run) -> None:
        """After the last step, where nothing failed."""

    def close(self) -> None:
        """At the very end, whatever happened after `begin`."""
