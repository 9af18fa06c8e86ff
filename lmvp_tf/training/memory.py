"""What a config needs of the machine's memory at the least, before anything is allocated."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import pathlib
import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import keras

from lmvp_tf.errors import UserError
from lmvp_tf.models.registry import model_class

if TYPE_CHECKING:
    from lmvp_tf.configs import Config

_FLOAT = 4  # bytes
_IN_TRAINING = 4  # numbers for each weight: itself, its gradient, and the two moments of Adam
_GIB = 2**30
# Where a container has less than its machine.
_CGROUP_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def check(config: Config, training: bool = False, machines: int = 1) -> None:
    """Refuses a config for which this machine has too little memory in any case.

    It is a lower bound: what the layers compute comes on top of it.

    Args:
      config: the Config.
      training: count batches of its size, gradients and Adam too; else the weights and one video.
      machines: how many share a batch.

    Raises:
      UserError: with the need, by groups of fields, and what the machine has.
    """
    needs = {"one batch (data.*, training.batch_size)" if training else "one video (data.*)": (
        config.data.batch_bytes(config.training.batch_size // machines if training else 1)
    )}  # fmt: skip
    frames = (config.data.num_inputs, *config.data.frame_shape)
    weights = _num_weights(config.model_name, config.model, frames) * _FLOAT
    what = "the weights (model.*, data.height, data.width)"
    if training:
        what, weights = f"{what} with their gradients and Adam", weights * _IN_TRAINING
    needs[what] = weights
    need, there = sum(needs.values()), machine_bytes()
    if need > there:
        parts = "; ".join(f"{_shown(size)} for {name}" for name, size in needs.items())
        raise UserError(
            f"the config needs {_shown(need)} of memory at the least and this machine has "
            f"{_shown(there)}: {parts}. Make these smaller"
        )


def machine_bytes() -> float:
    """The memory that this process may have in all; infinity where it cannot be told."""
    try:
        found: float = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return math.inf
    for limit in map(pathlib.Path, _CGROUP_LIMITS):
        with contextlib.suppress(OSError, ValueError):  # "max" is no number
            found = min(found, int(limit.read_text()))
    return found


@functools.lru_cache(maxsize=8)
def _num_weights(name: str, settings: Any, frames: tuple[int, ...]) -> int:
    """How many numbers the weights of a model are; none is made."""
    with _random_state_kept(), keras.StatelessScope(initialize_variables=False):
        model = model_class(name)(settings)
        model.build((None, *frames))
        return sum(math.prod(variable.shape) for variable in model.variables)


@contextlib.contextmanager
def _random_state_kept() -> Iterator[None]:
    """Keras draws a seed for every initializer by `random`: the real model is to get the same."""
    state = random.getstate()
    try:
        yield
    finally:
        random.setstate(state)


def _shown(size: float) -> str:
    return f"{size / _GIB:,.1f} GiB"
