"""A run keeps no memory of the steps that it has taken."""

import ctypes
import gc

import pytest

from lmvp_tf import configs
from lmvp_tf.training import loop
from lmvp_tf.training.hooks.hook import Hook
from lmvp_tf.training.hooks.registry import make_hooks


class _Allocated(ctypes.Structure):
    """What glibc's mallinfo2 returns."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks "
        "keepcost".split()
    )


def allocated():
    """Bytes that are not freed, by the C library."""
    gc.collect()
    mallinfo = ctypes.CDLL(None).mallinfo2
    mallinfo.restype = _Allocated
    found = mallinfo()
    return found.uordblks + found.hblkhd


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallinfo2"), reason="glibc counts them")
def test_steps_leave_nothing_in_memory(tiny_config, digits_file, tmp_path, monkeypatch):
    """TensorFlow keeps each Python number that it is given, a kilobyte each: 4 a step were 400 MB
    in 100,000 steps."""
    found = {}

    class Watch(Hook):
        def after_step(self, run, report):
            if run.step in (100, 240):
                found[run.step] = allocated()

    values = {"data.path": str(digits_file), "training.max_steps": 250}
    values |= {"training.one_step_steps": 250, "training.pretrain_steps": 250}
    values |= {"training.validate_every": 1000, "training.log_every": 10}
    monkeypatch.setattr(loop, "make_hooks", lambda: [*make_hooks(), Watch()])
    loop.train(configs.replace(tiny_config, values), tmp_path)
    assert (found[240] - found[100]) / 140 < 1000  # bytes a step
