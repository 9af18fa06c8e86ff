"""The files of checkpoints: which are there, and which of them are whole.

    ckpt-6.data-00000-of-00001, ckpt-6.index   TensorFlow's
    ckpt-6.json                                their SHA-256, written last
    ckpt-6_temp/                               TensorFlow's, while it writes them

What is on the disk decides. TensorFlow's list of checkpoints, the file `checkpoint`, is written for
its own tools and is not read: without it a run would begin anew over the checkpoints it has.
"""

from __future__ import annotations

import pathlib
import re
import shutil
from typing import NamedTuple

import msgspec
import tensorflow as tf

from lmvp_tf import files
from lmvp_tf.errors import UserError, WriteError
from lmvp_tf.files import LiteralName, sync, write_json, write_text
from lmvp_tf.readers import SHA256, file_sha256, read_json

_NAME = re.compile(r"ckpt-(0|[1-9]\d{0,17})\.(index|json|data-\d+-of-\d+)")


class _Record(msgspec.Struct):
    """What ckpt-N.json holds: {name of a file: its SHA-256}."""

    sha256: dict[str, SHA256]


class Found(NamedTuple):
    """The newest whole checkpoint.

    Attributes:
      step: its step; None where a folder has no checkpoint.
      damaged: {step: what is wrong with it} of those that are newer.
    """

    step: int | None
    damaged: dict[int, str]


def name_of(step: int) -> str:
    """The name of a checkpoint, which the names of its files begin with."""
    return f"ckpt-{step}"


def steps(folder: pathlib.Path) -> list[int]:
    """The steps of all checkpoints of a folder, be they readable or not, the newest first.

    One that is being written, or was when its program was killed, is none yet.
    """
    found = {int(match[1]) for match in _matches(folder)}
    return sorted((step for step in found if not _is_unfinished(folder, step)), reverse=True)


def find(folder: pathlib.Path, before: int | None = None) -> Found:
    """The newest whole checkpoint of a folder.

    Args:
      folder: where the checkpoints are.
      before: only one of an earlier step.

    Raises:
      UserError: it has checkpoints, and none of them is whole, or all are of `before` or later.
    """
    while True:
        there, damaged = steps(folder), dict[int, str]()
        if before is not None and there and there[-1] >= before:
            raise UserError(f"{folder} has no checkpoint from before step {before} any more")
        for step in there if before is None else [step for step in there if step < before]:
            damaged[step] = fault(folder, step)
            if not damaged[step]:
                del damaged[step]
                return Found(step, damaged)
        if there == steps(folder):  # or else a run has removed them to make room for newer ones
            break
    if damaged:
        (newest, reason), *others = damaged.items()
        also = "".join(f", nor {name_of(step)} ({why})" for step, why in others)
        raise UserError(
            f"{folder / name_of(newest)} cannot be restored ({reason}){also}: put them back from a "
            "copy, or begin the run anew by run_train.py --restart, which keeps what is there aside"
        )
    return Found(None, {})


def fault(folder: pathlib.Path, step: int) -> str:
    """What is wrong with a checkpoint; empty: it is whole."""
    there = {path.name for path in _written(folder, step)}
    try:
        wanted = read_json(_record(folder, step), _Record).sha256
        missing = sorted({f"{name_of(step)}.index", *wanted} - there)
        if missing:
            return f"{missing[0]} is missing"
        changed = [name for name in sorted(there) if _sha256(folder / name) != wanted.get(name)]
        return f"{changed[0]} is not what was written" if changed else ""
    except FileNotFoundError:
        return _read_through(folder, step)
    except UserError:
        return f"{_record(folder, step).name} cannot be read"
    except OSError as error:
        return error.strerror or str(error)


def seal(folder: pathlib.Path, step: int) -> None:
    """Makes what TensorFlow has written safe on the disk, then a checkpoint that counts.

    Raises:
      OSError, RunError: it cannot be written.
    """
    written = _written(folder, step)
    for path in [*written, folder]:
        sync(path)
    write_json(_record(folder, step), {"sha256": {path.name: _sha256(path) for path in written}})
    listed = ("model_checkpoint_path", "all_model_checkpoint_paths")
    write_text(folder / "checkpoint", "".join(f'{key}: "{name_of(step)}"\n' for key in listed))


def remove(folder: pathlib.Path, step: int) -> None:
    """Removes a checkpoint, or what there is of one.

    Raises:
      OSError: a file cannot be removed.
    """
    for path in [*_written(folder, step), _record(folder, step)]:
        path.unlink(missing_ok=True)
    for path in _temporary(folder, step):  # last: while it is there, the others count for nothing
        shutil.rmtree(path, ignore_errors=True)


def remove_others(folder: pathlib.Path, kept: set[int | None]) -> None:
    """Removes all checkpoints but those of some steps."""
    for step in {int(match[1]) for match in _matches(folder)} - kept:
        remove(folder, step)


def clear_leftovers(folder: pathlib.Path) -> None:
    """Removes what killed programs left half written. Only for who alone writes to the folder.

    Raises:
      OSError, RunError: a checkpoint cannot be sealed.
    """
    for path in folder.glob("ckpt-*_temp*"):
        step = path.name.removeprefix("ckpt-").partition("_")[0]
        if step.isdecimal() and _is_unfinished(folder, int(step)):
            remove(folder, int(step))
        shutil.rmtree(path, ignore_errors=True)
    for path in folder.glob(".ckpt-*"):
        path.unlink(missing_ok=True)
    there = steps(folder)
    sealed = [step for step in there if _record(folder, step).exists()]
    # Killed when all of it was written, before it was sealed and the oldest removed.
    if sealed and there[0] not in sealed and not _read_through(folder, there[0]):
        seal(folder, there[0])
        remove_others(folder, set(there[:2]))


def _matches(folder: pathlib.Path) -> list[re.Match[str]]:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return [match for name in names if (match := _NAME.fullmatch(name))]


def _written(folder: pathlib.Path, step: int) -> list[pathlib.Path]:
    """The files of a checkpoint that TensorFlow wrote."""
    matches = [match for match in _matches(folder) if int(match[1]) == step]
    return sorted(folder / match[0] for match in matches if match[2] != "json")


def _record(folder: pathlib.Path, step: int) -> pathlib.Path:
    return folder / f"{name_of(step)}.json"


def _temporary(folder: pathlib.Path, step: int) -> list[pathlib.Path]:
    return list(folder.glob(f"{name_of(step)}_temp*"))


def _is_unfinished(folder: pathlib.Path, step: int) -> bool:
    return not _record(folder, step).exists() and bool(_temporary(folder, step))


def _sha256(path: pathlib.Path) -> str:
    if not path.is_file():  # a pipe would never end
        return "no file"
    return file_sha256(path)


def _read_through(folder: pathlib.Path, step: int) -> str:
    """What is wrong with a checkpoint without a record, by the sums that TensorFlow keeps itself.

    An older program wrote it, or one that was killed before it came to the record.
    """
    written = _written(folder, step)
    for path in written:
        if not path.is_file():
            return f"{path.name} is no file"
    if f"{name_of(step)}.index" not in {path.name for path in written}:
        return f"{name_of(step)}.index is missing"
    try:
        place = LiteralName(folder)
        reader = tf.train.load_checkpoint(f"{place}/{name_of(step)}")
        for name in reader.get_variable_to_shape_map():
            reader.get_tensor(name)
    except Exception as error:  # a damaged file makes TensorFlow raise nearly anything
        return first_line(error)
    return ""


def may_pass(error: Exception) -> bool:
    """Whether a checkpoint that could not be written may be in a while, as on a full disk."""
    if isinstance(error, WriteError):
        return error.passing
    if isinstance(error, OSError):
        return files.may_pass(error)
    return not isinstance(
        error, tf.errors.PermissionDeniedError | tf.errors.FailedPreconditionError
    )


def first_line(error: Exception) -> str:
    """What an error of TensorFlow says, in one line, without the name of the function it was in."""
    text = str(getattr(error, "message", "") or error).rpartition("}} ")[2]
    return (text.strip().splitlines() or ["no reason given"])[0][:300]
