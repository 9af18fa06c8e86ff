"""Keeps freed memory in the process, where the C library would hand it back to the system.

A training step frees and takes again hundreds of megabytes in large blocks. glibc maps each of them
anew, so that the kernel has to clear every page of them in every step; on two cores that was two
thirds of the step (docs/decisions.md).
"""

import ctypes

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def keep_freed_memory():
    """Tells glibc's malloc to map no block by itself and never to shrink its heap.

    Elsewhere (musl, macOS, Windows) there is no such setting, and nothing is done.

    Returns:
      Whether it was set.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(
        mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1) and mallopt(_M_TOP_PAD, 2**28)
    )
