"""ffmpeg at work on a file: what it writes, as long as it writes something."""

from __future__ import annotations

import contextlib
import io
import math
import pathlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import IO, cast

from lmvp_tf.errors import UserError
from lmvp_tf.files import scratch
from lmvp_tf.films.film import shown

PATIENCE = 120.0  # seconds that it may take to write the next byte
_PIECE = 2**20  # bytes to ask the pipe for


class Ffmpeg:
    """A process whose output is read from a pipe.

    While somebody waits for it, a thread looks at the clock: no file takes so long from one picture
    to the next, and of one that ffmpeg hangs at nobody would learn otherwise.

    Attributes:
      returncode: its exit code, after `wait`.
      log: what it said on stderr, after `wait`.
    """

    def __init__(
        self, path: pathlib.Path, process: subprocess.Popen[bytes], log: IO[bytes]
    ) -> None:
        self._path, self._process, self._log = path, process, log
        self._waited_for = math.inf  # since this time
        self._hangs = False
        self._done = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def read(self, size: int) -> bytes:
        """So many bytes, or fewer at the end.

        Raises:
          UserError: nothing comes.
        """
        pipe, parts = cast(io.BufferedReader, self._process.stdout), list[bytes]()
        while size:
            with self._waiting():
                part = pipe.read1(min(size, _PIECE))
            if not part:
                break
            parts.append(part)
            size -= len(part)
        return b"".join(parts)

    def wait(self) -> None:
        """Waits for its end, after everything was read.

        Raises:
          UserError: it does not come.
        """
        with self._waiting():
            self._process.wait()

    @property
    def returncode(self) -> int:
        return self._process.returncode

    @property
    def log(self) -> str:
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    @contextlib.contextmanager
    def _waiting(self) -> Iterator[None]:
        self._waited_for = time.monotonic()
        yield
        self._waited_for = math.inf
        if self._hangs:
            raise UserError(
                f"{shown(self._path)}: ffmpeg read it for {PATIENCE:.0f} s without any result: the "
                "file is damaged, or the disk that it is on does not answer"
            )

    def _watch(self) -> None:
        while not self._done.wait(min(1.0, PATIENCE / 4)):
            if time.monotonic() - self._waited_for > PATIENCE:
                self._hangs = True
                self._process.kill()
                return

    def end(self) -> None:
        """Ends it: the reader has seen enough, or something failed."""
        self._done.set()
        self._process.kill()


@contextlib.contextmanager
def running(path: pathlib.Path, command: Sequence[str | bytes]) -> Iterator[Ffmpeg]:
    """ffmpeg with a command that reads the file `path`, until the end of the block."""
    with (
        scratch() as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process,
    ):
        ffmpeg = Ffmpeg(path, process, log)
        try:
            yield ffmpeg
        finally:
            ffmpeg.end()


def output(path: pathlib.Path, command: Sequence[str | bytes]) -> tuple[bytes, str]:
    """(what the same writes to stdout, and to stderr)."""
    with running(path, command) as ffmpeg:
        written = ffmpeg.read(sys.maxsize)
        ffmpeg.wait()
        return written, ffmpeg.log
