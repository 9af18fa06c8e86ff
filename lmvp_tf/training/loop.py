"""The training run: batches, steps, and hooks beside them."""

from __future__ import annotations

import contextlib
import itertools
import pathlib
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from lmvp_tf.configs import Config
from lmvp_tf.datasets.base import Dataset
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.distribution import Distribution
from lmvp_tf.errors import RunError, UserError, WriteError
from lmvp_tf.locks import only_writer
from lmvp_tf.training import claim, graphs, log
from lmvp_tf.training.checkpoint import Checkpoints, TrainState
from lmvp_tf.training.clock import Clock
from lmvp_tf.training.hooks.hook import Hook, Report, Run
from lmvp_tf.training.hooks.registry import make_hooks
from lmvp_tf.training.procedure import Step
from lmvp_tf.training.retrying import RETRY_SECONDS, Retrying
from lmvp_tf.training.scalars import uncached


def train(
    config: Config,
    workdir: pathlib.Path,
    profile: tuple[int, int] | None = None,
    restart: bool = False,
    retry_seconds: float = RETRY_SECONDS,
    distribution: Distribution | None = None,
) -> bool:
    """Trains until `max_steps` or `max_seconds`, or goes on where an earlier run of the workdir
    stopped.

    Nothing is written before data and model are open. No other process trains in the workdir
    meanwhile. Of the workers of a distributed run the chief alone writes there.

    Args:
      config: the Config; saved as config.json in the workdir.
      workdir: the folder of the run, made when it is missing.
      profile: (first, last), steps to record for TensorBoard's profiler; None for none.
      restart: begin anew; what an earlier run left in the workdir is moved into a folder of it.
      retry_seconds: how long to wait for a disk that is full or away before the run ends.
      distribution: the devices; None: those that TensorFlow chooses.

    Returns:
      True when the run is complete, False when a signal stopped it; it is saved either way.

    Raises:
      UserError: the workdir belongs to another config or to other data, is in use, has no
        checkpoint that can be read, or cannot be written, or the run is past the steps to record.
      RunError: a loss is not finite, or the disk stays full, or the workdir was removed.
      WorkerLost: another worker of a distributed run has gone.
    """
    distribution = distribution or Distribution()
    if not restart:
        config = claim.check(config, workdir)
    videos = open_dataset(config)
    print(f"Data: {videos.source}")
    if not restart:
        claim.check(config, workdir, videos)
    keras.utils.set_random_seed(config.training.seed)
    with distribution.loss_told():
        state = TrainState(config, distribution)
        with _held(workdir, restart, state) as check:
            distribution.sums()  # the other workers wait for the chief
            retrying = Retrying(retry_seconds, check)
            return _train(_begin(config, workdir, videos, state, profile, retrying))


@contextlib.contextmanager
def _held(workdir: pathlib.Path, restart: bool, state: TrainState) -> Iterator[Callable[[], None]]:
    """The block alone writes to the workdir; it is given what checks that this is still so.

    Of several workers that is the chief's. The block of another writes nothing.
    """
    if not state.distribution.is_chief:
        yield lambda: None
        return
    with only_writer(workdir) as held:
        try:
            if restart and (aside := claim.set_aside(workdir)):
                print(f"--restart: the run that was in {workdir} is in {aside} now.")
            claim.clear_leftovers(workdir)
            yield held.check
            held.check()
        except (OSError, WriteError) as error:
            raise RunError(
                f"{error}; the run is at step {int(state.step)}. Once it can be written there, "
                "the same command goes on from the last checkpoint"
            ) from error


def _begin(
    config: Config,
    workdir: pathlib.Path,
    videos: Dataset,
    state: TrainState,
    profile: tuple[int, int] | None,
    retrying: Retrying,
) -> Run:
    """Restores what there is, and makes the workdir this run's."""
    claim.check(config, workdir, videos)  # again: another may have begun before it was locked
    checkpoints = Checkpoints(workdir, state.checkpoint)
    resumed = checkpoints.restore()
    step = int(state.step)
    if profile and profile[0] <= step:
        raise UserError(
            f"--profile={profile[0]},{profile[1]}: the run is at step {step} already; "
            "give later steps"
        )
    _check_all_begin_at(step, state.distribution)
    if state.distribution.is_chief:
        retrying(claim.write, config, workdir, videos, step)
    if resumed and state.optimizers:
        print(f"Goes on from step {step} of {workdir}.")
    elif not resumed and (lost := log.ends_at(workdir / "log.csv")) is not None:
        print(f"{workdir} has a log up to step {lost} and no checkpoint: begins anew.")
    run = Run(
        config, workdir, videos, state, checkpoints, Clock(state), retrying, step=step,
        profile=profile,
    )  # fmt: skip
    retrying.hurried = lambda: run.stop_requested
    return run


def _check_all_begin_at(step: int, distribution: Distribution) -> None:
    (total,) = distribution.sums(step)
    if total != step * distribution.workers:
        raise UserError(
            f"worker {distribution.worker} of {distribution.workers} finds step {step} in the "
            "workdir, and others find another: --workdir is a folder that all workers share"
        )


def _train(run: Run) -> bool:
    """Takes all steps that are left; whether the run is complete then."""
    if not run.state.optimizers:
        if run.checkpoints.newest is None and run.state.distribution.is_chief:
            run.retrying(run.checkpoints.save, run.step)
        print(f"{run.config.model_name} has nothing to train.")
        return True
    for line in _warnings(run.state):
        print(line)
    chief = run.state.distribution.is_chief
    _run_steps(run, [hook for hook in make_hooks() if chief or hook.everywhere])
    if not run.complete:
        print(f"Stopped and saved at step {run.step}. The same command goes on from there.")
    return run.complete


def _run_steps(run: Run, hooks: list[Hook]) -> None:
    run.columns = _columns(run, hooks)
    steps, batches = steps_and_batches(run.config, run.state, run.videos, run.step)
    with contextlib.ExitStack() as closing:
        for hook in hooks:
            closing.callback(hook.close)
            run.retrying(hook.begin, run)
        while _goes_on(run):
            with run.clock.waiting():
                batch = next(batches)
            for hook in hooks:
                run.retrying(hook.before_step, run)
            phase = run.state.procedure.phase(run.step)
            with run.clock.stepping():
                scalars = {name: float(value) for name, value in steps[phase](batch).items()}
            run.step += 1
            report = Report(phase, scalars)
            for hook in hooks:
                run.retrying(hook.after_step, run, report)
        for hook in hooks:
            run.retrying(hook.end, run)
        run.state.distribution.sums()  # who leaves before the chief has saved would seem to be lost


def _goes_on(run: Run) -> bool:
    """Whether there is another step. All workers agree, by the chief's clock."""
    distribution, seconds = run.state.distribution, run.state.seconds
    chiefs = float(seconds) if distribution.is_chief else 0.0
    requests, chiefs = distribution.sums(run.stop_requested, chiefs)
    seconds.assign(uncached(chiefs))
    return not (run.complete or requests)


def steps_and_batches(
    config: Config, state: TrainState, videos: Dataset, first_step: int
) -> tuple[dict[str, Step], Iterator[Any]]:
    """The step of every phase, and what it is called with, from `first_step` on."""
    training = config.training
    if training.jit_compile:  # a batch is drawn inside the step, by its number
        numbers = (
            tf.constant(uncached(number), tf.int64) for number in itertools.count(first_step)
        )
        return graphs.compiled_steps(config, state, videos), numbers
    return graphs.traced_steps(state), state.distribution.batches(videos, training, first_step)


def _columns(run: Run, hooks: list[Hook]) -> list[str]:
    """The first columns of log.csv: whose step it was, what it reports, what hooks add."""
    norms = [f"{kind}_norm/{x}" for kind in ("gradient", "update") for x in run.state.optimizers]
    added = [name for hook in hooks for name in hook.columns(run)]
    counters = ["step", "seconds", "cpu_seconds", "sequences", "phase"]
    return [*counters, *run.state.procedure.scalars, *norms, *added]


def _warnings(state: TrainState) -> list[str]:
    """A line where the run ends before some phases begin."""
    cut_off = state.procedure.cut_off()
    if not cut_off:
        return []
    never = " and ".join(f"{phase} (from step {start} on)" for phase, start in cut_off.items())
    last = state.procedure.config.training.max_steps
    return [f"Note: with training.max_steps={last} these phases never run: {never}."]
