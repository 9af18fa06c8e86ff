"""A user's clip: every kind of file gives the same frames, what is unfit says so, films show it."""

import contextlib

import imageio.v3 as imageio
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from lmvp_tf.datasets.video_sources import FrameOptions
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.prediction import clips

GREY = FrameOptions(size=16)


def moving_squares(count=6, size=32, channels=1):
    """uint8 [count, size, size, channels]: a texture of squares that moves by 4 pixels a frame."""
    rng = np.random.default_rng(0)
    squares = rng.integers(0, 256, (size // 8, size // 8, channels), np.uint8)
    texture = squares.repeat(8, axis=0).repeat(8, axis=1)
    return np.stack([np.roll(texture, 4 * t, axis=1) for t in range(count)])


def write_video(path, frames, fps=10):
    height, width = frames.shape[1:3]
    with contextlib.closing(
        imageio_ffmpeg.write_frames(
            str(path), (width, height), fps=fps, codec="libx264", quality=10, macro_block_size=1
        )
    ) as writer:
        writer.send(None)
        for frame in frames:
            writer.send(np.ascontiguousarray(np.broadcast_to(frame, (height, width, 3))))
    return path


def write_gif(path, frames):
    first, *rest = [Image.fromarray(frame.squeeze()) for frame in frames]
    first.save(path, save_all=True, append_images=rest, duration=100, loop=0)
    return path


def write_folder(path, frames):
    path.mkdir()
    for i, frame in enumerate(frames):
        Image.fromarray(frame.squeeze()).save(path / f"frame{i:03}.png")
    return path


def write_npy(path, frames):
    np.save(path, frames)
    return path


def halved(frames):
    """Means of blocks of 2 x 2: what resampling by area to half the size is."""
    count, height, width, channels = frames.shape
    blocks = frames.reshape(count, height // 2, 2, width // 2, 2, channels)
    return blocks.mean(axis=(2, 4)) / 255


@pytest.mark.parametrize(
    ("write", "name", "tolerance"),
    [
        (write_video, "clip.mp4", 0.04),  # a codec that loses something
        (write_gif, "clip.gif", 0.002),
        (write_folder, "clip", 0.002),
        (write_npy, "clip.npy", 0.002),
        (lambda path, frames: write_npy(path, frames[..., 0]), "grey.npy", 0.002),
        (lambda path, frames: write_npy(path, frames / 255), "float64.npy", 0.002),
        (lambda path, frames: write_npy(path, np.float32(frames) / 255), "float32.NPY", 0.002),
    ],
)
def test_every_kind_of_clip_gives_the_same_frames(tmp_path, write, name, tolerance):
    frames = moving_squares()
    path = write(tmp_path / name.lower(), frames).rename(tmp_path / name)
    clip = clips.read_clip(path, GREY)
    assert clip.numbers.tolist() == list(range(6))
    result = clips.as_float(clip.frames)
    assert (result.dtype, result.shape) == (np.float32, (6, 16, 16, 1))
    assert np.abs(result - halved(frames)).max() < tolerance


@pytest.mark.parametrize("write", [write_gif, write_folder, write_npy])
def test_colours_stay_or_become_luminance(tmp_path, write):
    frames = moving_squares(channels=3)
    path = write(tmp_path / ("clip.npy" if write is write_npy else "clip.gif"), frames)
    colours = clips.as_float(clips.read_clip(path, FrameOptions(16, channels=3)).frames)
    grey = clips.as_float(clips.read_clip(path, GREY).frames)
    assert np.abs(colours - halved(frames)).max() < 0.02  # a GIF scales in 8-bit YUV
    expected = halved(frames) @ np.array([0.299, 0.587, 0.114])
    assert np.abs(grey[..., 0] - expected).max() < 0.02


@pytest.mark.parametrize("kind", ["npy", "mp4"])
def test_stride_and_crop(tmp_path, kind):
    frames = moving_squares(count=7)
    path = tmp_path / f"clip.{kind}"
    (write_npy if kind == "npy" else write_video)(path, frames)
    clip = clips.read_clip(path, FrameOptions(8, crop=(8, 4, 16, 16), stride=3))
    assert clip.numbers.tolist() == [0, 3, 6]
    expected = halved(frames[::3, 4:20, 8:24])
    assert np.abs(clips.as_float(clip.frames) - expected).max() < 0.05


def test_frames_in_the_right_format_stay_as_they_are():
    frames = np.random.default_rng(0).random((2, 16, 16, 1), np.float32)
    np.testing.assert_array_equal(clips.prepare(frames, GREY, "x"), frames)
    levels = np.uint8(255 * frames)
    np.testing.assert_array_equal(clips.prepare(levels, GREY, "x"), np.float32(levels) / 255)


def test_floats_that_rounding_put_outside_are_taken():
    frames = np.array([-1e-6, 0.5, 1 + 1e-6]).reshape(3, 1, 1, 1) * np.ones((16, 16, 1))
    np.testing.assert_allclose(clips.prepare(frames, GREY, "x")[:, 0, 0, 0], [0, 0.5, 1])


@pytest.mark.parametrize("write", [write_npy, write_video])
def test_small_pictures_are_enlarged_where_the_options_say_so(tmp_path, write):
    frames = moving_squares()
    path = write(tmp_path / ("clip.npy" if write is write_npy else "clip.mp4"), frames)
    with pytest.raises(UserError, match="32x32 pixels would be enlarged to 64x64"):
        clips.read_clip(path, FrameOptions(64))
    large = clips.as_float(clips.read_clip(path, FrameOptions(64, enlarge=True)).frames)
    nearest = frames.repeat(2, axis=1).repeat(2, axis=2) / 255
    assert np.abs(large - nearest)[:, 4::8, 4::8].max() < 0.05  # in the middle of one colour
    assert np.abs(large - nearest).mean() < 0.05


def test_missing_numbers_in_a_folder_are_told(tmp_path, caplog):
    path = write_folder(tmp_path / "clip", moving_squares())
    (path / "frame002.png").unlink()
    assert len(clips.read_clip(path, GREY).frames) == 5
    assert "leave 1 gaps, the first before 3" in caplog.text


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((0, 16, 16), np.uint8), r"empty, of shape \(0, 16, 16, 1\)"),
        (np.zeros((3, 16, 16, 4), np.uint8), r"with C = 1 or 3. Received: \(3, 16, 16, 4\)"),
        (np.zeros((20, 30, 16, 16), np.uint8), r"with C = 1 or 3. Received: \(20, 30, 16, 16\)"),
        (np.zeros((16, 16), np.uint8), r"must be \[T, H, W\] or .* Received: \(16, 16\)"),
        (np.float32(3), "holds a number and no frames"),
        (np.zeros((3, 16, 16), np.int64), r"uint8, or float in \[0, 1\]. Received: int64"),
        (np.full((3, 16, 16), 254.0), r"must be in \[0, 1\].* Received: 254 to 254"),
        (np.full((3, 16, 16), -0.5), "Received: -0.5 to -0.5"),
        (np.full((3, 16, 16), np.nan), "Received: nan to nan"),
        (np.array([None, 1]), "cannot be read"),
    ],
)
def test_arrays_that_are_no_clip_say_why(tmp_path, array, message):
    path = write_npy(tmp_path / "clip.npy", array)
    with pytest.raises(UserError, match=rf"clip\.npy: .*{message}"):
        clips.read_clip(path, GREY)


def test_files_that_are_no_clip_say_why(tmp_path):
    for name in ("empty.mp4", "empty.npy"):
        (tmp_path / name).touch()
        with pytest.raises(UserError, match=rf"{name}: the file is empty"):
            clips.read_clip(tmp_path / name, GREY)
    for name in ("text.npy", "text.gif", "text.mp4"):
        (tmp_path / name).write_text("no frames at all")
        with pytest.raises(UserError, match=rf"{name}: (cannot be read|not a video)"):
            clips.read_clip(tmp_path / name, GREY)
    with pytest.raises(UserError, match=r"none\.npy: no such file or folder"):
        clips.read_clip(tmp_path / "none.npy", GREY)
    path = write_npy(tmp_path / "clip.npy", moving_squares())
    with pytest.raises(UserError, match="use --stride instead"):
        clips.read_clip(path, FrameOptions(16, fps=5))


def test_one_colour_is_told_from_a_faint_picture():
    grey = np.full((4, 8, 8, 3), 100, np.uint8)
    grey[..., 2] = 30  # one colour, though its channels differ
    grey[1:] += 1  # what compression does
    with pytest.raises(UserError, match="frames 0 to 3 are all one colour"):
        clips.check_contrast(grey, "frames 0 to 3")
    grey[2, 4, 4] += 10
    clips.check_contrast(grey, "frames 0 to 3")
    clips.check_contrast(np.linspace(0, 1, 4, dtype=np.float32).reshape(4, 1, 1, 1), "a fade")


@pytest.mark.parametrize("name", ["film.avi", "film", "film.gif.txt"])
def test_other_outputs_are_refused(name):
    assert clips.output_suffix("FILM.GIF") == ".gif"
    with pytest.raises(UserError, match=r"ends in one of \.gif, \.mp4, \.png, \.npy"):
        clips.output_suffix(name)


def test_a_gif_plays_its_pictures_in_a_loop_and_rests_on_the_last(tmp_path):
    pictures = moving_squares(3, 32, 3)
    clips.write_film(tmp_path / "film.gif", iter(pictures), fps=4, count=3)
    np.testing.assert_array_equal(imageio.imread(tmp_path / "film.gif", index=None), pictures)
    assert imageio.immeta(tmp_path / "film.gif")["loop"] == 0
    durations = [imageio.immeta(tmp_path / "film.gif", index=i)["duration"] for i in range(3)]
    assert durations == [250, 250, 1250]


@pytest.mark.parametrize("crop", [0, 1])
def test_an_mp4_plays_its_pictures_also_of_odd_size_and_rests_on_the_last(tmp_path, crop):
    pictures = moving_squares(3, 16, 3).repeat(4, axis=1).repeat(4, axis=2)[:, crop:, crop:]
    clips.write_film(tmp_path / "film.mp4", iter(pictures), fps=4, count=3)
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
        ("cat >/dev/null; echo disk is full >&2; exit 1", "film.*: disk is full"),
        ("exit 3", "film.*: no reason given"),
    ],
)
def test_a_film_that_cannot_be_written_leaves_no_file(tmp_path, monkeypatch, script, message):
    program = tmp_path / "ffmpeg"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_exe", lambda: str(program))
    pictures = iter(moving_squares(40, 128, 3))
    with pytest.raises(RunError, match=message):
        clips.write_film(tmp_path / "out" / "film.mp4", pictures, fps=4, count=40)
    assert not list((tmp_path / "out").iterdir())
