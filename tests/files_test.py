"""A file is written whole or not at all."""

import contextlib
import ctypes
import json
import pathlib
import signal
import subprocess
import sys

import pytest

from lmvp_tf import files
from lmvp_tf.errors import RunError, UserError


def test_an_interrupted_write_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "a.txt"
    files.write_text(path, "old")
    with pytest.raises(KeyboardInterrupt), files.atomic_path(path) as temporary:
        temporary.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "name",
    [
        "é" * 125 + ".json",
        "a" * 251 + ".gif",
        "1." * 100 + "weights.h5",
        "Dr. " + "a" * 247 + ".gif",
    ],
)
def test_what_has_as_long_a_name_as_there_may_be_is_written(tmp_path, name):
    files.write_text(tmp_path / name, "text")
    assert (tmp_path / name).read_text() == "text"
    for _ in range(2):
        with files.whole_folder(tmp_path / name[:-5], "head", ["head"]) as new:
            (new / "head").write_text("text")
    assert {path.name for path in tmp_path.iterdir()} == {name, name[:-5]}


def test_folders_are_made_and_json_reads_back(tmp_path):
    path = tmp_path / "x" / "y.json"
    files.write_json(path, {"a": [1, None]})
    assert json.loads(path.read_text()) == {"a": [1, None]}


def test_json_has_no_nan(tmp_path):
    with pytest.raises(ValueError, match="JSON"):
        files.write_json(tmp_path / "a.json", float("nan"))
    assert not list(tmp_path.iterdir())


def test_a_path_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="cannot write .*file/a.txt"):
        files.write_text(tmp_path / "file" / "a.txt", "text")


def _killed(script, tmp_path):
    """Runs a script in a process of its own, which kills itself."""
    head = "import os, pathlib, signal\nfrom lmvp_tf import files\n"
    script = f"{head}here = pathlib.Path({str(tmp_path)!r})\n{script}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr


def test_what_a_killed_program_left_is_cleared_by_the_next_that_writes_there(tmp_path):
    (tmp_path / "a-b.txt").write_text("of somebody else")
    die = "os.kill(os.getpid(), signal.SIGKILL)"
    _killed(f"with files.atomic_path(here / 'a.txt') as path:\n    {die}", tmp_path)
    _killed(f"with files.whole_folder(here / 'eval', 'a') as path:\n    {die}", tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    files.write_text(tmp_path / "a.txt", "text")
    with files.whole_folder(tmp_path / "eval", "a") as folder:
        (folder / "b").write_text("b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-b.txt", "a.txt", "eval"]


def test_what_a_living_program_is_writing_is_left_alone(tmp_path):
    with files.atomic_path(tmp_path / "a.txt") as mine:
        files.write_text(tmp_path / "a.txt", "of another thread")
        assert mine.exists()


def _write(path, content, before=(), head="head"):
    """A folder with a head, a file that every content has, and one of its own."""
    with files.whole_folder(path, head, before) as folder:
        for name in (head, "same", content):
            (folder / name).write_text(content)


def _contents(path):
    return {file.name: file.read_text() for file in path.iterdir()}


WHOLE = {"head": "new", "same": "new", "new": "new"}


@pytest.mark.parametrize("kernel", [True, False])
def test_a_folder_is_replaced_as_one(tmp_path, monkeypatch, kernel):
    if not kernel:  # one that cannot exchange two names
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: None)
    _write(tmp_path / "eval", "old")
    inode = (tmp_path / "eval").stat().st_ino
    _write(tmp_path / "eval", "new", before=["old", "gone"])
    assert _contents(tmp_path / "eval") == WHOLE
    assert list(tmp_path.iterdir()) == [tmp_path / "eval"]
    assert (tmp_path / "eval").stat().st_ino != inode


def test_files_of_others_stay_and_so_does_the_folder(tmp_path):
    _write(tmp_path / "eval", "old")
    (tmp_path / "eval" / "notes").write_text("mine")
    (tmp_path / "eval" / "folder").mkdir()
    (tmp_path / "eval" / "folder" / "notes").write_text("mine")
    inode = (tmp_path / "eval").stat().st_ino
    _write(tmp_path / "eval", "new", before=["old"])
    assert (tmp_path / "eval" / "folder" / "notes").read_text() == "mine"
    (tmp_path / "eval" / "folder" / "notes").unlink()
    (tmp_path / "eval" / "folder").rmdir()
    assert _contents(tmp_path / "eval") == {**WHOLE, "notes": "mine"}
    assert list(tmp_path.iterdir()) == [tmp_path / "eval"]
    assert (tmp_path / "eval").stat().st_ino == inode


def test_a_folder_that_cannot_be_replaced_gets_its_files_one_by_one(tmp_path, monkeypatch):
    _write(tmp_path / "eval", "old")
    (tmp_path / "link").symlink_to("eval")
    monkeypatch.chdir(tmp_path / "eval")
    _write("../link", "new", before=["old"])
    assert _contents(pathlib.Path(".")) == WHOLE
    assert (tmp_path / "link").is_symlink()


KILLED = """
import itertools
calls = itertools.count(1)
replace = pathlib.Path.replace
def counted(path, target):
    if next(calls) == {when}:
        os.kill(os.getpid(), signal.SIGKILL)
    return replace(path, target)
with files.whole_folder(here / "eval", "head", ["old"]) as folder:
    for name in ("head", "same", "new"):
        (folder / name).write_text("new")
    pathlib.Path.replace = counted
"""


@pytest.mark.parametrize("when", [1, 2, 3])
def test_whoever_is_killed_while_files_are_moved_leaves_no_head(tmp_path, when):
    _write(tmp_path / "eval", "old")
    (tmp_path / "eval" / "notes").write_text("mine")
    _killed(KILLED.format(when=when), tmp_path)
    assert not (tmp_path / "eval" / "head").exists()
    _write(tmp_path / "eval", "new", before=["old"])
    assert _contents(tmp_path / "eval") == {**WHOLE, "notes": "mine"}
    assert list(tmp_path.iterdir()) == [tmp_path / "eval"]


def test_a_leftover_of_a_process_of_the_same_number_is_cleared(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_START", "before")
    leftover = tmp_path / f"{files._prefix(tmp_path / 'eval')}x"
    monkeypatch.undo()
    leftover.mkdir()
    _write(tmp_path / "eval", "new")
    assert list(tmp_path.iterdir()) == [tmp_path / "eval"]


def test_an_error_leaves_the_old_folder_and_no_other(tmp_path):
    _write(tmp_path / "eval", "old")
    before = _contents(tmp_path / "eval")
    with pytest.raises(ValueError, match="half"), files.whole_folder(tmp_path / "eval", "a") as new:
        (new / "a").write_text("new")
        raise ValueError("half")
    assert _contents(tmp_path / "eval") == before
    assert list(tmp_path.iterdir()) == [tmp_path / "eval"]


def test_a_folder_that_was_set_aside_for_one_that_never_came_is_put_back(tmp_path, monkeypatch):
    with files.whole_folder(tmp_path / "eval", "a") as folder:
        (folder / "a").write_text("old")
    script = "import ctypes\nctypes.CDLL = lambda *_, **__: None\n"
    script += "shutil = files.shutil\nreplace = pathlib.Path.replace\n"
    script += "def once(path, target):\n    replace(path, target)\n"
    script += "    os.kill(os.getpid(), signal.SIGKILL)\npathlib.Path.replace = once\n"
    script += (
        "with files.whole_folder(here / 'eval', 'a') as path:\n    (path / 'a').write_text('new')\n"
    )
    _killed(script, tmp_path)
    assert not (tmp_path / "eval").exists()
    with contextlib.suppress(ValueError), files.whole_folder(tmp_path / "eval", "a"):
        assert (tmp_path / "eval" / "a").read_text() == "old"
        raise ValueError


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(UserError, match="a is a file"), files.whole_folder(tmp_path / "a", "a"):
        pass
