"""Writing files so that a good one is never replaced by half of another."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

from lmvp_tf.errors import RunError


@contextlib.contextmanager
def atomic_path(path: os.PathLike[str] | str) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path` that replaces it when the block ends without an error.

    Args:
      path: the file to write; its folder is made when it is missing.

    Raises:
      RunError: the file cannot be written (no disk space, no permission). `path` is then as it was.
    """
    path = pathlib.Path(path)
    temporary = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Keras wants all of a suffix such as .weights.h5.
        suffix = "".join(path.suffixes)
        prefix = f".{path.name.removesuffix(suffix)}-"
        handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=path.parent)
        os.close(handle)
        temporary = pathlib.Path(name)
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)  # mkstemp makes files that only their owner reads
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_text(path: os.PathLike[str] | str, text: str) -> None:
    """Writes `text` (UTF-8) to `path`, whole or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: os.PathLike[str] | str, value: Any) -> None:
    """Writes `value` as indented JSON to `path`, whole or not at all.

    A NaN or an infinity is refused (ValueError): JSON has none, and readers differ in what they do.
    """
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")
