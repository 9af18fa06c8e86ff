"""Means over test sequences with their 95% intervals, by a paired bootstrap (Efron 1979)."""

from typing import NamedTuple

import numpy as np

LEVEL = 0.95
RESAMPLES = 2000
SEED = 0

_CHUNK = 50  # resamples drawn at a time, which bounds memory: 4 MB for 10,000 sequences


class Estimate(NamedTuple):
    """A figure of the whole test set, and the ends of its interval."""

    mean: float
    low: float
    high: float


class Bootstrap:
    """Figures of the same sequences, drawn anew together.

    Every figure sees the same draws. So what two systems find equally hard cancels in their
    difference, whose interval is that of a paired comparison. An interval tells of the luck of the
    draw of test sequences; that of a training run's seed is not in it.

    Args:
      figures: {key: [N] values, one a sequence}.
      block: neighbouring sequences drawn as one (circular block bootstrap, Politis and Romano
        1992): more than 1 where neighbours overlap and are no independent evidence.
      resamples: how many times N sequences are drawn.
      seed: of the draws.
    """

    def __init__(self, figures, block=1, resamples=RESAMPLES, seed=SEED):
        values = np.stack(list(figures.values()), axis=1).astype(np.float64)  # [N, K]
        self._means = dict(zip(figures, values.mean(axis=0), strict=True))
        drawn = _resampled_means(values, block, resamples, np.random.default_rng(seed))
        self._drawn = dict(zip(figures, drawn.T, strict=True))

    def mean(self, key):
        """The Estimate of a figure's mean."""
        return self._estimate(lambda mean: mean, key)

    def difference(self, key, other):
        """The Estimate of the mean of `key` less that of `other`, sequence by sequence."""
        return self._estimate(np.subtract, key, other)

    def ratio(self, key, other):
        """The Estimate of the mean of `key` divided by that of `other`."""
        return self._estimate(np.divide, key, other)

    def _estimate(self, function, *keys):
        drawn = function(*(self._drawn[key] for key in keys))
        ends = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
        return Estimate(float(function(*(self._means[key] for key in keys))), *map(float, ends))


def _resampled_means(values, block, resamples, rng):
    """Means of values [N, K] over resamples of the N sequences: [R, K]."""
    total = len(values)
    means = []
    for start in range(0, resamples, _CHUNK):
        rows = min(_CHUNK, resamples - start)
        first = rng.integers(0, total, (rows, -(-total // block), 1))
        drawn = (first + np.arange(block)).reshape(rows, -1)[:, :total] % total
        # How often each sequence was drawn: one matrix product then serves all figures.
        flat = (drawn + total * np.arange(rows)[:, None]).ravel()
        counts = np.bincount(flat, minlength=rows * total).reshape(rows, total)
        means.append(counts @ values / total)
    return np.concatenate(means)
