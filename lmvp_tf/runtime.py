"""Settings of the process that make TensorFlow faster and quieter, made before it is imported."""

import ctypes
import os

_ENVIRONMENT = {
    "TF_CPP_MIN_LOG_LEVEL": "2",  # warnings of TensorFlow's start hide our own
    # TensorFlow turns oneDNN on by itself only where it knows the processor; it is faster elsewhere
    # too (docs/decisions.md).
    "TF_ENABLE_ONEDNN_OPTS": "1",
}
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def prepare():
    """Sets up the process. What the user's environment says already stays as it is."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    keep_freed_memory()


def keep_freed_memory():
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
