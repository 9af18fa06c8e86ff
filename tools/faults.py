"""Kills programs in the middle, and sees whether the same command then ends as if nothing had been.

    python tools/faults.py                     100 kills (make faults)
    python tools/faults.py --kills=5 --only=train,build
    python tools/faults.py --write             the table of docs/reliability.md too

Half of the kills come at random moments, half at file operations that are spread over all that the
program makes: before the operation, or some milliseconds after it, while TensorFlow or HDF5 write
for themselves. After each, what lies there has to be of one piece. Then the same command runs to
its end: weights, slots of Adam, log and files have to be those of a run that nobody touched, and
nothing else may have stayed. Operations are the same at every call, and moments as far as clocks
allow. Each program is a fork of this process, which has imported TensorFlow and computed nothing.
All compute by two threads: by how many sums are cut decides how they are rounded, and TensorFlow
takes as many as there are cores for the process at that moment.
"""

from __future__ import annotations

import argparse
import csv
import dataclasses
import hashlib
import importlib
import json
import os
import pathlib
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import reliability
from faults_kills import NEVER, Kill, Killed, apart, run_program

ROOT = reliability.ROOT
sys.path.insert(0, str(ROOT))

Digest = dict[str, str]  # {what: a hash of it}; empty where there is nothing

_LONGEST_DELAY = 0.02  # seconds after an operation
_TINY = (
    "data.num_frames=4 data.num_inputs=3 model.encoder_widths=4,4 model.decoder_widths=4 "
    "model.pixel_widths=4 model.kernel_size=3 training.rolled=false training.one_step_steps=0 "
    "training.pretrain_steps=0 training.log_every=1 training.checkpoint_seconds=0"
).split()


@dataclasses.dataclass(frozen=True)
class Subject:
    """A program that is killed.

    Attributes:
      name: of the row of the table.
      share: of the kills.
      module: what runs it, in lmvp_tf.commands.
      flags: its command line, as {base} with what all share, and {place} of this try.
      prepare: puts into a place what is there before; gets base and place.
      digest: what of the place counts.
      resumes: whether what is there after a kill may be anything that it goes on from.
    """

    name: str
    share: float
    module: str
    flags: Sequence[str]
    prepare: Callable[[pathlib.Path, pathlib.Path], object]
    digest: Callable[[pathlib.Path], Digest]
    resumes: bool = False


def _nothing(base: pathlib.Path, place: pathlib.Path) -> None:
    del base, place


def _older_evaluation(base: pathlib.Path, place: pathlib.Path) -> None:
    shutil.copytree(base / "older", place / "run")


def _of_files(folder: pathlib.Path) -> Digest:
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}


def _of_checkpoint(prefix: pathlib.Path, left_out: tuple[str, ...] = ()) -> Digest:
    import tensorflow as tf

    reader = tf.train.load_checkpoint(str(prefix))
    names = [n for n in sorted(reader.get_variable_to_shape_map()) if not n.startswith(left_out)]
    names = [name for name in names if name != "_CHECKPOINTABLE_OBJECT_GRAPH"]
    return {
        n: hashlib.sha256(np.asarray(reader.get_tensor(n)).tobytes()).hexdigest() for n in names
    }


_TIMES = ("seconds", "cpu_seconds", "sequences_per_second", "data_wait_fraction")


def _of_run(place: pathlib.Path) -> Digest:
    """Of a workdir: weights, slots and steps of every checkpoint, log, config, names of files."""
    run, found = place / "run", dict[str, str]()
    for index in sorted((run / "checkpoints").glob("*.index")):
        values = _of_checkpoint(index.with_suffix(""), ("seconds", "cpu_seconds", "save_counter"))
        found |= {f"{index.stem} {name}": value for name, value in values.items()}
    for name in ("config.json", "data.json"):
        found |= {name: _of_files(run).get(name, "")}
    if (run / "log.csv").exists():
        with (run / "log.csv").open(newline="") as file:
            for row in csv.DictReader(file):
                kept = {name: value for name, value in row.items() if name not in _TIMES}
                found[f"log.csv step {row['step']}"] = json.dumps(kept)
    names = {str(path.relative_to(run)) for path in run.rglob("*")}
    return found | {"files": " ".join(sorted(n for n in names if "tfevents" not in n))}


def _of_served(place: pathlib.Path) -> Digest:
    """Of every version: its weights, what is said of it, and the names of its files.

    Keras numbers the variables of an export in the order of their addresses in memory: the numbers
    do not count. That each is where it belongs is what the export itself sees, by a prediction.
    """
    found = dict[str, str]()
    for version in sorted((place / "served").glob("[0-9]*")):
        weights = sorted(_of_checkpoint(version / "variables" / "variables").values())
        found |= {f"weights {i}": value for i, value in enumerate(weights)}
        found["export.json"] = (version / "assets.extra" / "export.json").read_text()
        found["files"] = " ".join(_of_files(version))
    return found


def _of_data(place: pathlib.Path) -> Digest:
    """Of a data set that opens: that it has a dataset.json."""
    found = _of_files(place / "data")
    return found if "dataset.json" in found else {}


SUBJECTS = {
    subject.name: subject
    for subject in (
        Subject(
            "train",
            0.5,
            "train",
            (
                "--dataset=video --model=dfn --preset=demo --batch_size=1 --max_steps=8 "
                "--data_path={base}/data --workdir={place}/run"
            ).split()
            + [f"--set={field}" for field in _TINY],
            _nothing,
            _of_run,
            resumes=True,
        ),
        Subject(
            "evaluate",
            0.14,
            "eval",
            ("--workdir={place}/run", "--num_sequences=1"),
            _older_evaluation,
            lambda place: _of_files(place / "run" / "eval"),
        ),
        Subject(
            "export: weights",
            0.1,
            "export",
            ("--workdir={base}/run", "--format=weights", "--output={place}/weights"),
            _nothing,
            lambda place: _of_files(place / "weights"),
        ),
        Subject(
            "export: SavedModel",
            0.04,
            "export",
            ("--workdir={base}/run", "--output={place}/served"),
            _nothing,
            _of_served,
        ),
        Subject(
            "build",
            0.22,
            "build_dataset",
            (
                "--input={base}/film.npy --output={place}/data --size=16 --color=grey "
                "--validation=0"
            ).split(),
            _nothing,
            _of_data,
        ),
    )
}


def run(subject: Subject, base: pathlib.Path, place: pathlib.Path, kill: Kill = NEVER) -> int:
    """`run_program` of a subject."""
    flags = [flag.format(base=base, place=place) for flag in subject.flags]
    return run_program(subject.module, flags, place, kill)


def prepare(base: pathlib.Path) -> None:
    """What all programs read: a film, its data set, a run of 8 steps that is evaluated.

    The same run lies in `older`, as it was evaluated at the fourth step.
    """
    film = np.random.default_rng(1).integers(0, 256, (60, 16, 16), np.uint8)
    np.save(base / "film.npy", film)
    train, evaluate = SUBJECTS["train"], SUBJECTS["evaluate"]
    run(SUBJECTS["build"], base, base)
    run(dataclasses.replace(train, flags=(*train.flags, "--max_steps=4")), base, base)
    run(evaluate, base, base)
    run(train, base, base)
    shutil.copytree(base / "run", base / "older")
    run(evaluate, base, base)


def kills(number: int, operations: int, seconds: float, chance: random.Random) -> Iterator[Kill]:
    """So many kills: half at random moments, half spread over the operations."""
    spread = number // 2
    for _ in range(number - spread):
        yield Kill(moment=chance.uniform(0.05, 1.0) * seconds)
    for i in range(spread):
        operation = 1 + round((i + chance.random()) * (operations - 1) / spread)
        delay = chance.choice((0.0, chance.uniform(0.0005, _LONGEST_DELAY)))
        yield Kill(operation=min(operation, operations), delay=delay)


def fault_of(
    subject: Subject, base: pathlib.Path, place: pathlib.Path, kill: Kill, old: Digest, new: Digest
) -> str:
    """What is wrong after a kill; empty: nothing.

    Raises:
      LookupError: the program came to its end before.
    """
    try:
        run(subject, base, place, kill)
        raise LookupError
    except Killed:
        pass
    if not subject.resumes and apart(lambda: subject.digest(place)) not in (old, new):
        return "what lies there after the kill is of two pieces"
    try:
        run(subject, base, place)
    except RuntimeError as error:
        return f"the same command fails: {error}"
    found = apart(lambda: subject.digest(place))
    if found != new:
        differing = [name for name in found | new if found.get(name) != new.get(name)]
        return f"{len(differing)} of {len(new)} differ, the first is {differing[0]}"
    names = [path.name for path in place.rglob("*")]
    left = [n for n in names if "_temp" in n or (n.startswith(".") and n != ".lock")]
    return f"{left[0]} has stayed" if left else ""


def try_subject(
    subject: Subject, number: int, base: pathlib.Path, folder: pathlib.Path
) -> tuple[list[str], list[str]]:
    """(a row of the table, what was wrong)."""
    place = folder / "whole"
    place.mkdir(parents=True)
    subject.prepare(base, place)
    old, start = apart(lambda: subject.digest(place)), time.monotonic()
    operations = run(subject, base, place)
    seconds = time.monotonic() - start
    new = apart(lambda: subject.digest(place))
    faults, chance, done = list[str](), random.Random(subject.name), [0, 0]
    for i, kill in enumerate(kills(number, operations, seconds, chance)):
        while True:
            place = folder / str(i)
            place.mkdir()
            subject.prepare(base, place)
            try:
                if fault := fault_of(subject, base, place, kill, old, new):
                    faults.append(f"{kill}: {fault}")
                break
            except LookupError:  # it was faster this time
                kill = dataclasses.replace(kill, moment=0.8 * kill.moment, delay=0.0)
            finally:
                shutil.rmtree(place)
        done[kill.operation > 0] += 1
    return [subject.name, *map(str, done), str(operations), str(sum(done) - len(faults))], faults


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--only", default=",".join(SUBJECTS), help="names of programs, a,b,...")
    parser.add_argument("--write", action="store_true", help="the table of docs/reliability.md")
    options = parser.parse_args()
    subjects = [SUBJECTS[name] for name in options.only.split(",")]
    from lmvp_tf import runtime

    os.environ["TF_NUM_INTRAOP_THREADS"] = "2"
    runtime.prepare()
    runtime.import_tensorflow()
    for module in ("evaluation.evaluate.workdir", "export.published", "training.loop"):
        importlib.import_module(f"lmvp_tf.{module}")  # once, not in every fork
    rows = [["program", "at random moments", "at file operations", "of so many", "as if nothing"]]
    total, wrong = sum(subject.share for subject in subjects), 0
    with tempfile.TemporaryDirectory() as name:
        base = pathlib.Path(name, "base")
        base.mkdir()
        prepare(base)
        for subject in subjects:
            start, number = time.monotonic(), round(options.kills * subject.share / total)
            folder = pathlib.Path(name, str(len(rows)))
            row, faults = try_subject(subject, number, base, folder)
            rows.append(row)
            wrong += len(faults)
            print(f"{subject.name}: {number} kills in {time.monotonic() - start:.0f} s", flush=True)
            for line in faults:
                print(f"  {line}", flush=True)
    print(reliability.table(rows))
    if options.write:
        reliability.write("faults", reliability.table(rows))
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
