"""log.csv of the workdir."""

from __future__ import annotations

from lmvp_tf.training.hooks.hook import Hook, Report, Run
from lmvp_tf.training.log import Log


class CsvLog(Hook):
    """Writes the reports that are logged; see `lmvp_tf.training.log.Log`."""

    def begin(self, run: Run) -> None:
        self._log = Log(run.workdir / "log.csv", run.columns, run.step)

    def after_step(self, run: Run, report: Report) -> None:
        if report.is_logged(run):
            self._log.append(report.row(run))
