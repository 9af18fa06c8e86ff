"""Means over test sequences with their 95% intervals, by a paired bootstrap (Efron 1979)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

LEVEL = 0.95
RESAMPLES = 2000
SEED = 0

_CHUNK = 50  # resamples drawn at a time, which bounds memory: 4 MB for 10,000 sequences


class Estimate(NamedTuple):
    """A value over the whole test set, and the ends of its interval."""

    mean: float
    low: float
    high: float


class Bootstrap:
    """Values of the same sequences, drawn anew together.

    Every value sees the same draws. So what two systems find equally hard cancels in their
    difference, whose interval is that of a paired comparison. An interval tells of the luck of the
    draw of test sequences; that of a training run's seed is not in it.

    Args:
      values: {key: [N], one a sequence}.
      block: neighbouring sequences drawn as one (circular block bootstrap, Politis and Romano
        1992): more than 1 where neighbours overlap and are no independent evidence.
      resamples: how many times N sequences are drawn.
      seed: of the draws.
    """

    def __init__(
        self,
        values: Mapping[Any, npt.NDArray[np.floating]],
        block: int = 1,
        resamples: int = RESAMPLES,
        seed: int = SEED,
    ) -> None:
        table = np.stack(list(values.values()), axis=1).astype(np.float64)  # [N, K]
        self._means = dict(zip(values, table.mean(axis=0), strict=True))
        drawn = _resampled_means(table, block, resamples, np.random.default_rng(seed))
        self._drawn = dict(zip(values, drawn.T, strict=True))

    def estimate(self, function: Callable[..., Any], *keys: Hashable) -> Estimate:
        """The Estimate of a function of means.

        Args:
          function: of the means of `keys`, each a number or an array of one for each resample.
          *keys: of which values.
        """
        drawn = function(*(self._drawn[key] for key in keys))
        ends = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Estimate(float(function(*(self._means[key] for key in keys))), *map(float, ends))


def _resampled_means(
    values: npt.NDArray[np.float64], block: int, resamples: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Means of values [N, K] over resamples of the N sequences: [R, K]."""
    total = len(values)
    block = min(block, total)
    means = []
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        first = rng.integers(0, total, (rows, -(-total // block), 1))
        drawn = (first + np.arange(block)).reshape(rows, -1)[:, :total] % total
        # How often each sequence was drawn: one matrix product then serves all keys.
        flat = (drawn + total * np.arange(rows)[:, None]).ravel()
        counts = np.bincount(flat, minlength=rows * total).reshape(rows, total)
        means.append(counts @ values / total)
    return np.concatenate(means)
