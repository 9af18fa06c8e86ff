"""Settings of the process that make TensorFlow faster and quieter, made before it is imported."""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Iterator
from typing import Any

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def prepare() -> None:
    """Sets up the process. What the user's environment says already stays as it is."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's warnings hide our own
    keep_freed_memory()


def import_tensorflow(onednn: bool = True) -> None:
    """Imports TensorFlow and Keras in half the time, where packages are installed that Keras looks
    for and that no program of ours wants through Keras (docs/decisions.md).

    Args:
      onednn: convolutions by oneDNN, which trains half as fast again; False for predictions of one
        video at a time, which take half as long without. What the user's environment says wins.
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", str(int(onednn)))
    with _hidden("cv2", "jax", "matplotlib", "pandas", "scipy", "sklearn"):
        import keras  # noqa: F401  (imports TensorFlow, its backend)
        import tensorflow  # noqa: F401  (finds Keras there already)


@contextlib.contextmanager
def _hidden(*packages: str) -> Iterator[None]:
    """Lets packages that are not imported yet appear as not installed."""
    absent = [name for name in packages if name not in sys.modules]
    nothing: dict[str, Any] = dict.fromkeys(absent)
    sys.modules.update(nothing)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


def keep_freed_memory() -> bool:
    """Tells glibc's malloc to map no block by itself and never to shrink its heap.

    A training step frees and takes again hundreds of megabytes in large blocks. glibc would map
    each of them anew, and the kernel clear every page of them, in every step; on two cores that was
    two thirds of the step (docs/decisions.md).

    Returns:
      Whether it was set. Other C libraries (musl, macOS, Windows) have no such setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(
        mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1) and mallopt(_M_TOP_PAD, 2**28)
    )
