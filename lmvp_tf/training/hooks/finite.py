"""What comes of a step that is no number any more: the end of the run, or a step left out."""

from __future__ import annotations

import collections
import math

from lmvp_tf.errors import RunError
from lmvp_tf.training.hooks.hook import Hook, Report, Run

_MOST_SKIPPED = 20  # updates of a network in a row: after so many it will not come back


class Finite(Hook):
    """Ends the run where a scalar of a step is infinite or NaN.

    With `training.on_nonfinite=skip` the step has left such networks as they were, and told so: the
    run goes on, and ends after 20 such updates of a network in a row.
    """

    everywhere = True

    def __init__(self) -> None:
        self._in_a_row = collections.Counter[str]()
        self._in_all = collections.Counter[str]()

    def after_step(self, run: Run, report: Report) -> None:
        bad = _not_finite(run, report)
        skipped = {name for name in run.state.optimizers if report.scalars.get(f"skipped/{name}")}
        if bad and not skipped:
            raise RunError(_message(run, report, bad))
        for name in run.state.optimizers:
            in_a_row = self._in_a_row[name] + 1 if name in skipped else 0
            self._in_a_row[name] = in_a_row
        self._in_all.update(skipped)
        if not skipped:
            return
        most = max(self._in_a_row.values())
        report.extras["skipped_in_a_row"] = most  # each such step has a row of the log
        if most >= _MOST_SKIPPED:
            raise RunError(f"after {most} skipped updates in a row {_message(run, report, bad)}")

    def end(self, run: Run) -> None:
        for name, count in self._in_all.items():
            print(
                f"{count} updates of {name} were not finite and left out: skipped/{name} of the log"
            )


def _not_finite(run: Run, report: Report) -> list[str]:
    """Names of the scalars that are not."""
    # In float16 a gradient that overflows is no fault: its step is left out, and its scale lowered.
    scaled = run.config.training.mixed_precision == "float16"
    return [
        name
        for name, value in report.scalars.items()
        if not math.isfinite(value) and not (scaled and name.startswith("gradient_norm/"))
    ]


def _message(run: Run, report: Report, bad: list[str]) -> str:
    """Which losses and networks, at which step, of which batch, and what to do."""
    norms = ("gradient_norm/", "update_norm/")
    of_networks = [name.partition("/")[2] for name in bad if name.startswith(norms)]
    losses = [name for name in bad if not name.startswith(norms)]
    what = losses + [f"the update of {name}" for name in dict.fromkeys(of_networks)]
    values = {n: v for n, v in report.scalars.items() if n.startswith("L_") and "/" not in n}
    shown = ", ".join(f"{name}={value:.4g}" for name, value in values.items())
    skips = run.config.training.on_nonfinite == "skip"
    return (
        f"{', '.join(what)} not finite at step {run.step} ({shown}): training has diverged. It was "
        f"batch {run.step - 1} of --seed={run.config.training.seed} (phase {report.phase}). The "
        f"last checkpoint is from before. To look at the step: the same command with --reproduce="
        f"{run.step}. To go on: a lower --set training.learning_rate"
        f"{'' if skips else ', or --on_nonfinite=skip'}"
    )
