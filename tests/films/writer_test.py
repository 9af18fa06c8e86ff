"""Films are written as pictures in, the same pictures out, whatever their size; or not at all."""

import imageio.v3 as imageio
import imageio_ffmpeg
import numpy as np
import pytest

from lmvp_tf.errors import RunError
from lmvp_tf.films.writer import write_film


def moving_squares(count=6, size=32, channels=1):
    """uint8 [count, size, size, channels]: a texture of squares that moves by 4 pixels a frame."""
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (size // 8, size // 8, channels), np.uint8)
    texture = squares.repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([np.roll(texture, 4 * t, axis=1) for t in range(count)])


def test_a_gif_plays_its_pictures_in_a_loop_and_rests_on_the_last(tmp_path):
    pictures = moving_squares(3, 32, 3)
    write_film(tmp_path / "film.gif", iter(pictures), fps=4, count=3)
    np.testing.assert_array_equal(imageio.imread(tmp_path / "film.gif", index=None), pictures)
    assert imageio.immeta(tmp_path / "film.gif")["loop"] == 0
    durations = [imageio.immeta(tmp_path / "film.gif", index=i)["duration"] for i in range(3)]
    assert durations == [250, 250, 1250]


@pytest.mark.parametrize("crop", [0, 1])
def test_an_mp4_plays_its_pictures_also_of_odd_size_and_rests_on_the_last(tmp_path, crop):
    pictures = moving_squares(3, 16, 3).repeat(4, axis=1).repeat(4, axis=2)[:, crop:, crop:]
    write_film(tmp_path / "film.mp4", iter(pictures), fps=4, count=3)
    film = imageio.imread(tmp_path / "film.mp4", plugin="FFMPEG")
    assert film.shape == (3 + 4, 64, 64, 3)
    assert imageio.immeta(tmp_path / "film.mp4", plugin="FFMPEG")["fps"] == 4
    shown = film[:, : 64 - crop, : 64 - crop].astype(int)
    differences = np.abs(shown - pictures[[0, 1, 2, 2, 2, 2, 2]])
    assert differences[:, 8::16, 8::16].max() < 12  # in the middle of one colour
    if crop:
        assert film[0, :, -1].min() > 200


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("cat >/dev/null; echo '[mp4 @ 0x5] disk is full' >&2; exit 1", "film: disk is full"),
        ("exit 3", "film: exit code 3"),
        ("kill -XFSZ $$", "film: it was ended by a signal .File size limit exceeded"),
    ],
)
def test_a_film_that_cannot_be_written_leaves_no_file(tmp_path, monkeypatch, script, message):
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(program))
    pictures = iter(moving_squares(40, 128, 3))
    with pytest.raises(RunError, match=message):
        write_film(tmp_path / "out" / "film.mp4", pictures, fps=4, count=40)
    assert not list((tmp_path / "out").iterdir())
