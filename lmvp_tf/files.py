"""Writing and reading files: a good one is never replaced by half of another, and none is trusted.

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
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from lmvp_tf.errors import UserError, WriteError

T = TypeVar("T")

# Of a text file: the largest that this program writes has a hundredth of it, and a list of empty
# lists takes twenty times as much once it is read.
_BLOCK = 2**20  # bytes read at a time
_MOST_BYTES = 2**24


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
            # Keras wants all of a suffix such as .weights.h5.
            suffix = "".join(path.suffixes)
            handle, name = tempfile.mkstemp(prefix=_prefix(path), suffix=suffix, dir=path.parent)
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
def whole_folder(path: os.PathLike[str] | str) -> Iterator[pathlib.Path]:
    """Yields a new folder that takes the place of `path` when the block ends without an error.

    Readers see the old folder or the new one, never a mixture.

    Args:
      path: the folder to write; those above it are made when they are missing.

    Raises:
      UserError: `path` is a file.
      WriteError: it cannot be written (no disk space, no permission). `path` is then as it was.
    """
    path = pathlib.Path(path)
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file, a folder is to be written there: give another name")
    folder = None
    with told_by_name(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            _clear(path)
            folder = pathlib.Path(tempfile.mkdtemp(prefix=_prefix(path), dir=path.parent))
            yield folder
            folder.chmod(0o777 & ~_umask())
            for part in [*folder.rglob("*"), folder]:
                sync(part)
            _exchange(folder, path)
            sync(path.parent)
        finally:
            if folder is not None:
                shutil.rmtree(folder, ignore_errors=True)


def write_text(path: os.PathLike[str] | str, text: str) -> None:
    """Writes `text` (UTF-8) to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: os.PathLike[str] | str, value: Any) -> None:
    """Writes `value` as indented JSON to `path`, whole or not at all.

    A NaN or an infinity is refused (ValueError): JSON has none, and readers differ in what they do.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def read_json(path: os.PathLike[str] | str, kind: type[T], advice: str = "") -> T:
    """Reads a JSON file that has to be of a kind.

    Args:
      path: the file.
      kind: what it holds, a type that msgspec knows: a msgspec.Struct with the fields and their
        ranges, or dict, list, ... Fields that it does not name are passed over.
      advice: what to do where it cannot be read, for the end of the message.

    Returns:
      The value, of that kind.

    Raises:
      FileNotFoundError: there is no such file.
      UserError: it cannot be read, is no JSON, too large, or of another kind; the message says
        which field.
    """
    path = pathlib.Path(path)
    hint = f": {advice}" if advice else ""
    try:
        return msgspec.json.decode(read_bytes(path, _MOST_BYTES), type=kind)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}){hint}") from error
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path} is damaged or another file ({error}){hint}") from error


def read_bytes(path: pathlib.Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes.

    Raises:
      FileNotFoundError: there is none.
      OSError: it is no regular file (a pipe, a device), too large, or cannot be read.
    """
    with open(path, "rb", opener=_open_at_once) as file:
        info = os.fstat(file.fileno())
        if not os.path.isfile(path):
            raise OSError(errno.EINVAL, "no regular file")
        if info.st_size > most:
            raise OSError(errno.EFBIG, f"{info.st_size} bytes, at most {most} are read")
        return file.read(most + 1)


def file_sha256(path: pathlib.Path) -> str:
    """SHA-256 of a file of any size, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def _open_at_once(name: str, flags: int) -> int:
    """Opens without waiting for somebody to write into a pipe."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


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


def _prefix(path: pathlib.Path) -> str:
    """How the names of everything begin that is on its way to `path` by this process."""
    return f"{_place(path)}{os.getpid()}-"


def _place(path: pathlib.Path) -> str:
    host = re.sub(r"[^\w.]", "_", socket.gethostname())
    return f".{path.name.removesuffix(''.join(path.suffixes))}-{host}-"


def _clear(path: pathlib.Path) -> None:
    """Removes what killed programs of this host left on their way to `path`.

    A folder that was moved aside for a new one that never came is put back (`_exchange`).
    """
    for name in os.listdir(path.parent):
        owner, _, rest = name.removeprefix(_place(path)).partition("-")
        if not name.startswith(_place(path)) or not owner.isdecimal() or _alive(int(owner)):
            continue
        leftover = path.parent / name
        if rest == _ASIDE and not path.exists():
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
