"""Ctrl-C, SIGTERM and SIGHUP: the run stops after the step that is running, and is saved."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from lmvp_tf import stopping
from lmvp_tf.training.hooks.hook import Hook, Run


class StopSignals(Hook):
    """Turns the first signal into a request to stop. A second one does what it did before."""

    everywhere = True

    def __init__(self) -> None:
        self._before: dict[int, Any] = {}

    def begin(self, run: Run) -> None:
        def request(number: int, frame: FrameType | None) -> None:
            del frame
            run.stop_requested = True
            stopping.note(number, ends=False)
            signal.signal(number, self._before[number])

        for number in stopping.SIGNALS:
            if signal.getsignal(number) != signal.SIG_IGN:  # of nohup, or a shell's background
                self._before[number] = signal.signal(number, request)

    def close(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
