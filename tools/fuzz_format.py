"""What a format is to the fuzzer, and what the makers of good files share."""

from __future__ import annotations

import hashlib
import pathlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]

Make = Callable[[pathlib.Path], None]
Read = Callable[[pathlib.Path], Any]


class Format(NamedTuple):
    """A format.

    Attributes:
      name: what the table calls it.
      file: the file that is damaged, below the format's folder.
      make: writes a good one, and whatever it needs beside it, into a folder.
      read: reads what lies in the folder as a program does, and gives all that came of it.
      kind: "bytes", "json" or "csv": JSON and CSV are also damaged cell by cell.
      plain: whether it has no redundancy: another value there is as good as the right one.
      heavy: whether programs have to run to make it, which takes longer than reading it.
      size: bytes that the file is filled up to with zeros: of a huge one only the head is made.
    """

    name: str
    file: str
    make: Make
    read: Read
    kind: str = "bytes"
    plain: bool = False
    heavy: bool = False
    size: int = 0


def digest(value: Any) -> str:
    """A hash over nested values and arrays."""
    state = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, np.ndarray):
            state.update(
                f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes()
            )
        elif isinstance(part, dict):
            add([[str(key), item] for key, item in part.items()])
        elif isinstance(part, list | tuple):
            state.update(b"[%d" % len(part))
            for item in part:
                add(item)
        else:
            state.update(repr(part).encode(errors="replace"))

    add(value)
    return state.hexdigest()


def run_program(program: str, *options: str) -> None:
    """Runs one of the programs."""
    done = subprocess.run(
        [sys.executable, str(ROOT / program), *options], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{program} {' '.join(options)}: {done.stderr.splitlines()[-1]}")
