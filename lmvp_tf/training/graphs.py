"""The steps of a procedure as graphs: traced, or compiled by XLA as a whole."""

from __future__ import annotations

import tensorflow as tf

from lmvp_tf.configs import Config
from lmvp_tf.datasets.base import Dataset
from lmvp_tf.training.checkpoint import TrainState
from lmvp_tf.training.procedure import Step


def traced_steps(state: TrainState) -> dict[str, Step]:
    """The step of every phase as a tf.function: one batch in, updated networks and a report out."""
    skip_graph_optimizer()
    return {
        phase: tf.function(step, autograph=False)  # whose start takes seconds
        for phase, step in _counted_steps(state).items()
    }


def compiled_steps(config: Config, state: TrainState, videos: Dataset) -> dict[str, Step]:
    """The step of every phase compiled by XLA as a whole, its batch drawn inside: the batch's
    number in, int64, updated networks and a report out.
    """
    draw = videos.in_graph(config.training.seed, config.training.batch_size)

    def compiled(step: Step) -> Step:
        return tf.function(lambda number: step(draw(number)), jit_compile=True, autograph=False)

    return {phase: compiled(step) for phase, step in _counted_steps(state).items()}


def skip_graph_optimizer() -> None:
    """Leaves graphs as they are traced, from now on in this process, unless there is a GPU.

    On a CPU the graph optimizer takes half a second of the start and makes no step faster. Besides,
    its remapper (TensorFlow 2.21) fails now and then on the gradient of a rolled loop, and on what
    it leaves behind oneDNN's layout pass aborts the process.
    """
    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def _counted_steps(state: TrainState) -> dict[str, Step]:
    def counted(step: Step) -> Step:
        step = state.distribution.each(step)

        def run(video: tf.Tensor) -> dict[str, tf.Tensor]:
            report = step(video)
            state.step.assign_add(1)
            return report

        return run

    steps = state.procedure.steps(state.model, state.optimizers)
    return {phase: counted(step) for phase, step in steps.items()}
