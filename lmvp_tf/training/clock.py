"""Training time, and which part of it was spent waiting for data."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

from lmvp_tf.training.checkpoint import TrainState
from lmvp_tf.training.scalars import uncached


class Clock:
    """Measures what a run's steps take. What is done between them counts nowhere.

    Args:
      state: the TrainState whose `seconds` and `cpu_seconds` sum it over all runs of a workdir.
    """

    def __init__(self, state: TrainState) -> None:
        self._state = state
        self._steps, self._waited, self._stepped = 0, 0.0, 0.0

    @contextlib.contextmanager
    def waiting(self) -> Iterator[None]:
        """The block waits for a batch."""
        start = time.perf_counter()
        with self._counting():
            yield
        self._waited += time.perf_counter() - start

    @contextlib.contextmanager
    def stepping(self) -> Iterator[None]:
        """The block is a step."""
        start = time.perf_counter()
        with self._counting():
            yield
        self._stepped += time.perf_counter() - start
        self._steps += 1

    def speed(self, batch_size: int) -> dict[str, float]:
        """Sequences per second, and the share of waiting, since it was asked last."""
        total = self._waited + self._stepped
        speed = {
            "sequences_per_second": self._steps * batch_size / total,
            "data_wait_fraction": self._waited / total,
        }
        self._steps, self._waited, self._stepped = 0, 0.0, 0.0
        return speed

    @contextlib.contextmanager
    def _counting(self) -> Iterator[None]:
        start, cpu_start = time.perf_counter(), time.process_time()
        yield
        self._state.seconds.assign_add(uncached(time.perf_counter() - start))
        self._state.cpu_seconds.assign_add(uncached(time.process_time() - cpu_start))
