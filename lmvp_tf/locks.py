"""One writer for a folder at a time; readers are never refused."""

from __future__ import annotations

import contextlib
import os
import pathlib
import socket
import time
from collections.abc import Iterator

import filelock
import msgspec

from lmvp_tf.errors import UserError, WriteError
from lmvp_tf.files import write_json
from lmvp_tf.readers import read_json

LOCK = ".lock"  # what the operating system locks; it lets go when the process dies, however it does
OWNER = ".lock-owner.json"  # who, for those who are refused


class Owner(msgspec.Struct):
    """Who writes to a folder."""

    pid: int
    host: str
    since: str  # local time

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host} since {self.since}"


class Held:
    """A folder that this process alone writes to.

    Args:
      folder: the folder, its lock taken.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        self._lock = os.stat(folder / LOCK)

    def check(self) -> None:
        """Checks that the folder is still there, and the same.

        What was removed would else be made anew, with nothing of before in it.

        Raises:
          WriteError: it was removed, moved, or replaced by another one.
        """
        with contextlib.suppress(OSError):
            if os.path.samestat(os.stat(self.folder / LOCK), self._lock):
                return
        raise WriteError(
            f"{self.folder} is gone: somebody has removed, moved or replaced it", passing=True
        )


@contextlib.contextmanager
def only_writer(folder: pathlib.Path) -> Iterator[Held]:
    """The block is the only one that writes to a folder, of all processes that ask in this way.

    Args:
      folder: made when it is missing.

    Yields:
      The folder as Held.

    Raises:
      UserError: another process writes to it, the message says which; or it is not writable.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / LOCK)
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise UserError(
            f"{folder} is in use by {_owner(folder)}: wait until it has ended, or stop it, or give "
            "another folder"
        ) from error
    except OSError as error:
        raise UserError(
            f"{folder} is not writable ({error.strerror or error}): give another folder"
        ) from error
    try:
        now = time.strftime("%Y-%m-%d %H:%M:%S")
        with contextlib.suppress(WriteError):  # on a full disk: a process without a name, then
            write_json(
                folder / OWNER, msgspec.to_builtins(Owner(os.getpid(), socket.gethostname(), now))
            )
        yield Held(folder)
    finally:
        with contextlib.suppress(OSError):
            (folder / OWNER).unlink(missing_ok=True)
        lock.release()


def _owner(folder: pathlib.Path) -> Owner | str:
    try:
        return read_json(folder / OWNER, Owner)
    except (OSError, UserError):  # it has begun this moment, or its disk is full
        return "another process"
