"""The end of a run whose losses are no numbers any more."""

from __future__ import annotations

import math

from lmvp_tf.errors import RunError
from lmvp_tf.training.hooks.hook import Hook, Report, Run


class Finite(Hook):
    """Ends the run where a scalar of a step is infinite or NaN."""

    def after_step(self, run: Run, report: Report) -> None:
        # A gradient that overflows is not the end: in float16 its step is left out.
        names = [name for name in report.scalars if not name.startswith("gradient_norm")]
        bad = [name for name in names if not math.isfinite(report.scalars[name])]
        if bad:
            raise RunError(
                f"{', '.join(bad)} not finite at step {run.step}: training has diverged"
                f"{_losses(report, bad)}. It was batch {run.step - 1} of --seed="
                f"{run.config.training.seed} (phase {report.phase}). The last checkpoint is from "
                "before; try a lower --set training.learning_rate"
            )


def _losses(report: Report, bad: list[str]) -> str:
    """The losses of the step, where only what came of them is not finite."""
    losses = {n: v for n, v in report.scalars.items() if n.startswith("L_") and "/" not in n}
    if any(name in losses for name in bad):
        return ""
    return f" ({', '.join(f'{name}={value:.4g}' for name, value in losses.items())})"
