"""Trains from a data set that is larger than memory: how much memory that takes, and how long.

    python benchmarks/large_dataset.py --folder=/tmp/large --gigabytes=20

One shard is written; the others are hard links to it, so that the set has the size that is asked
for and the disk holds 64 MiB. Every batch is read, checked and shuffled as of any set. The folder
is removed afterwards.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
import resource
import shutil
import sys
import time

import numpy as np
from absl import app, flags

from lmvp_tf.datasets.highway import Highway, HighwaySettings
from lmvp_tf.datasets.records import index, tfrecords
from lmvp_tf.films.options import FrameOptions

_FOLDER = flags.DEFINE_string("folder", None, "where the set is made", required=True)
_GIGABYTES = flags.DEFINE_float("gigabytes", 20.0, "size of the set, 10^9 bytes")
_BATCHES = flags.DEFINE_integer("batches", 300, "how many batches of 16 are drawn")
_SIDE = flags.DEFINE_integer("side", 64, "height and width of a frame, pixels")


def make(folder: pathlib.Path, size: float, side: int) -> None:
    """Writes a set of about so many bytes: recordings of one shard each."""
    folder.mkdir(parents=True)
    writer = tfrecords.SplitWriter(folder, "train")
    rng = np.random.default_rng(0)
    number = 0
    while not writer.shards:
        frame = rng.integers(0, 256, (side, side, 1), np.uint8)
        writer.write(frame, number, 0, 0, "drive")
        number += 1
    first, runs = writer.shards[0], [run for run in writer.runs if run.shard == 0]
    shards, rows = [], []
    for i in range(int(size // first.bytes)):
        file = f"train-{i:05d}.tfrecord"
        if i:
            (folder / file).unlink(missing_ok=True)
            (folder / file).hardlink_to(folder / first.file)
        shards.append({**dataclasses.asdict(first), "file": file})
        rows += [[i, i, *dataclasses.astuple(run)[2:]] for run in runs]
    content = {
        "format": index.FORMAT,
        "version": index.VERSION,
        "films": index.films_to_json(FrameOptions(side, side)),
        "recordings": [{"name": f"drive-{i}", "fps": 25.0} for i in range(len(shards))],
        "shards": shards,
        "runs": {"train": rows, "validation": [], "test": []},
    }
    (folder / index.FILE).write_text(json.dumps(content))


def main(argv: list[str]) -> None:
    del argv
    folder = pathlib.Path(_FOLDER.value)
    if folder.exists():
        sys.exit(f"{folder} is there already: give another --folder")
    try:
        make(folder, _GIGABYTES.value * 1e9, _SIDE.value)
        size = sum(file.stat().st_size for file in folder.iterdir())
        print(f"{size / 1e9:.1f} GB in {len(list(folder.iterdir()))} files")
        measure(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure(folder: pathlib.Path) -> None:
    """Opens the set, draws batches, and does so again from a late step."""

    def told(what: str, since: float) -> None:
        seconds = time.perf_counter() - since
        peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(f"{what}: {seconds:.2f} s, at most {peak / 1e9:.2f} GB of memory so far")

    told("before", time.perf_counter())
    start = time.perf_counter()
    side = _SIDE.value
    videos = Highway(HighwaySettings(height=side, width=side, path=str(folder)))
    told(f"opened, {videos.source.removeprefix(str(folder))}", start)
    start = time.perf_counter()
    batches = iter(videos.train(seed=0, batch_size=16))
    next(batches)
    told("first batch", start)
    start = time.perf_counter()
    for _ in range(_BATCHES.value):
        next(batches)
    told(f"{_BATCHES.value} batches of 16 windows of 6 frames", start)
    start = time.perf_counter()
    next(iter(videos.train(seed=0, batch_size=16, first_step=10**7)))
    told("first batch of a run that goes on at step 10,000,000", start)


if __name__ == "__main__":
    app.run(main)
