"""Runs training steps that `run_train.py --dump_step=DIR` wrote. Needs jax and numpy alone.

    python run_steps.py DIR --seconds 540                               from the beginning
    python run_steps.py DIR --seconds 540 --state DIR/trained.npz       goes on

Runs the phases in their order up to the run's last step, or for the time given, and writes
trained.npz (weights, optimizers, counters; whole or not at all) and log.csv beside them, or to
--output. `run_train.py --load_state=trained.npz` takes it back. The first Ctrl-C,
SIGTERM or SIGHUP has it save and end. Exit codes are those of run_train.py.
"""

import argparse
import contextlib
import csv
import hashlib
import io
import json
import os
import pathlib
import signal
import sys
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)  # before the backend starts: counters are int64

from jax._src import xla_bridge  # noqa: E402
from jax._src.lib import xla_client  # noqa: E402
from jaxlib import _jax  # noqa: E402

Arrays = dict[str, Any]  # name -> array: NumPy's types take names for options of savez


class Refused(Exception):
    """What was given cannot be used: one line."""


class Failed(Exception):
    """The run cannot go on: one line."""


@contextlib.contextmanager
def reading(path: pathlib.Path, advice: str) -> Iterator[None]:
    """Turns whatever the reading of a file ends in into a line that names it."""
    try:
        if path.exists() and not path.is_file():
            raise ValueError("no regular file")
        yield
    except FileNotFoundError as error:
        raise Refused(f"{path} is missing: {advice}") from error
    except Exception as error:  # of damaged bytes a parser raises whatever it ends in
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise Refused(f"{path} is damaged or another file ({reason}): {advice}") from error


class Dump:
    """The folder that `run_train.py --dump_step` wrote. Its manifest has a hash of each file."""

    advice = "dump the step anew by run_train.py --dump_step"

    def __init__(self, directory: pathlib.Path) -> None:
        self.directory = directory
        path = directory / "manifest.json"
        with reading(path, self.advice):
            manifest = json.loads(path.read_bytes())
            self.sha256: dict[str, str] = dict(manifest["sha256"])
            self.ends = {str(name): int(end) for name, end in manifest["ends"].items()}
            self.phases: dict[str, Any] = {name: manifest["phases"][name] for name in self.ends}
            self.batch_size = int(manifest["batch_size"])
            self.log_columns = [str(name) for name in manifest["log_columns"]]
            self.last = max(self.ends.values())

    def read(self, name: str) -> bytes:
        """A file of it, as it was written."""
        path = self.directory / name
        with reading(path, self.advice):
            content = path.read_bytes()
            if hashlib.sha256(content).hexdigest() != self.sha256[name]:
                raise ValueError("its SHA-256 is not the one in manifest.json")
            return content

    def arrays(self, name: str) -> Arrays:
        """An .npz file of it."""
        content = io.BytesIO(self.read(name))
        with reading(self.directory / name, self.advice), np.load(content) as saved:
            return {key: saved[key] for key in saved.files}


def read_state(path: pathlib.Path, begun: Arrays) -> Arrays:
    """A state that `save` wrote: the same variables as those of the state that all began with."""
    with reading(path, "give the trained.npz of this dump, or begin without --state"):
        most = sum(value.nbytes for value in begun.values()) + 2**16 * len(begun)
        with zipfile.ZipFile(path) as archive:
            if sum(member.file_size for member in archive.infolist()) > most:
                raise ValueError(f"it unfolds to more than {most} bytes")
        with np.load(path) as saved:
            if set(saved.files) != set(begun):
                raise ValueError("it has other variables than the dump")
            found = {name: saved[name] for name in begun}
        for name, value in found.items():
            if (value.shape, value.dtype) != (begun[name].shape, begun[name].dtype):
                raise ValueError(f"{name} is of another shape or type than the dump's")
            if not np.isfinite(value).all():
                raise ValueError(f"{name} has a NaN or an infinity")
        if not begun["step"] <= found["step"]:
            raise ValueError(f"it is at step {found['step']}, and the dump begins later")
        return found


class Phase:
    """A compiled step and where its parameters come from."""

    def __init__(self, dump: Dump, name: str) -> None:
        entry = dump.phases[name]
        self.name, self.metrics, self.captured = name, entry["metrics"], entry["captured"]
        self.aliases = {int(output): int(p) for output, p in entry["aliases"].items()}
        started = time.perf_counter()
        computation = xla_client.XlaComputation(dump.read(f"{name}.hlo"))
        module = xla_client._xla.mlir.xla_computation_to_mlir_module(computation)
        devices = _jax.DeviceList(tuple(jax.devices()[:1]))
        options = xla_client.CompileOptions()
        self.program = xla_bridge.get_backend().compile_and_load(module, devices, options)
        self.compile_seconds = time.perf_counter() - started

    def __call__(self, number: int, values: Arrays) -> Arrays:
        """One step: updates `values` (name -> array on the device), returns {metric: float}."""
        arguments = [jax.device_put(np.int64(number)), *(values[name] for name in self.captured)]
        outputs = self.program.execute_sharded(arguments).disassemble_into_single_device_arrays()
        outputs = [output[0] for output in outputs]
        for output, parameter in self.aliases.items():
            values[self.captured[parameter - 1]] = outputs[output]
        metrics = [value for i, value in enumerate(outputs) if i not in self.aliases]
        return dict(zip(self.metrics, metrics, strict=True))


def save(path: pathlib.Path, values: Arrays, names: list[str]) -> None:
    """Writes a state whole or not at all. One that is not finite would end the run for good: what
    was saved before stays.
    """
    state: Arrays = {name: np.asarray(values[name]) for name in names}
    bad = [name for name, value in state.items() if not np.isfinite(value).all()]
    if bad:
        raise Failed(
            f"not finite at step {int(state['step'])}: {', '.join(bad[:3])}; {path} stays as it was"
        )
    with replacing(path, "wb") as file:
        np.savez(file, **state)


@contextlib.contextmanager
def replacing(path: pathlib.Path, mode: str) -> Iterator[Any]:
    """A file that takes the place of an older one when it is whole, and on the disk."""
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open(mode, newline=None if "b" in mode else "") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


class Log:
    """log.csv: what it had up to a step, and a row for each that follows."""

    def __init__(self, path: pathlib.Path, columns: list[str], step: int) -> None:
        rows = list[list[str]]()
        if path.exists():
            with reading(path, "move it away"), path.open(newline="") as file:
                header, *rows = list(csv.reader(file)) or [columns]
                if header != columns:
                    raise ValueError("it has other columns")
                rows = [row for row in rows if len(row) == len(columns) and int(row[0]) <= step]
        with replacing(path, "w") as file:
            csv.writer(file, lineterminator="\n").writerows([columns, *rows])
        self._path, self._columns = path, columns

    def write(self, row: dict[str, Any]) -> None:
        """Adds a row."""
        with self._path.open("a", newline="") as file:
            writer = csv.DictWriter(file, self._columns, restval="", lineterminator="\n")
            writer.writerow(row)


def parse() -> argparse.Namespace:
    def positive(text: str) -> int:
        if int(text) < 1:
            raise ValueError
        return int(text)

    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="time to run for")
    parser.add_argument("--steps", type=positive, help="steps to run; all that are left by default")
    parser.add_argument("--state", type=pathlib.Path, help="an earlier trained.npz to go on from")
    parser.add_argument("--output", type=pathlib.Path, help="where to write; DIR by default")
    parser.add_argument("--log_every", type=positive, default=100)
    parser.add_argument("--save_seconds", type=float, default=120.0, help="between savings")
    return parser.parse_args()


def run(flags: argparse.Namespace, signals: list[int]) -> None:
    """Runs the steps until the last, the end of the time, or a signal."""
    dump, output = Dump(flags.directory), flags.output or flags.directory
    state = dump.arrays("state.npz")
    names = list(state)
    if flags.state:
        state = read_state(flags.state, state)
    step, before = int(state["step"]), float(state["seconds"])
    last = dump.last if flags.steps is None else min(dump.last, step + flags.steps)
    output.mkdir(parents=True, exist_ok=True)
    log = Log(output / "log.csv", dump.log_columns, step)
    values = jax.device_put({**state, **dump.arrays("data.npz")})
    started = saved_at = time.perf_counter()
    phase, compiling = None, 0.0
    while step < last and time.perf_counter() - started < flags.seconds and not signals:
        if phase is None or step >= dump.ends[phase.name]:
            phase = Phase(dump, next(name for name, end in dump.ends.items() if step < end))
            compiling += phase.compile_seconds
            print(f"{phase.name}: compiled in {phase.compile_seconds:.1f} s", flush=True)
        report = phase(step, values)
        step += 1
        if step % flags.log_every == 0 or step == last:
            scalars = {name: float(value) for name, value in report.items()}
            seconds = before + time.perf_counter() - started - compiling
            row = {"step": step, "seconds": f"{seconds:.1f}", "phase": phase.name}
            row["sequences"] = step * dump.batch_size
            row |= {name: f"{value:.6g}" for name, value in scalars.items()}
            log.write(row)
            print(row, flush=True)
            skipped = any(scalars[name] for name in scalars if name.startswith("skipped/"))
            if not skipped and not all(np.isfinite(value) for value in scalars.values()):
                raise Failed(f"not finite at step {step}: {row}")
        if time.perf_counter() - saved_at > flags.save_seconds:
            save(output / "trained.npz", values, names)
            saved_at = time.perf_counter()
    values["seconds"] = np.float64(before + time.perf_counter() - started - compiling)
    save(output / "trained.npz", values, names)
    print(f"at step {step} on {jax.devices()[0]}: {output / 'trained.npz'}")


def main() -> int:
    flags, signals = parse(), list[int]()

    def stop(number: int, frame: object) -> None:
        del frame
        signals.append(number)
        signal.signal(number, signal.SIG_DFL)  # a second one ends it at once

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        run(flags, signals)
    except (Refused, Failed, OSError) as error:
        print(f"run_steps.py: {error}", file=sys.stderr)
        return 2 if isinstance(error, Refused) else 1
    return 128 + signals[0] if signals else 0


if __name__ == "__main__":
    sys.exit(main())
