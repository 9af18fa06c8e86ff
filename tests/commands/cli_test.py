"""Signals in the middle of every program: quiet, an exit code, nothing half written."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from lmvp_tf import configs, stopping
from lmvp_tf.commands import cli
from lmvp_tf.files import write_json
from lmvp_tf.training import weights
from lmvp_tf.training.checkpoint import build_model

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture(name="place", scope="module")
def _place(tmp_path_factory, fast_config):
    """A folder with published weights, and a film."""
    folder = tmp_path_factory.mktemp("programs")
    config = fast_config
    weights.write(build_model(config), weights.Trained(1, 1.0, 1.0), folder / "run")
    write_json(folder / "run" / "config.json", configs.to_dict(config))
    film = np.random.default_rng(0).integers(0, 256, (1000, 32, 32), np.uint8)
    np.save(folder / "film.npy", np.tile(film, (40, 1, 1)))
    return folder


# A program, what it has said or made when the signal comes, the signal, and what it is to write.
PROGRAMS = {
    "eval": (
        "run_eval.py",
        "--workdir=run --num_sequences=100000 --batch_size=1 --output=scores",
        "evaluate:",
        signal.SIGINT,
        "scores",
    ),
    "predict": (
        "run_predict.py",
        "--workdir=run --input=film.npy --every --output=film.gif",
        "Predicting:",
        signal.SIGHUP,
        "film.gif",
    ),
    "export": (
        "run_export.py",
        "--workdir=run --output=served",
        "served/.*",
        signal.SIGINT,
        "served/1",
    ),
    "build": (
        "data/build_videos.py",
        "--input=film.npy --output=set --size=32",
        ".set-*/*",
        signal.SIGTERM,
        "set/dataset.json",
    ),
    "train": (
        "run_train.py",
        "--preset=demo --workdir=new --data_path=none/mnist.npz",
        "",  # as soon as it listens
        signal.SIGINT,
        "new",
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_signal_ends_a_program_quietly_and_nothing_half_written_stays(name, place):
    program, options, sign, number, target = PROGRAMS[name]
    with (place / f"{name}.txt").open("w+") as said:
        process = subprocess.Popen(
            [sys.executable, "-u", ROOT / program, *options.split()],
            cwd=place,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        end = time.monotonic() + 120
        while process.poll() is None and time.monotonic() < end:
            if sign and (list(place.glob(sign)) if "*" in sign else sign in _text(said)):
                break
            if not sign and _listens(process.pid):
                break
            time.sleep(0.02)
        os.killpg(process.pid, number)  # as a terminal does
        assert process.wait(60) == 128 + number, _text(said)
        text = _text(said)
    assert "Traceback" not in text
    assert "Error" not in text
    assert not (place / target).exists()
    left = {path.name for path in place.rglob(".*")} | {
        path.name for path in place.rglob("*_temp*")
    }
    assert left <= {".lock"}


def _text(file):
    return pathlib.Path(file.name).read_text()


def _listens(pid):
    """Whether a process handles SIGTERM by now."""
    status = pathlib.Path(f"/proc/{pid}/status").read_text()
    caught = int(status.partition("SigCgt:")[2].split()[0], 16)
    return bool(caught >> (signal.SIGTERM - 1) & 1)


@pytest.fixture
def _kept():
    before = {number: signal.getsignal(number) for number in stopping.SIGNALS}
    yield
    stopping.forget()
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_kept")
@pytest.mark.parametrize("number", stopping.SIGNALS)
def test_the_second_signal_ends_it_at_once_and_an_ignored_one_stays_so(number, monkeypatch):
    monkeypatch.setattr(stopping, "silence", lambda *_: None)  # the terminal of the tests
    cli._stop_by_signals()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    assert stopping.exit_code() == 128 + number
    assert signal.getsignal(number) == signal.SIG_DFL
    signal.signal(number, signal.SIG_IGN)
    cli._stop_by_signals()
    signal.raise_signal(number)
    assert not stopping.was_asked()


@pytest.mark.usefixtures("_kept")
def test_a_long_loop_ends_also_where_a_library_has_lost_the_exception():
    cli._stop_by_signals()
    steps = stopping.unless_asked(range(10))
    assert [next(steps), next(steps)] == [0, 1]
    with contextlib.suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        next(steps)
    assert stopping.exit_code() == 143


def test_what_the_machine_refuses_is_a_line_and_what_the_program_does_wrong_is_none():
    refused = PermissionError(13, "Permission denied", "a\nb/config.json")
    assert cli._of_the_machine(refused) == r"a\nb/config.json: Permission denied"
    assert "too little memory" in cli._of_the_machine(MemoryError())
    nowhere = FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")
    assert "set TMPDIR" in cli._of_the_machine(nowhere)
    assert cli._of_the_machine(KeyError("x")) is None
    assert cli._of_the_machine(OSError("x")) is None


def test_what_is_printed_and_cannot_be_is_told_in_a_line():
    program = (
        "from lmvp_tf.commands import cli\n"
        "def main(argv):\n    print('x')\n    return 0\ncli.run(main)"
    )
    with open("/dev/full", "wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("cannot be written: No space left on device")
    assert "Traceback" not in done.stderr


def test_help_that_is_read_no_further_ends_in_silence():
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "run_eval.py", "--help"], cwd=ROOT, stdout=writing, stderr=subprocess.PIPE
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
