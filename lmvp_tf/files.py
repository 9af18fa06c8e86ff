"""Writing files: a good one is never replaced by half of another.

What is written appears whole or not at all, and only when it is safe on the disk: a file by
`atomic_path`, a folder whose files belong together by `whole_folder`. What a killed program left
behind is cleared by the next one that writes the same thing.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import pathlib
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Collection, Iterator
from typing import IO, Any

from lmvp_tf.errors import UserError, WriteError


@contextlib.contextmanager
def atomic_path(path: os.PathLike[str] | str) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path` that replaces it when the block ends without an error.

    Args:
      path: the file to write; its folder is made when it is missing.

    Raises:
      WriteError: it cannot be written (no disk space, no permission). `path` is then as it was.
    """
    path = pathlib.Path(path)
    temporary = None
    with told_by_name(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _clear(path)
            handle, name = tempfile.mkstemp(
                prefix=_prefix(path), suffix=_suffix(path), dir=path.parent
            )
            os.close(handle)
            temporary = pathlib.Path(name)
            yield temporary
            temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner reads
            sync(temporary)
            temporary.replace(path)
            sync(path.parent)
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def unseen_folder(path: os.PathLike[str] | str) -> Iterator[pathlib.Path]:
    """Yields a new folder with a hidden name, for what is on its way to `path`; it goes in the end.

    It is beside `path`. What is to stay is renamed: on one disk that happens at once or not at all.

    Args:
      path: a file or folder to be written; the folders above it are made when they are missing.

    Raises:
      UserError: one of these is a file.
      WriteError: nothing can be written there.
    """
    path = pathlib.Path(path)
    _existing_folder(path.parent)
    folder = None
    with told_by_name(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _clear(path)
            folder = pathlib.Path(tempfile.mkdtemp(prefix=_prefix(path), dir=path.parent))
            folder.chmod(0o777 & ~_umask())  # mkdtemp makes folders that only their owner reads
            yield folder
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def whole_folder(
    path: os.PathLike[str] | str, head: str, before: Collection[str] = ()
) -> Iterator[pathlib.Path]:
    """Yields a new folder whose files take the places of those in `path` when the block ends well.

    A reader that begins with the head sees the old files or the new ones, never a mixture: the new
    folder takes the place of the old one at once. Where that cannot be, for there are files of
    others, or a disk is mounted there, the files are moved one by one: the old head goes first and
    the new one comes last. A program that is killed in between leaves a folder without a head.

    Args:
      path: the folder to write; those above it are made when they are missing.
      head: name of the file without which the others mean nothing.
      before: names of files that an earlier block has left and that are to go.

    Raises:
      UserError: `path` is a file.
      WriteError: it cannot be written (no disk space, no permission). `path` is then as it was.
    """
    path = pathlib.Path(os.path.realpath(path))
    _existing_folder(path)
    with told_by_name(path), unseen_folder(path if _is_replaceable(path) else path / "new") as new:
        yield new
        for part in [*new.rglob("*"), new]:
            sync(part)
        strangers = _names(path) - _names(new) - {*before, new.name}
        if strangers or new.parent == path:
            _move(new, path, head, {*before} & _names(path))
        else:
            _exchange(new, path)
            sync(path.parent)


def check_folder(path: pathlib.Path) -> None:
    """Refuses a folder that `whole_folder` could not write, before hours are spent on its files.

    Raises:
      UserError: it is a file, or below one, or nothing may be written there.
    """
    path = pathlib.Path(os.path.realpath(path))
    _existing_folder(path)
    check_place(path if _is_replaceable(path) else path / "new")


def check_place(path: pathlib.Path) -> None:
    """Refuses a path beside which nothing may be written, before the work is done.

    Raises:
      UserError: it is below a file, or in no folder that can be written to.
    """
    folder = _existing_folder(path.parent)
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UserError(f"{path} cannot be written: {folder}: {error.strerror}") from error


def _existing_folder(path: pathlib.Path) -> pathlib.Path:
    """The folder, or the nearest one above it that exists; refuses what is, or is below, a file."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not there.is_dir():
        raise UserError(f"{there} is a file: give a folder")
    return there


def _names(folder: pathlib.Path) -> set[str]:
    return set(os.listdir(folder)) if folder.is_dir() else set()


def _is_replaceable(path: pathlib.Path) -> bool:
    """Whether a folder can take the place of another, or of none."""
    if not path.exists():
        return True
    inside = pathlib.Path.cwd().is_relative_to(path)  # this process would be nowhere
    return os.access(path.parent, os.W_OK) and not path.is_mount() and not inside


def _move(new: pathlib.Path, path: pathlib.Path, head: str, old: set[str]) -> None:
    """Moves the files of a folder into another that stays: the head goes first and comes last."""
    (path / head).unlink(missing_ok=True)
    sync(path)
    for name in old - {head}:
        (path / name).unlink(missing_ok=True)
    for name in sorted(_names(new), key=lambda name: name == head):
        if (path / name).is_dir() and not (path / name).is_symlink():
            shutil.rmtree(path / name)
        if name == head:
            sync(path)
        (new / name).replace(path / name)
    sync(path)


def write_text(path: os.PathLike[str] | str, text: str) -> None:
    """Writes `text` (UTF-8) to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: os.PathLike[str] | str, value: Any) -> None:
    """Writes `value` as indented JSON to `path`, whole or not at all.

    A NaN or an infinity is refused (ValueError): JSON has none, and readers differ in what they do.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


@contextlib.contextmanager
def told_by_name(path: pathlib.Path) -> Iterator[None]:
    """Makes an OSError of the block, which writes `path`, a WriteError that names it."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise WriteError(f"cannot write {path}: {reason}", may_pass(error)) from error


_PASSING = frozenset(
    getattr(errno, name)
    for name in "ENOSPC EDQUOT EFBIG EIO ENOENT ENODEV ENXIO ESTALE ENOTCONN EHOSTDOWN ETIMEDOUT "
    "EAGAIN EBUSY ENOLCK ENFILE ENOMEM".split()
    if hasattr(errno, name)
)


def may_pass(error: OSError) -> bool:
    """Whether what failed may go well in a while, as of a full disk or one that is away."""
    return error.errno in _PASSING


_LONGEST_STEM = 60  # bytes: with all that is added a name may have no more than 255


def _prefix(path: pathlib.Path) -> str:
    """How the names of everything begin that is on its way to `path` by this process."""
    return f"{_place(path)}{os.getpid()}-{_START}-"


# In a container every program may have the same number as the one before it.
_START = f"{time.time_ns():x}"


def _place(path: pathlib.Path) -> str:
    host = re.sub(r"[^\w.]", "_", socket.gethostname())
    stem = path.name.removesuffix(_suffix(path))
    if len(os.fsencode(stem)) > _LONGEST_STEM:
        stem = hashlib.sha256(os.fsencode(stem)).hexdigest()[:_LONGEST_STEM]
    return f".{stem}-{host}-"


def _suffix(path: pathlib.Path) -> str:
    keras = ".weights.h5"  # which Keras wants whole
    return keras if path.name.endswith(keras) else path.suffix


def _clear(path: pathlib.Path) -> None:
    """Removes what killed programs of this host left on their way to `path`.

    A folder that was moved aside for a new one that never came is put back (`_exchange`).
    """
    for name in os.listdir(path.parent):
        owner, _, rest = name.removeprefix(_place(path)).partition("-")
        if not name.startswith(_place(path)) or not owner.isdecimal():
            continue
        mine = name.startswith(_prefix(path))
        if mine or (int(owner) != os.getpid() and _alive(int(owner))):
            continue
        leftover = path.parent / name
        if rest.endswith(_ASIDE) and not path.exists():
            leftover.replace(path)
        elif leftover.is_dir() and not leftover.is_symlink():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True


_ASIDE = "before"  # end of the name of a folder that is being replaced
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux


def _exchange(new: pathlib.Path, path: pathlib.Path) -> None:
    """Puts the folder `new` at `path`; what was there is then at `new`, or gone."""
    if not path.exists():
        new.replace(path)
        return
    try:  # at once, where the kernel and the file system can
        libc = ctypes.CDLL(None, use_errno=True)
        done = libc.renameat2(
            _AT_FDCWD, os.fsencode(new), _AT_FDCWD, os.fsencode(path), _RENAME_EXCHANGE
        )
    except (AttributeError, OSError, TypeError):
        done = -1
    if done != 0:
        aside = path.parent / (_prefix(path) + _ASIDE)
        path.replace(aside)
        new.replace(path)
        shutil.rmtree(aside, ignore_errors=True)


def sync(path: pathlib.Path) -> None:
    """Waits until a file or a folder's list of names is safe on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that has no such call
            raise
    finally:
        os.close(handle)


def scratch() -> IO[bytes]:
    """A file without a name for what another program says, in memory where the system can do that.

    It says the most where no disk can be written to, and then has to be heard.
    """
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("lmvp_tf"), "w+b")
    return tempfile.TemporaryFile()


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask


class LiteralName:
    """A name under which TensorFlow finds a folder, whatever characters are in its path.

    TensorFlow takes names of checkpoints and SavedModels for patterns: it would not find a folder
    `run[1]`, and with `run*` would delete old checkpoints of `run2` too. Where a path has such
    characters this is a link to it, in a folder for temporary files, that lives as long as the
    object.

    Args:
      folder: a pathlib.Path; what it names need not exist yet.
    """

    _PATTERN = frozenset("[]*?\\")

    def __init__(self, folder: pathlib.Path) -> None:
        self._name = str(folder)
        if self._PATTERN.intersection(self._name):
            self._links = tempfile.TemporaryDirectory(prefix="lmvp-")
            link = pathlib.Path(self._links.name, "folder")
            link.symlink_to(folder.absolute())
            self._name = str(link)

    def __str__(self) -> str:
        return self._name
