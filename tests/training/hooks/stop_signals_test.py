"""The first signal ends a run after its step, the second one ends it at once."""

import os
import signal
import types

import pytest

from lmvp_tf import stopping
from lmvp_tf.training.hooks.stop_signals import StopSignals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_to_stop_and_the_second_is_what_it_was(number):
    received = []
    before = signal.signal(number, lambda *_: received.append(number))
    try:
        run = types.SimpleNamespace(stop_requested=False)
        hook = StopSignals()
        hook.begin(run)
        assert not run.stop_requested
        os.kill(os.getpid(), number)
        assert (run.stop_requested, received) == (True, [])
        os.kill(os.getpid(), number)
        assert received == [number]
        hook.close()
        os.kill(os.getpid(), number)
        assert len(received) == 2
        assert list(stopping.unless_asked([1])) == [1]  # what a notebook does after it goes on
    finally:
        signal.signal(number, before)
        stopping.forget()
