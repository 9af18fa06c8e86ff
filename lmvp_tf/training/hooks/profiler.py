"""Where a step's time goes, for TensorBoard's profiler."""

from __future__ import annotations

import contextlib

import tensorflow as tf
from absl import logging

from lmvp_tf.training import checkpoint_files
from lmvp_tf.training.hooks.hook import Hook, Report, Run


class Profiler(Hook):
    """Records the steps of `run.profile` into the workdir, under plugins/profile."""

    def __init__(self) -> None:
        self._recording = contextlib.ExitStack()

    def before_step(self, run: Run) -> None:
        number = run.step + 1
        first, last = run.profile or (0, 0)
        if number == first:
            tf.profiler.experimental.start(str(run.workdir))
            self._recording.callback(_stop)
        self._step = contextlib.ExitStack()
        if first <= number <= last:
            self._step.enter_context(tf.profiler.experimental.Trace("train", step_num=number, _r=1))

    def after_step(self, run: Run, report: Report) -> None:
        del report
        self._step.close()
        if run.profile and run.step == run.profile[1]:
            self.close()

    def close(self) -> None:
        """Writes what was recorded, if that was not done yet."""
        self._recording.close()


def _stop() -> None:
    try:
        tf.profiler.experimental.stop()
    except (tf.errors.OpError, OSError) as error:  # the run is worth more than its profile
        logging.warning("--profile: nothing was recorded (%s)", checkpoint_files.first_line(error))
