"""Checkpoints are found by what is whole on the disk."""

import pytest
import tensorflow as tf

from lmvp_tf.errors import UserError
from lmvp_tf.training import checkpoint_files
from lmvp_tf.training.checkpoint import Checkpoints, has_any, newest_step


@pytest.fixture
def workdir(tmp_path):
    """A workdir with checkpoints of the steps 4 and 6, each of a number that is its step."""
    _save(tmp_path, 4, 6)
    return tmp_path


def _save(workdir, *steps):
    number = tf.Variable(0.0)
    checkpoints = Checkpoints(workdir, tf.train.Checkpoint(number=number))
    for step in steps:
        number.assign(step)
        checkpoints.save(step)


def _restored(workdir):
    number = tf.Variable(0.0)
    assert Checkpoints(workdir, tf.train.Checkpoint(number=number)).restore()
    return float(number)


def _names(workdir):
    return {path.name for path in (workdir / "checkpoints").iterdir()}


def _flip(path, at=None):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if at is None else at] ^= 4
    path.write_bytes(bytes(content))


def _cut(path):
    path.write_bytes(path.read_bytes()[:60])


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), _flip, _cut])
def test_tensorflows_own_list_of_checkpoints_decides_nothing(workdir, harm, capsys):
    harm(workdir / "checkpoints" / "checkpoint")
    assert newest_step(workdir) == 6
    assert _restored(workdir) == 6
    assert capsys.readouterr().out == ""


def test_tensorflows_own_tools_find_the_newest_too(workdir):
    newest = tf.train.latest_checkpoint(workdir / "checkpoints")
    assert newest == str(workdir / "checkpoints" / "ckpt-6")


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "of_an_older_program"])
@pytest.mark.parametrize("harm", [lambda path: path.unlink(), _flip, _cut])
@pytest.mark.parametrize("kind", ["data-00000-of-00001", "index"])
def test_a_damaged_one_is_passed_over_and_named(workdir, harm, kind, recorded, capsys):
    if not recorded:
        for step in (4, 6):
            (workdir / "checkpoints" / f"ckpt-{step}.json").unlink()
        assert _restored(workdir) == 6
        if kind.startswith("data"):  # where TensorFlow keeps the number
            offset = (workdir / "checkpoints" / f"ckpt-6.{kind}").read_bytes().find(b"\0\0\xc0@")
            harm = (lambda path: _flip(path, offset)) if harm is _flip else harm
    harm(workdir / "checkpoints" / f"ckpt-6.{kind}")
    assert newest_step(workdir) == 4
    assert _restored(workdir) == 4
    said = capsys.readouterr().out
    assert "checkpoints/ckpt-6 is damaged (" in said
    assert said.endswith(": goes on from ckpt-4.\n")
    assert said.count("\n") == 1


@pytest.mark.parametrize("content", [b"", b"{}", b'{"sha256": {}}', b"\xff", b"[" * 10000])
def test_a_damaged_record_is_no_record(workdir, content, capsys):
    (workdir / "checkpoints" / "ckpt-6.json").write_bytes(content)
    assert _restored(workdir) == 4
    assert "ckpt-6 is damaged" in capsys.readouterr().out


def test_where_none_is_whole_all_are_named_and_what_to_do(workdir):
    _flip(workdir / "checkpoints" / "ckpt-6.index")
    (workdir / "checkpoints" / "ckpt-4.data-00000-of-00001").unlink()
    before = _names(workdir)
    message = (
        r"ckpt-6 cannot be restored \(ckpt-6.index is not what was written\), nor ckpt-4 "
        r"\(ckpt-4.data-00000-of-00001 is missing\): .*--restart"
    )
    with pytest.raises(UserError, match=message):
        _restored(workdir)
    with pytest.raises(UserError, match=message):
        newest_step(workdir)
    with pytest.raises(UserError, match=message):
        _save(workdir, 7)
    assert _names(workdir) == before


def test_after_a_damaged_one_the_run_goes_on_and_leaves_nothing_of_it(workdir):
    _flip(workdir / "checkpoints" / "ckpt-6.index")
    _save(workdir, 5)
    assert {name for name in _names(workdir) if name.endswith("index")} == {
        "ckpt-4.index",
        "ckpt-5.index",
    }
    assert _restored(workdir) == 5


def test_what_is_no_file_is_not_read(workdir):
    for name in ("ckpt-6.index", "ckpt-4.json"):
        (workdir / "checkpoints" / name).unlink()
        (workdir / "checkpoints" / name).symlink_to("/dev/zero")
    with pytest.raises(UserError, match="ckpt-6 cannot be restored .* nor ckpt-4"):
        _restored(workdir)


@pytest.mark.parametrize("files", [[], ["data-00000-of-00001"], ["data-00000-of-00001", "index"]])
def test_one_that_was_being_written_is_none_and_is_cleared_away(workdir, files):
    """As TensorFlow leaves it when it is killed: its temporary folder is the last to go."""
    folder = workdir / "checkpoints"
    (folder / "ckpt-8_temp").mkdir()
    (folder / "ckpt-8_temp" / "part-00000-of-00001.index").write_bytes(b"half")
    for kind in files:
        (folder / f"ckpt-8.{kind}").write_bytes(b"half")
    (folder / ".ckpt-8-host-1-abc.json").write_bytes(b"{")
    assert newest_step(workdir) == 6
    checkpoint_files.clear_leftovers(folder)
    assert not [name for name in _names(workdir) if "ckpt-8" in name]
    assert _restored(workdir) == 6


def test_one_that_was_written_and_not_sealed_is_sealed_and_the_oldest_goes(tmp_path):
    _save(tmp_path, 4, 6, 8)
    folder = tmp_path / "checkpoints"
    expected = _names(tmp_path)
    _save(tmp_path / "other", 4, 6)
    for path in (tmp_path / "other" / "checkpoints").glob("ckpt-4*"):
        path.rename(folder / path.name)
    (folder / "ckpt-8.json").unlink()
    checkpoint_files.clear_leftovers(folder)
    assert _names(tmp_path) == expected
    _flip(folder / "ckpt-8.data-00000-of-00001")
    assert newest_step(tmp_path) == 6  # by its seal


def test_a_run_that_was_killed_in_its_first_save_has_no_checkpoint(tmp_path):
    folder = tmp_path / "checkpoints"
    (folder / "ckpt-1_temp").mkdir(parents=True)
    (folder / "ckpt-1.data-00000-of-00001").write_bytes(b"half")
    assert newest_step(tmp_path) is None
    assert not has_any(tmp_path)


def test_other_files_are_left_alone(workdir):
    for name in ("notes.txt", "ckpt-06.index", "ckpt-best.index"):
        (workdir / "checkpoints" / name).write_text("mine")
    _save(workdir, 7)
    assert {"notes.txt", "ckpt-06.index", "ckpt-best.index"} < _names(workdir)
    assert not [name for name in _names(workdir) if name.startswith("ckpt-4")]
