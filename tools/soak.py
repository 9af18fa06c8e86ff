"""Trains, evaluates and serves for long, and sees whether anything grows.

    python tools/soak.py                       5,000 steps, 200 evaluations, 60 s (make soak)
    python tools/soak.py --steps=500 --evaluations=20 --seconds=10
    python tools/soak.py --write               the table of docs/reliability.md too

Each part runs in a process of its own, on a tiny model. What is measured: resident memory, open
files, threads, graphs that are alive (a function that is traced again has one more), checkpoints on
the disk. The first fifth is the warm-up; from there to the end nothing may grow by 1%.

The servers are those of the tests: gRPC and REST, eight callers. One request in ten fails on the
way, of several kinds; every answer that comes has to be the model's.
"""

from __future__ import annotations

import argparse
import gc
import os
import pathlib
import random
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from typing import Any

import numpy as np
import reliability
import scipy.stats
from faults import prepare
from faults_kills import apart

sys.path.insert(0, str(reliability.ROOT))

MOST_GROWTH = 0.01
_SAMPLES = 50  # of a part
_WARM_UP = 0.2  # of the samples

Sample = dict[str, float]


def sample() -> Sample:
    """What this process holds now."""
    from tensorflow.python.framework.func_graph import FuncGraph

    gc.collect()
    pages = int(pathlib.Path("/proc/self/statm").read_text().split()[1])
    return {
        "memory, MB": pages * os.sysconf("SC_PAGE_SIZE") / 1e6,
        "open files": len(os.listdir("/proc/self/fd")),
        "threads": len(os.listdir("/proc/self/task")),
        "graphs": sum(isinstance(thing, FuncGraph) for thing in gc.get_objects()),
    }


def train(base: pathlib.Path, steps: int) -> list[Sample]:
    """A run of so many steps, with all its hooks."""
    from lmvp_tf import configs
    from lmvp_tf.training import loop
    from lmvp_tf.training.hooks.hook import Hook, Report, Run
    from lmvp_tf.training.hooks.registry import make_hooks

    samples = list[Sample]()

    class Watch(Hook):
        """Takes the samples."""

        def after_step(self, run: Run, report: Report) -> None:
            del report
            if run.step % max(1, steps // _SAMPLES) == 0:
                count = len(list(run.workdir.glob("checkpoints/*.index")))
                samples.append({**sample(), "checkpoints": count})

    values = {
        "training.max_steps": steps,
        "training.log_every": 10,
        "training.validate_every": max(1, steps // 100),
        "training.checkpoint_seconds": 2.0,
    }
    config = configs.replace(configs.load(base / "run" / "config.json"), values)
    loop.make_hooks = lambda: [*make_hooks(), Watch()]
    loop.train(config, base / "soak")
    return samples


def evaluate(base: pathlib.Path, times: int) -> list[Sample]:
    """The same run evaluated so often."""
    from lmvp_tf.evaluation.evaluate.workdir import evaluate_workdir
    from lmvp_tf.evaluation.options import EvaluationOptions

    samples = list[Sample]()
    for i in range(times):
        evaluate_workdir(base / "run", EvaluationOptions(num_sequences=1))
        if (i + 1) % max(1, times // _SAMPLES) == 0:
            samples.append(sample())
    return samples


def serve(base: pathlib.Path, seconds: float) -> list[Any]:
    """Eight callers for so long; the samples, and how often each outcome was."""
    import tensorflow as tf

    from lmvp_tf import serving
    from lmvp_tf.export import saved_model
    from tests.model_servers import Served, running

    folder = saved_model.export(base / "run", base / "served").folder
    served, counts, stop = Served(folder), Counter[str](), threading.Event()
    videos = np.random.default_rng(0).random((8, 3, 16, 16, 1), np.float32)
    answers = served.loaded.signatures["serve"](frames=tf.constant(videos))
    expected = answers["predictions"].numpy()

    def call(address: str, number: int) -> None:
        chance = random.Random(number)
        with serving.Client(address, timeout=10.0) as client:
            while not stop.is_set():
                chosen = chance.sample(range(8), chance.randint(1, 4))
                try:
                    found = client.predict(videos[chosen])
                    right = np.allclose(found, expected[chosen], atol=1e-5)
                    counts["right" if right else "wrong"] += 1
                except (serving.ServingError, serving.RequestError) as error:
                    counts[type(error).__name__] += 1
                except Exception as error:
                    counts[f"unexpected {type(error).__name__}"] += 1

    def disturb() -> None:
        chance = random.Random(0)
        kinds = ["UNAVAILABLE"] * 6 + ["INTERNAL", "DEADLINE_EXCEEDED", "INVALID_ARGUMENT"]
        before = 0
        while not stop.wait(0.05):
            asked = len(served.batches)
            served.faults += chance.choices(kinds, k=(asked - before) // 10)
            before = asked

    samples = list[Sample]()
    with running(served, workers=8) as addresses:
        calls = [
            threading.Thread(target=call, args=(address, i), daemon=True)
            for i in range(4)
            for address in addresses.values()
        ]
        calls.append(threading.Thread(target=disturb, daemon=True))
        for thread in calls:
            thread.start()
        for _ in range(_SAMPLES):
            time.sleep(seconds / _SAMPLES)
            samples.append(sample())
        stop.set()
        for thread in calls:
            thread.join()
    return [samples, dict(counts)]


def growth(samples: list[Sample], name: str) -> tuple[float, float]:
    """What there was after the warm-up, and how much more at the end by the trend in between.

    The trend is Theil and Sen's, the median of the slopes between all pairs of samples: a
    connection that is just being made, in a few of them, is none.
    """
    values = [found[name] for found in samples[round(_WARM_UP * len(samples)) :]]
    first = statistics.median(values[: max(1, len(values) // 8)])
    trend = scipy.stats.theilslopes(values).slope
    return first, trend * (len(values) - 1) / first


def rows_of(part: str, samples: list[Sample]) -> tuple[list[list[str]], list[str]]:
    """(rows of the table, what has grown)."""
    rows, faults = [], list[str]()
    for name in samples[0]:
        first, more = growth(samples, name)
        rows.append([part, name, f"{first:.0f}", f"{100 * more:+.2f}%"])
        if more >= MOST_GROWTH:
            faults.append(f"{part}: {name} has grown by {100 * more:.2f}% from {first:.0f}")
    return rows, faults


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--evaluations", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--write", action="store_true", help="the table of docs/reliability.md")
    options = parser.parse_args()
    from lmvp_tf import runtime

    runtime.prepare()
    runtime.import_tensorflow()
    with tempfile.TemporaryDirectory() as name:
        base = pathlib.Path(name)
        prepare(base)
        parts = {
            f"training, {options.steps} steps": apart(lambda: train(base, options.steps)),
            f"{options.evaluations} evaluations": apart(
                lambda: evaluate(base, options.evaluations)
            ),
        }
        what = f"8 callers for {options.seconds:g} s"
        parts[what], counts = apart(lambda: serve(base, options.seconds))
    rows, faults = [["part", "what", "after the warm-up", "more at the end"]], list[str]()
    for part, samples in parts.items():
        more, grown = rows_of(part, samples)
        rows += more
        faults += grown
    bad = [kind for kind in counts if kind.startswith(("wrong", "unexpected"))]
    faults += [f"{counts[kind]} answers: {kind}" for kind in bad]
    answers = ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))
    text = f"{reliability.table(rows)}\n\nAnswers to the callers: {answers}."
    print(text)
    for line in faults:
        print(line)
    if options.write:
        reliability.write("soak", text)
    return int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
