"""What a training step holds in memory."""

import functools

from benchmarks.common import Row, memory
from benchmarks.processes import value_of
from benchmarks.steps import training_step
from lmvp_tf import configs
from lmvp_tf.presets import named


def memory_paper(quick):
    """The resident peak of a process that takes two steps of preset paper."""
    del quick
    return Row("memory_paper", _peak(False) / 1e9, "GB")


def recomputed_memory_paper(quick):
    """The same with filters computed anew in the backward pass."""
    del quick
    recomputed = _peak(True)
    ratio = _peak(False) / recomputed
    return Row("recomputed_memory_paper", recomputed / 1e9, "GB", "without recomputation", ratio)


@functools.cache
def _peak(recompute):
    return value_of(peak, recompute)


def peak(recompute):
    """Yields the largest number of bytes that were resident."""
    config = named.get("moving_mnist", "paper")
    step = training_step(configs.replace(config, {"training.recompute": recompute}), "one_step")
    step()
    step()
    yield memory("VmHWM")
