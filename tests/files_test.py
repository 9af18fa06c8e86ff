"""A file is written whole or not at all."""

import contextlib
import ctypes
import json
import os
import signal
import subprocess
import sys
from typing import Annotated

import msgspec
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
    _killed(f"with files.whole_folder(here / 'eval') as path:\n    {die}", tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    files.write_text(tmp_path / "a.txt", "text")
    with files.whole_folder(tmp_path / "eval") as folder:
        (folder / "b").write_text("b")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-b.txt", "a.txt", "eval"]


def test_what_a_living_program_is_writing_is_left_alone(tmp_path):
    with files.atomic_path(tmp_path / "a.txt") as mine:
        files.write_text(tmp_path / "a.txt", "of another thread")
        assert mine.exists()


@pytest.mark.parametrize("kernel", [True, False])
def test_a_folder_is_replaced_as_one(tmp_path, monkeypatch, kernel):
    if not kernel:  # one that cannot exchange two names
        monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: None)
    for content in ("old", "new"):
        with files.whole_folder(tmp_path / "eval") as folder:
            (folder / "sub").mkdir()
            (folder / content).write_text(content)
            (folder / "sub" / "same").write_text(content)
    assert (tmp_path / "eval" / "sub" / "same").read_text() == "new"
    assert not (tmp_path / "eval" / "old").exists()
    assert list(tmp_path.iterdir()) == [tmp_path / "eval"]


def test_an_error_leaves_the_old_folder_and_no_other(tmp_path):
    with files.whole_folder(tmp_path / "eval") as folder:
        (folder / "a").write_text("old")
    with pytest.raises(ValueError, match="half"), files.whole_folder(tmp_path / "eval") as folder:
        (folder / "a").write_text("new")
        raise ValueError("half")
    assert (tmp_path / "eval" / "a").read_text() == "old"
    assert list(tmp_path.iterdir()) == [tmp_path / "eval"]


def test_a_folder_that_was_set_aside_for_one_that_never_came_is_put_back(tmp_path, monkeypatch):
    with files.whole_folder(tmp_path / "eval") as folder:
        (folder / "a").write_text("old")
    script = "import ctypes\nctypes.CDLL = lambda *_, **__: None\n"
    script += "shutil = files.shutil\nreplace = pathlib.Path.replace\n"
    script += "def once(path, target):\n    replace(path, target)\n"
    script += "    os.kill(os.getpid(), signal.SIGKILL)\npathlib.Path.replace = once\n"
    script += (
        "with files.whole_folder(here / 'eval') as path:\n    (path / 'a').write_text('new')\n"
    )
    _killed(script, tmp_path)
    assert not (tmp_path / "eval").exists()
    with contextlib.suppress(ValueError), files.whole_folder(tmp_path / "eval"):
        assert (tmp_path / "eval" / "a").read_text() == "old"
        raise ValueError


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path):
    (tmp_path / "a").write_text("")
    with pytest.raises(UserError, match="a is a file"), files.whole_folder(tmp_path / "a"):
        pass


class Facts(msgspec.Struct):
    step: Annotated[int, msgspec.Meta(ge=0)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"step": -1}', r"Expected `int` >= 0 - at `\$.step`"),
        (b'{"step": 5.7}', "Expected `int`, got `float`"),
        (b'{"step": 1e999}', "Number out of range|Expected `int`"),
        (b'{"step": "5"}', "Expected `int`, got `str`"),
        (b'{"step": NaN}', "malformed"),
        (b'{"step": 5', "truncated"),
        (b"", "truncated"),
        (b"[1]", "Expected `object`"),
        (b"{}", "missing required field `step`"),
        (b"\xff\xfe{", "malformed|utf-8"),
        (b'{"a": ' + b'{"a": ' * 100_000, "recursion"),
    ],
)
def test_json_of_another_kind_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=f"a.json is damaged or another file .*({message})"
    ) as caught:
        files.read_json(path, Facts, "evaluate again")
    assert str(caught.value).endswith(": evaluate again")
    assert "\n" not in str(caught.value)


def test_json_is_read_from_regular_files_alone(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            files.read_json(name, Facts)
    with pytest.raises(FileNotFoundError):
        files.read_json(tmp_path / "none", Facts)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match="1099511627776 bytes, at most"):
        files.read_json(tmp_path / "large", Facts)
