"""From the start of run_train.py to its first optimizer step."""

import pathlib
import subprocess
import sys
import tempfile
import time

import numpy as np

from benchmarks.common import Row
from benchmarks.processes import ROOT, ProcessFailed

_IMPORTS = "from lmvp_tf import runtime; runtime.prepare(); runtime.import_tensorflow()"


def start_small(quick):
    """Preset small_paper_recipe."""
    return _start_row("start_small", "small_paper_recipe", 1 if quick else 2)


def start_paper(quick):
    """Preset paper."""
    del quick
    return _start_row("start_paper", "paper", 1)


def _start_row(name, preset, repetitions):
    imported, started = [], []
    for _ in range(repetitions):
        imported.append(_seconds_to_import())
        started.append(_seconds_to_first_step(preset))
    return Row(name, min(started), "s", floor=min(imported))


def rolled_start_small(quick):
    """Preset small_paper_recipe, loops over time rolled as by default, beside the same unrolled."""
    del quick
    rolled = _seconds_to_first_step("small_paper_recipe")
    unrolled = _seconds_to_first_step("small_paper_recipe", "--set=training.rolled=false")
    return Row("rolled_start_small", rolled, "s", "loops over time unrolled", unrolled / rolled)


def _seconds_to_import():
    """A process that imports TensorFlow and Keras and ends."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", _IMPORTS], check=True, cwd=ROOT, capture_output=True)
    return time.perf_counter() - start


def _seconds_to_first_step(preset, *flags):
    """Until the first line of the run's log, which is written right after the first step."""
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        digits = np.random.default_rng(0).integers(0, 256, (1000, 28, 28), np.uint8)
        np.savez(folder / "mnist.npz", x_train=digits, x_test=digits)
        command = [
            sys.executable,
            "run_train.py",
            f"--preset={preset}",
            "--set=training.log_every=1",
        ]
        command += [*flags, f"--workdir={folder / 'run'}", f"--mnist_path={folder / 'mnist.npz'}"]
        log = folder / "run" / "log.csv"
        start = time.perf_counter()
        quiet = subprocess.DEVNULL
        with subprocess.Popen(command, cwd=ROOT, stdout=quiet, stderr=quiet) as process:
            try:
                while not (log.exists() and log.read_text().count("\n") > 1):
                    if process.poll() is not None:
                        raise ProcessFailed(f"run_train.py ended with code {process.returncode}")
                    time.sleep(0.02)
                return time.perf_counter() - start
            finally:
                process.kill()  # what it has trained is thrown away
