"""A folder that is written where it is wanted, and seen only when it is whole."""

from __future__ import annotations

import contextlib
import pathlib
import shutil
import tempfile
from collections.abc import Iterator

import tensorflow as tf

from lmvp_tf.errors import RunError, UserError


@contextlib.contextmanager
def unseen_folder(output: pathlib.Path) -> Iterator[pathlib.Path]:
    """Yields a new folder in `output` with a name that no server reads; removes it in the end.

    What is to stay is renamed into `output`: on one disk that happens at once or not at all.

    Args:
      output: a pathlib.Path, made when it is missing.

    Raises:
      UserError: `output` cannot be a folder.
      RunError: it cannot be written.
    """
    if output.exists() and not output.is_dir():
        raise UserError(f"--output={output} is a file: give a folder")
    folder = None
    try:
        output.mkdir(parents=True, exist_ok=True)
        folder = pathlib.Path(tempfile.mkdtemp(prefix=".export-", dir=output))
        yield folder
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", None) or error
        raise RunError(f"cannot write to {output}: {reason}") from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)  # it is gone where all went well
