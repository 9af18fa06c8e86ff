"""What the benchmarks share: a row of the results, fair timing, and what a machine can do."""

import concurrent.futures
import dataclasses
import functools
import math
import os
import pathlib
import re
import time

import numpy as np


@dataclasses.dataclass(frozen=True)
class Row:
    """One figure. Less is better in every row.

    Attributes:
      name: of the row.
      value: what was measured.
      unit: of the value and of the floor.
      baseline: what the same figure was measured of beside it; None where there is nothing.
      ratio: the baseline's figure over the value: how many times better the value is.
      floor: what the value cannot fall below on this machine, measured in the same run.
    """

    name: str
    value: float
    unit: str
    baseline: str | None = None
    ratio: float | None = None
    floor: float | None = None

    def as_dict(self):
        """The row as results.json holds it."""
        floor_ratio = self.value / self.floor if self.floor else None
        figures = {"value": self.value, "ratio": self.ratio, "floor": self.floor}
        figures["floor_ratio"] = floor_ratio
        rounded = {name: _rounded(figure) for name, figure in figures.items()}
        return {
            "name": self.name,
            "value": rounded["value"],
            "unit": self.unit,
            "baseline": self.baseline,
            "ratio": rounded["ratio"],
            "floor": rounded["floor"],
            "floor_ratio": rounded["floor_ratio"],
        }


def _rounded(figure):
    """Four digits."""
    return None if figure is None else float(f"{figure:.4g}")


def side_by_side(functions, repetitions):
    """Times functions that take turns, so that what slows the machine down slows all of them.

    Each runs once before, to be traced and compiled, and to have its memory. The shortest of the
    repetitions counts: whatever else runs on the machine only adds to it.

    Args:
      functions: {name: a function without arguments that returns when its work is done}.
      repetitions: how often each is timed.

    Returns:
      {name: seconds}.
    """
    for function in functions.values():
        function()
    best = dict.fromkeys(functions, math.inf)
    for _ in range(repetitions):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            best[name] = min(best[name], time.perf_counter() - start)
    return best


@functools.cache
def copy_bandwidth():
    """Bytes per second that all cores together read and write when they copy a large array."""
    source = np.ones(2**28, np.uint8)  # 256 MB: far more than any cache
    target = np.zeros_like(source)
    workers = os.cpu_count()
    pairs = list(zip(np.array_split(source, workers), np.array_split(target, workers), strict=True))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:

        def copy():
            list(pool.map(lambda pair: np.copyto(pair[1], pair[0]), pairs))

        seconds = side_by_side({"copy": copy}, repetitions=10)["copy"]
    return 2 * source.nbytes / seconds


def exponent(sizes, seconds):
    """The slope of log(seconds) over log(sizes), by least squares: 1 where time is linear."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def memory(field):
    """Bytes of this process by a field of /proc/self/status: VmRSS, or VmHWM for its peak."""
    status = pathlib.Path("/proc/self/status").read_text(encoding="utf-8")
    return 1024 * int(re.search(rf"{field}:\s+(\d+) kB", status)[1])
