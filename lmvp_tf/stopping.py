"""Ctrl-C and SIGTERM: which of them has asked this process to stop."""

from __future__ import annotations

import signal

SIGNALS = (signal.SIGINT, signal.SIGTERM)

_received: list[int] = []


def note(number: int) -> None:
    """Keeps that a signal has come."""
    _received.append(number)


def forget() -> None:
    """Begins anew, without a signal."""
    _received.clear()


def was_asked() -> bool:
    """Whether one has come."""
    return bool(_received)


def exit_code() -> int:
    """What a shell makes of the first one, 130 or 143; 143 where another worker was sent it."""
    return 128 + (_received[0] if _received else signal.SIGTERM)
