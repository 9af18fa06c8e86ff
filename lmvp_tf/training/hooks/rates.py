"""How fast a run goes: sequences a second, and the learning rates."""

from __future__ import annotations

from lmvp_tf.training.hooks.hook import Hook, Report, Run


class Rates(Hook):
    """Adds the learning rates and the speed since the last time, at each row of the log."""

    def columns(self, run: Run) -> list[str]:
        rates = [f"learning_rate/{name}" for name in run.state.optimizers]
        return [*rates, "sequences_per_second", "data_wait_fraction"]

    def after_step(self, run: Run, report: Report) -> None:
        if run.due(run.config.training.log_every):
            for name, optimizer in run.state.optimizers.items():
                report.extras[f"learning_rate/{name}"] = float(optimizer.learning_rate)
            report.extras |= run.clock.speed(run.config.training.batch_size)
