"""Ten damaged files of each format end as they may; the damage itself is what it is meant to be."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest

TOOLS = pathlib.Path(__file__).resolve().parents[1] / "tools"
sys.path.insert(0, str(TOOLS))

import fuzz  # noqa: E402
import fuzz_mutations  # noqa: E402
from fuzz_format import Format  # noqa: E402
from fuzz_formats import FORMATS  # noqa: E402

QUICK = tuple(name for name, entry in FORMATS.items() if not entry.heavy)


@pytest.mark.slow
def test_no_damaged_file_ends_in_anything_but_what_may_be():
    command = [sys.executable, "tools/fuzz.py", "--mutations=10", f"--only={','.join(QUICK)}"]
    done = subprocess.run(command, cwd=TOOLS.parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    for name in QUICK:
        assert f"| {name} |" in done.stdout


def _read(folder, read):
    """What `fuzz` counts of a format that is read in such a way."""
    entry = Format("toy", "a", lambda folder: (folder / "a").write_bytes(bytes(50)), read)
    return fuzz._read(entry, folder / "toy")["outcome"]


def test_a_fault_is_seen(tmp_path):
    def fails(_):
        raise KeyError("x")

    def no_line(_):
        raise fuzz_error("")

    def one_line(_):
        raise fuzz_error("a")

    from lmvp_tf.errors import UserError as fuzz_error

    assert _read(tmp_path, fails) == "traceback"
    assert _read(tmp_path, no_line) == "traceback"
    assert _read(tmp_path, one_line) == "clear"
    assert _read(tmp_path, lambda folder: 1) == "read"


@pytest.mark.parametrize(
    ("read", "outcome"),
    [
        ("os.abort()", "abort"),
        ("time.sleep(60)", "hang"),
        ("bytearray(2_200_000_000)", "memory"),
    ],
)
def test_an_end_a_hang_and_much_memory_are_seen(tmp_path, monkeypatch, read, outcome):
    code = f"import os, sys, time\nprint(); sys.stdout.flush(); input(); {read}; time.sleep(60)"
    reader = fuzz.Reader(tmp_path)
    monkeypatch.setattr(fuzz, "_COMMAND", (sys.executable, "-c", code))
    waiting = 2 if outcome == "hang" else 60
    assert reader.ask("toy", 30, waiting)["outcome"] == outcome
    reader.close()


@pytest.mark.parametrize("kind", ["bytes", "json", "csv"])
def test_damage_is_the_same_for_the_same_seed_and_is_damage(kind):
    content = {
        "bytes": np.random.default_rng(0).bytes(1000),
        "json": json.dumps({"a": [1, {"b": 2}], "c": "d"}).encode(),
        "csv": b"step,loss\n1,0.5\n2,0.25\n",
    }[kind]
    first = [fuzz_mutations.mutant(content, kind, (1, i)) for i in range(200)]
    assert first == [fuzz_mutations.mutant(content, kind, (1, i)) for i in range(200)]
    assert len(set(first)) > 60
    assert sum(damaged == content for damaged in first) < 10


def test_what_differs_is_allowed_only_where_nothing_could_notice_it():
    assert not fuzz.allowed(FORMATS["weights.h5"], "different")
    assert fuzz.allowed(FORMATS["idx"], "different")
    assert not any(
        fuzz.allowed(FORMATS["idx"], o) for o in ("traceback", "abort", "hang", "memory")
    )
