"""Ctrl-C, SIGTERM, and SIGHUP of a terminal that goes: which has asked this process to stop."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterable, Iterator
from typing import TypeVar

_T = TypeVar("_T")
_HANGUP = getattr(signal, "SIGHUP", None)  # Windows has none
SIGNALS = tuple(n for n in (signal.SIGINT, signal.SIGTERM, _HANGUP) if n is not None)

_received: list[int] = []
_ends: list[int] = []


def note(number: int, ends: bool = True) -> None:
    """Keeps that a signal has come.

    Args:
      number: of `SIGNALS`.
      ends: whether all that runs is to end at once. A training run ends by itself, after its step
        and what belongs to it, and is saved.
    """
    _received.append(number)
    if ends:
        _ends.append(number)
    if number == _HANGUP:  # what is printed to a terminal that is gone would fail
        silence(*(output for output in (1, 2) if stat.S_ISCHR(os.fstat(output).st_mode)))


def silence(*outputs: int) -> None:
    """Lets what is written to file descriptors from now on go nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for output in outputs:
        os.dup2(nowhere, output)
    os.close(nowhere)


def forget() -> None:
    """Begins anew, without a signal."""
    _received.clear()
    _ends.clear()


def was_asked() -> bool:
    """Whether one has come."""
    return bool(_received)


def unless_asked(steps: Iterable[_T]) -> Iterator[_T]:
    """What a long loop goes over, until a signal has come that ends all.

    The exception that the signal's handler raises is lost where Python happens to be in a callback
    of a library, which hears of no errors.

    Raises:
      KeyboardInterrupt: one has come.
    """
    for step in steps:
        if _ends:
            raise KeyboardInterrupt
        yield step


def exit_code() -> int:
    """What a shell makes of the first one, 130, 143, 129; 143 where another worker was sent it."""
    return 128 + (_received[0] if _received else signal.SIGTERM)
