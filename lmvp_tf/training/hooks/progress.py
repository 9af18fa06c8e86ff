"""The progress bar."""

from __future__ import annotations

import contextlib
import sys

from tqdm import tqdm

from lmvp_tf.training.hooks.hook import Hook, Report, Run


class Progress(Hook):
    """Shows on stderr how far the run is, and the losses of the last row of the log."""

    def __init__(self) -> None:
        self._showing = contextlib.ExitStack()

    def begin(self, run: Run) -> None:
        interval = 0.5 if sys.stderr.isatty() else 30.0  # a log file wants a line now and then
        bar = tqdm(
            total=run.config.training.max_steps,
            initial=run.step,
            unit="step",
            mininterval=interval,
            dynamic_ncols=True,
        )
        self._bar = self._showing.enter_context(bar)

    def after_step(self, run: Run, report: Report) -> None:
        self._bar.update()
        if report.is_logged(run):
            losses = [name for name in report.scalars if name.startswith("L_") and "/" not in name]
            self._bar.set_postfix_str(_summary(report, [*losses, "validation/mse_per_frame"]))

    def close(self) -> None:
        self._showing.close()


def _summary(report: Report, names: list[str]) -> str:
    values = report.scalars | report.extras
    return " ".join(f"{n.rpartition('/')[2]}={values[n]:.4g}" for n in names if n in values)
