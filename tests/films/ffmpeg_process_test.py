"""ffmpeg that hangs is ended after a while; one that is merely slow is not."""

import sys
import time

import imageio_ffmpeg
import numpy as np
import pytest

from lmvp_tf.errors import UserError
from lmvp_tf.films import ffmpeg_process
from lmvp_tf.films.find import find_film
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.films.writer import write_film

_SLOW = "import sys, time\nfor _ in range(8): print('x', flush=True), time.sleep(0.15)"


@pytest.fixture
def hanging(tmp_path, monkeypatch):
    """Makes ffmpeg hang, from the n-th start on."""
    monkeypatch.setattr(ffmpeg_process, "PATIENCE", 0.5)
    real = imageio_ffmpeg.get_ffmpeg_exe()

    def hang(start):
        count = tmp_path / "count"
        fake = tmp_path / "ffmpeg"
        fake.write_text(
            f"#!/bin/sh\necho >> {count}\n"
            f'[ $(wc -l < {count}) -ge {start} ] && exec sleep 60\nexec {real} "$@"\n'
        )
        fake.chmod(0o755)
        monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(fake))

    return hang


@pytest.mark.parametrize("start", [1, 2], ids=["at its first look", "in decoding"])
def test_a_film_that_ffmpeg_hangs_at_is_refused_in_a_line(hanging, tmp_path, start):
    path = tmp_path / "film.mp4"
    write_film(path, iter(np.zeros((4, 64, 64, 3), np.uint8)), 10, 4)
    hanging(start)
    began = time.monotonic()
    with pytest.raises(UserError, match=r"film\.mp4: ffmpeg .* without any result"):
        list(find_film(path).frames(FrameOptions()))
    assert time.monotonic() - began < 30


def test_what_comes_slowly_is_waited_for(tmp_path, monkeypatch):
    monkeypatch.setattr(ffmpeg_process, "PATIENCE", 0.6)
    written, log = ffmpeg_process.output(tmp_path, [sys.executable, "-c", _SLOW])
    assert (written, log) == (b"x\n" * 8, "")
