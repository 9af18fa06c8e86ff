"""The program for another machine refuses what is damaged in a line, and loses nothing."""

import hashlib
import json
import os
import sys

import numpy as np
import pytest

from lmvp_tf.training.offline import run_steps

_STATE = {"step": np.int64(3), "seconds": np.float64(1), "weights": np.ones(2, np.float32)}


@pytest.fixture
def dump(tmp_path):
    folder = tmp_path / "dump"
    folder.mkdir()
    np.savez(folder / "state.npz", **_STATE)
    np.savez(folder / "data.npz", digits=np.zeros(3))
    (folder / "main.hlo").write_bytes(b"a program")
    manifest = {
        "phases": {"main": {"captured": [], "aliases": {}, "metrics": ["loss"]}},
        "ends": {"main": 9},
        "batch_size": 2,
        "log_columns": ["step", "loss"],
        "sha256": {
            path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()
        },
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def refused(monkeypatch, capsys, dump, *options):
    """The line that it ends with."""
    monkeypatch.setattr(sys, "argv", ["run_steps.py", str(dump), *map(str, options)])
    monkeypatch.setattr(run_steps.signal, "signal", lambda *_: None)
    assert run_steps.main() == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def _pipe(path):
    path.unlink()
    os.mkfifo(path)


def _folder(path):
    path.unlink()
    path.mkdir()


def _list(path):
    path.write_text("[1]")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        *((name, damage) for name in ("manifest.json", "state.npz") for damage in (_pipe, _folder)),
        *((name, _flip) for name in ("state.npz", "data.npz", "main.hlo")),
        *((name, os.unlink) for name in ("manifest.json", "state.npz", "data.npz", "main.hlo")),
        ("manifest.json", _list),
    ],
)
def test_a_damaged_dump_is_refused_in_a_line(monkeypatch, capsys, dump, name, damage):
    damage(dump / name)
    line = refused(monkeypatch, capsys, dump)
    assert name in line
    assert "dump the step anew" in line
    assert not (dump / "trained.npz").exists()


@pytest.mark.parametrize(
    "state",
    [
        _STATE | {"weights": np.array([1, np.nan], np.float32)},
        _STATE | {"weights": np.ones(3, np.float32)},
        _STATE | {"weights": np.array(["a", "b"])},
        _STATE | {"step": np.int64(2)},
        {"step": np.int64(3)},
        _STATE | {"weights": np.zeros(10**6, np.float32)},
    ],
    ids=["nan", "shape", "type", "earlier", "other variables", "large"],
)
def test_a_state_that_does_not_fit_is_refused(monkeypatch, capsys, dump, tmp_path, state):
    path = tmp_path / "trained.npz"
    np.savez_compressed(path, **state)
    line = refused(monkeypatch, capsys, dump, "--state", path)
    assert line.startswith(f"run_steps.py: {path} is damaged or another file")


def test_the_log_goes_on_where_the_state_ends(monkeypatch, capsys, dump):
    path = dump / "log.csv"
    path.write_text("step,loss\n1,.5\n2,.4\n3,.3\n4,.2\n5,")  # killed after it had saved step 3
    run_steps.Log(path, ["step", "loss"], 3).write({"step": 4, "loss": 0.25})
    assert path.read_text() == "step,loss\n1,.5\n2,.4\n3,.3\n4,0.25\n"
    path.write_text("step,other\n")
    assert "log.csv" in refused(monkeypatch, capsys, dump)
    assert path.read_text() == "step,other\n"


def test_a_state_that_is_not_finite_is_not_saved(tmp_path):
    path = tmp_path / "trained.npz"
    run_steps.save(path, _STATE, list(_STATE))
    bad = _STATE | {"weights": np.array([1, np.nan], np.float32)}
    with pytest.raises(run_steps.Failed, match="not finite at step 3: weights"):
        run_steps.save(path, bad, list(bad))
    np.testing.assert_array_equal(np.load(path)["weights"], _STATE["weights"])
