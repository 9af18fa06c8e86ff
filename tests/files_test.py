"""A file is written whole or not at all."""

import json

import pytest

from lmvp_tf import files
from lmvp_tf.errors import RunError


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
