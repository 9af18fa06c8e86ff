"""Runs training steps that `run_train.py --dump_step=DIR` wrote. Needs jax and numpy alone.

    python run_steps.py DIR --seconds 540                               from the beginning
    python run_steps.py DIR --seconds 540 --state DIR/trained.npz       goes on

Runs the phases in their order up to the run's last step, or for the time given, and writes
trained.npz (weights, optimizers, counters; whole or not at all) and log.csv beside them, or to
--output. `run_train.py --load_state=trained.npz` takes it back.
"""

import argparse
import csv
import json
import pathlib
import time
from typing import Any

import jax
import numpy as np

jax.config.update("jax_enable_x64", True)  # before the backend starts: counters are int64

from jax._src import xla_bridge  # noqa: E402
from jax._src.lib import xla_client  # noqa: E402
from jaxlib import _jax  # noqa: E402


class Phase:
    """A compiled step and where its parameters come from."""

    def __init__(self, directory: pathlib.Path, name: str, entry: dict[str, Any]) -> None:
        self.name, self.metrics, self.captured = name, entry["metrics"], entry["captured"]
        self.aliases = {int(output): int(p) for output, p in entry["aliases"].items()}
        started = time.perf_counter()
        computation = xla_client.XlaComputation((directory / f"{name}.hlo").read_bytes())
        module = xla_client._xla.mlir.xla_computation_to_mlir_module(computation)
        devices = _jax.DeviceList(tuple(jax.devices()[:1]))
        options = xla_client.CompileOptions()
        self.program = xla_bridge.get_backend().compile_and_load(module, devices, options)
        self.compile_seconds = time.perf_counter() - started

    def __call__(self, number: int, values: dict[str, jax.Array]) -> dict[str, jax.Array]:
        """One step: updates `values` (name -> array on the device), returns {metric: float}."""
        arguments = [jax.device_put(np.int64(number)), *(values[name] for name in self.captured)]
        outputs = self.program.execute_sharded(arguments).disassemble_into_single_device_arrays()
        outputs = [output[0] for output in outputs]
        for output, parameter in self.aliases.items():
            values[self.captured[parameter - 1]] = outputs[output]
        metrics = [value for i, value in enumerate(outputs) if i not in self.aliases]
        return dict(zip(self.metrics, metrics, strict=True))


def save(path: pathlib.Path, values: dict[str, jax.Array], names: list[str]) -> None:
    """Writes a state whole or not at all. One that is not finite would end the run for good: what
    was saved before stays.
    """
    state = {name: np.asarray(values[name]) for name in names}
    bad = [name for name, value in state.items() if not np.isfinite(value).all()]
    if bad:
        raise FloatingPointError(
            f"not finite at step {int(state['step'])}: {', '.join(bad[:3])}; {path} stays as it was"
        )
    partial = path.with_name(path.name + ".partial.npz")
    arrays: dict[str, Any] = state  # NumPy's types take the names for its own options
    np.savez(partial, **arrays)
    partial.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--seconds", type=float, default=float("inf"), help="time to run for")
    parser.add_argument("--steps", type=int, help="steps to run; all that are left by default")
    parser.add_argument("--state", type=pathlib.Path, help="an earlier trained.npz to go on from")
    parser.add_argument("--output", type=pathlib.Path, help="where to write; DIR by default")
    parser.add_argument("--log_every", type=int, default=100)
    parser.add_argument("--save_seconds", type=float, default=120.0, help="between savings")
    flags = parser.parse_args()
    output = flags.output or flags.directory
    output.mkdir(parents=True, exist_ok=True)
    manifest = json.loads((flags.directory / "manifest.json").read_text())
    with np.load(flags.state or flags.directory / "state.npz") as saved:
        names = list(saved.files)
        values = {name: jax.device_put(saved[name]) for name in names}
    with np.load(flags.directory / "data.npz") as saved:
        values |= {name: jax.device_put(saved[name]) for name in saved.files}
    step = int(values["step"])
    last = max(manifest["ends"].values())
    last = last if flags.steps is None else min(last, step + flags.steps)
    before = float(values["seconds"])
    started = saved_at = time.perf_counter()
    phase, compiling = None, 0.0
    with (output / "log.csv").open("a", newline="") as file:
        log = csv.DictWriter(file, manifest["log_columns"], restval="", lineterminator="\n")
        if file.tell() == 0:
            log.writeheader()
        while step < last and time.perf_counter() - started < flags.seconds:
            if phase is None or step >= manifest["ends"][phase.name]:
                name = next(n for n, end in manifest["ends"].items() if step < end)
                phase = Phase(flags.directory, name, manifest["phases"][name])
                compiling += phase.compile_seconds
                print(f"{name}: compiled in {phase.compile_seconds:.1f} s", flush=True)
            report = phase(step, values)
            step += 1
            if step % flags.log_every == 0 or step == last:
                scalars = {name: float(value) for name, value in report.items()}
                seconds = before + time.perf_counter() - started - compiling
                row = {"step": step, "seconds": f"{seconds:.1f}", "phase": phase.name}
                row["sequences"] = step * manifest["batch_size"]
                row |= {name: f"{value:.6g}" for name, value in scalars.items()}
                log.writerow(row)
                file.flush()
                print(row, flush=True)
                skipped = any(scalars[name] for name in scalars if name.startswith("skipped/"))
                if not skipped and not all(np.isfinite(value) for value in report.values()):
                    raise FloatingPointError(f"not finite at step {step}: {row}")
            if time.perf_counter() - saved_at > flags.save_seconds:
                save(output / "trained.npz", values, names)
                saved_at = time.perf_counter()
    values["seconds"] = np.float64(before + time.perf_counter() - started - compiling)
    save(output / "trained.npz", values, names)
    print(f"at step {step} on {jax.devices()[0]}: {output / 'trained.npz'}")


if __name__ == "__main__":
    main()
