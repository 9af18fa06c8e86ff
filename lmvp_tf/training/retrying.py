"""Writing to a disk that is full, or away for a while: wait, try again, give up in the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from absl import logging

from lmvp_tf.errors import WriteError
from lmvp_tf.files import may_pass

RETRY_SECONDS = 300.0

_PAUSES = (1.0, 30.0)  # seconds before the second attempt, then twice as many each time, up to
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Retrying:
    """Calls what writes, and calls it again where that failed for a reason that may pass.

    What is called has to bear it: half of what it wrote before counts for nothing.

    Args:
      seconds: how long to try again, from the first failure on; 0: not at all.
      ready: called before each attempt; raises WriteError where there is no place to write to.

    Attributes:
      hurried: says whether to give up at once, as after Ctrl-C. May be set.
    """

    def __init__(self, seconds: float, ready: Callable[[], None]) -> None:
        self.hurried: Callable[[], bool] = lambda: False
        self._seconds = seconds
        self._ready = ready

    def __call__(self, write: Callable[_P, _T], *arguments: _P.args, **named: _P.kwargs) -> _T:
        """What `write` returns.

        Raises:
          WriteError, OSError: the last failure; of one that may pass, after all the waiting.
        """
        deadline, pause = 0.0, _PAUSES[0]
        while True:
            try:
                self._ready()
                written = write(*arguments, **named)
            except (OSError, WriteError) as error:
                if not _may_pass(error):
                    raise
                if not deadline:
                    deadline = time.monotonic() + self._seconds
                    if self._seconds:
                        logging.warning("%s; trying again for %g s", error, self._seconds)
                if not self._wait(min(pause, deadline - time.monotonic())):
                    after = f", and nothing else in {self._seconds:g} s" if self._seconds else ""
                    raise WriteError(f"{error}{after}", passing=True) from error
                pause = min(2 * pause, _PAUSES[1])
                continue
            if deadline:
                logging.warning("It is written now: the run goes on")
            return written

    def _wait(self, seconds: float) -> bool:
        """Whether so many seconds passed, more than none, without a reason to give up."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.hurried():
            time.sleep(min(0.2, max(0.0, end - time.monotonic())))
        return seconds > 0 and not self.hurried()


def _may_pass(error: OSError | WriteError) -> bool:
    return error.passing if isinstance(error, WriteError) else may_pass(error)
