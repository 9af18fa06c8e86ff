"""What a prediction can be written to."""

from __future__ import annotations

import os
import pathlib

from lmvp_tf import files
from lmvp_tf.errors import UserError

SUFFIXES = (".gif", ".mp4", ".png", ".npy")


def suffix(path: str | os.PathLike[str]) -> str:
    """The suffix of a file to write a prediction to, in small letters.

    Raises:
      UserError: it is none of `SUFFIXES`.
    """
    found = pathlib.Path(path).suffix.lower()
    if found not in SUFFIXES:
        raise UserError(f"{path}: the output ends in one of {', '.join(SUFFIXES)}")
    return found


def check(path: pathlib.Path) -> None:
    """Refuses a path that nothing could be written to, before the work is done.

    Raises:
      UserError: another suffix, a folder, or in no folder that can be written to.
    """
    suffix(path)
    if path.is_dir():
        raise UserError(f"{path} is a folder: give the name of a file to write")
    files.check_place(path)
