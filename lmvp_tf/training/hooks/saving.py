"""Checkpoints, now and then and at the end."""

from __future__ import annotations

import time

from lmvp_tf.training.hooks.hook import Hook, Report, Run


class Saving(Hook):
    """Saves each `training.checkpoint_seconds`, and when the run ends or is stopped."""

    def begin(self, run: Run) -> None:
        self._saved_at = time.monotonic()

    def after_step(self, run: Run, report: Report) -> None:
        del report
        if time.monotonic() - self._saved_at > run.config.training.checkpoint_seconds:
            run.checkpoints.save(run.step)
            self._saved_at = time.monotonic()

    def end(self, run: Run) -> None:
        if run.checkpoints.newest != run.step:
            run.checkpoints.save(run.step)
