"""One step of a run again: its batch, its losses, its gradients. Nothing is written."""

from __future__ import annotations

import math
import pathlib

import keras

from lmvp_tf.configs import Config
from lmvp_tf.datasets.base import Dataset
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.errors import UserError
from lmvp_tf.training import claim, loop
from lmvp_tf.training.checkpoint import Checkpoints, TrainState


def reproduce(config: Config, workdir: pathlib.Path, step: int) -> list[str]:
    """Takes a step of a run again, from the newest checkpoint before it on.

    A CPU computes the same again bit for bit: the steps from that checkpoint on are those that the
    run took.

    Args:
      config: the Config of the run.
      workdir: its folder.
      step: the step, counted from 1 as in log.csv.

    Returns:
      Lines that tell the batch and every scalar of the step, losses and the norms of the gradients
      among them.

    Raises:
      UserError: the workdir is of another config or other data, has no checkpoint from before the
        step, or the run has no such step.
    """
    config = claim.check(config, workdir)
    if step > config.training.max_steps:
        raise UserError(f"--reproduce={step}: the run has {config.training.max_steps} steps")
    videos = open_dataset(config)
    claim.check(config, workdir, videos)
    keras.utils.set_random_seed(config.training.seed)
    state = TrainState(config)
    if not state.optimizers:
        raise UserError(f"--reproduce: {config.model_name} has nothing to train, so no steps")
    Checkpoints(workdir, state.checkpoint).restore(before=step)
    first = int(state.step)
    steps, batches = loop.steps_and_batches(config, state, videos, first)
    for number in range(first, step):
        phase = state.procedure.phase(number)
        scalars = {name: float(value) for name, value in steps[phase](next(batches)).items()}
    return [
        f"Step {step} (phase {phase}) again, from step {first} on: batch {step - 1} of --seed="
        f"{config.training.seed}",
        _described(config, videos, step),
        *(
            f"  {name:24} {value:.6g}{'' if math.isfinite(value) else '  not finite'}"
            for name, value in scalars.items()
        ),
    ]


def _described(config: Config, videos: Dataset, step: int) -> str:
    """The batch of a step in a line."""
    training = config.training
    batches = videos.train(training.seed, training.batch_size, first_step=step - 1)
    batch = next(iter(batches)).numpy()
    return (
        f"  {'batch':24} {'x'.join(map(str, batch.shape))}, from {batch.min():.4g} to "
        f"{batch.max():.4g}, mean {batch.mean():.4g}"
    )
