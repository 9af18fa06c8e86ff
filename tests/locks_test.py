"""A folder has one writer at a time, and none that is dead."""

import os
import signal
import subprocess
import sys

import pytest

from lmvp_tf.errors import UserError
from lmvp_tf.locks import OWNER, only_writer

_HOLD = """
import pathlib, sys, time
from lmvp_tf.locks import only_writer
with only_writer(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """A process that writes to tmp_path / "run"."""
    command = [sys.executable, "-c", _HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_writer_is_refused_with_the_first_ones_name(tmp_path, holder):
    with (
        pytest.raises(UserError, match=f"run is in use by process {holder.pid} on .* since 20"),
        only_writer(tmp_path / "run"),
    ):
        pass
    (tmp_path / "run" / OWNER).write_text("{")  # on a full disk
    with pytest.raises(UserError, match="by another process"), only_writer(tmp_path / "run"):
        pass


def test_a_dead_writer_is_no_obstacle(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with only_writer(tmp_path / "run"):
        assert str(os.getpid()) in (tmp_path / "run" / OWNER).read_text()
    assert not (tmp_path / "run" / OWNER).exists()


def test_after_an_error_the_next_one_may_write(tmp_path):
    for _ in range(2):
        with pytest.raises(KeyError), only_writer(tmp_path):
            raise KeyError
