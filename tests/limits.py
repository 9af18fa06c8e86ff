"""Limits of this process, for a while."""

import contextlib
import resource


@contextlib.contextmanager
def files_of_at_most(size):
    """Files of this process grow no further: what a full disk does, with another errno."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
