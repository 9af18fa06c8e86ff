"""Tests of reading clips: what is kept of a source, and what becomes of its pictures."""

import fractions
import subprocess

import h5py
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from lmvp_tf.datasets import video_sources
from lmvp_tf.datasets.video_sources import FrameOptions, read_clip
from lmvp_tf.errors import UserError


def texture(count, height, width, seed=0):
    """uint8 [count, height, width, 3]: a smooth random texture that moves by one pixel a frame."""
    rng = np.random.default_rng(seed)
    y, x, t = np.mgrid[:height, :width, :count]
    waves = np.zeros((height, width, count, 3))
    for _ in range(8):
        ky, kx, phase = rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), rng.uniform(0, 6, 3)
        waves += np.sin((kx * (x + t) + ky * y)[..., None] + phase)
    return np.moveaxis(128 + 15 * waves, 2, 0).clip(0, 255).astype(np.uint8)


def write_video(path, frames, fps=25, codec="ffv1", pix_fmt="bgr0"):
    size = frames.shape[2], frames.shape[1]
    writer = imageio_ffmpeg.write_frames(
        str(path), size, fps=fps, codec=codec, pix_fmt_out=pix_fmt, macro_block_size=1
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
    return path


def write_folder(path, frames, numbers, pattern="frame_{}.png"):
    path.mkdir()
    for frame, number in zip(frames, numbers, strict=True):
        Image.fromarray(frame.squeeze()).save(path / pattern.format(number))
    return path


def write_hdf5(path, data, name="highway_L"):
    with h5py.File(path, "w") as file:
        file[name] = data
    return path


def area_oracle(picture, size):
    """Area means by brute force: every pixel repeated `size` times, then whole blocks averaged."""
    height, width, channels = picture.shape
    fine = picture.astype(float).repeat(size, 0).repeat(size, 1)
    return fine.reshape(size, height, size, width, channels).mean((1, 3))


def grey_oracle(rgb):
    return rgb @ np.array([0.299, 0.587, 0.114])


def test_area_weights_average_exactly_what_an_output_pixel_covers():
    picture = texture(1, 19, 19)[0, :, :, :1]
    weights = video_sources.area_weights(19, 8)
    result = weights @ picture[..., 0] @ weights.T
    np.testing.assert_allclose(result, area_oracle(picture, 8)[..., 0], atol=1e-3)


def test_luminance_is_bt601():
    colours = np.random.default_rng(0).integers(0, 256, (1000, 3), np.uint8)
    grey = video_sources.luminance(colours)
    assert grey.shape == (1000, 1)
    assert np.abs(grey[:, 0] - grey_oracle(colours)).max() < 0.501
    primaries = np.eye(3, dtype=np.uint8) * 255
    assert video_sources.luminance(primaries)[:, 0].tolist() == [76, 150, 29]


def test_kept_numbers_are_the_first_frames_at_or_after_each_tick():
    assert video_sources.kept_numbers(4, fractions.Fraction(1, 2)).tolist() == [0, 2, 4, 6]
    assert video_sources.kept_numbers(5, fractions.Fraction(10, 25)).tolist() == [0, 3, 5, 8, 10]


def test_a_video_is_cropped_resampled_by_area_and_made_grey(tmp_path):
    frames = texture(7, 36, 50)
    path = write_video(tmp_path / "drive.mkv", frames)
    clip = read_clip(path, FrameOptions(size=16))
    assert clip.frames.shape == (7, 16, 16, 1)
    assert clip.frames.dtype == np.uint8
    assert (clip.source, clip.fps, clip.numbers.tolist()) == ("drive.mkv", 25.0, list(range(7)))
    for frame, source in zip(clip.frames, frames, strict=True):
        expected = grey_oracle(area_oracle(source[:, 7:43], 16))
        assert np.abs(frame[..., 0] - expected).max() < 1.5  # RGB and luminance are rounded


@pytest.mark.parametrize("crop", ["none", (3, 2, 20, 17)])
def test_crops_of_a_video_in_rgb(tmp_path, crop):
    frames = texture(2, 36, 50)
    path = write_video(tmp_path / "drive.mkv", frames)
    clip = read_clip(path, FrameOptions(size=16, crop=crop, channels=3))
    part = frames[1] if crop == "none" else frames[1, 2:19, 3:23]
    # ffmpeg scales in 8-bit YUV, this codec stores RGB: two conversions are rounded as well.
    assert np.abs(clip.frames[1] - area_oracle(part, 16)).max() < 2.5


@pytest.mark.parametrize("crop", [(0, 0, 64, 64), (5, 3, 48, 48)])
def test_a_common_compressed_video_comes_through_nearly_unchanged(tmp_path, crop):
    frames = texture(5, 64, 64).mean(-1, keepdims=True).astype(np.uint8).repeat(3, -1)
    path = write_video(tmp_path / "drive.mp4", frames, codec="libx264", pix_fmt="yuv420p")
    clip = read_clip(path, FrameOptions(size=32, crop=crop))
    x, y, w, h = crop  # odd: the chroma of such a video has half the resolution
    expected = np.stack([area_oracle(f[y : y + h, x : x + w, :1], 32) for f in frames])
    assert abs((clip.frames - expected).mean()) < 0.3
    assert np.abs(clip.frames - expected).mean() < 2


def test_stride_keeps_every_nth_frame(tmp_path):
    frames = texture(10, 32, 32)
    path = write_video(tmp_path / "drive.mkv", frames)
    every = read_clip(path, FrameOptions(size=16))
    third = read_clip(path, FrameOptions(size=16, stride=3))
    assert third.numbers.tolist() == [0, 3, 6, 9]
    assert third.fps == pytest.approx(25 / 3)
    np.testing.assert_array_equal(third.frames, every.frames[::3])


def test_fps_drops_frames_evenly(tmp_path):
    path = write_video(tmp_path / "drive.mkv", texture(11, 32, 32))
    every = read_clip(path, FrameOptions(size=16))
    tenth = read_clip(path, FrameOptions(size=16, fps=10))
    assert tenth.numbers.tolist() == [0, 3, 5, 8, 10]
    assert tenth.fps == pytest.approx(10)
    np.testing.assert_array_equal(tenth.frames, every.frames[tenth.numbers])


def test_a_phones_rotation_is_applied(tmp_path):
    frames = texture(3, 32, 48)
    flat = write_video(tmp_path / "flat.mp4", frames, codec="libx264", pix_fmt="yuv420p")
    turned = tmp_path / "turned.mp4"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-display_rotation", "90"]
    subprocess.run([*command, "-i", flat, "-c", "copy", turned], check=True)
    options = FrameOptions(size=16, crop="none")
    upright, rotated = read_clip(flat, options), read_clip(turned, options)
    difference = np.rot90(upright.frames, axes=(1, 2)).astype(int) - rotated.frames
    assert np.abs(difference).mean() < 2


def test_a_truncated_video_gives_what_is_left_and_a_warning(tmp_path, caplog):
    path = write_video(tmp_path / "drive.mkv", texture(20, 32, 32))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    clip = read_clip(path, FrameOptions(size=16))
    assert 0 < len(clip.frames) < 20
    assert "drive.mkv: damaged" in caplog.text


def test_progress_hears_of_every_frame(tmp_path):
    path = write_video(tmp_path / "drive.mkv", texture(6, 32, 32))
    calls = []
    read_clip(
        path, FrameOptions(size=16, stride=2), lambda done, total: calls.append((done, total))
    )
    assert calls == [(1, 3), (2, 3), (3, 3)]


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    frames = texture(4, 24, 24)
    path = write_folder(tmp_path / "drive", frames, [2, 10, 1, 100])
    (tmp_path / "drive" / "notes.txt").write_text("no picture")
    clip = read_clip(path, FrameOptions(size=8, channels=3))
    assert clip.numbers.tolist() == [1, 2, 10, 100]
    assert clip.fps == 0
    for frame, source in zip(clip.frames, frames[[2, 0, 1, 3]], strict=True):
        assert np.abs(frame - area_oracle(source, 8)).max() < 0.51


def test_missing_numbers_are_gaps_whatever_the_usual_step(tmp_path):
    numbers = [0, 5, 10, 20, 25, 30, 35, 50]
    path = write_folder(tmp_path / "drive", texture(8, 16, 16), numbers)
    assert read_clip(path, FrameOptions(size=8)).gaps.tolist() == [3, 7]
    strided = read_clip(path, FrameOptions(size=8, stride=2))
    assert strided.numbers.tolist() == [0, 10, 25, 35]
    assert strided.gaps.tolist() == [2]


def test_grey_pictures_become_rgb_where_asked(tmp_path):
    grey = texture(2, 16, 16)[..., :1]
    path = write_folder(tmp_path / "drive", grey, [0, 1])
    clip = read_clip(path, FrameOptions(size=16, channels=3))
    np.testing.assert_array_equal(clip.frames, grey.repeat(3, -1))


def _two_of_one_number(folder):
    Image.new("L", (16, 16)).save(folder / "other_1.png")


def _without_number(folder):
    Image.new("L", (16, 16)).save(folder / "cover.png")


def _other_size(folder):
    Image.new("L", (16, 20)).save(folder / "frame_9.png")


def _truncated(folder):
    path = folder / "frame_1.png"
    path.write_bytes(path.read_bytes()[:-40])


def _sixteen_bits(folder):
    Image.fromarray(np.zeros((16, 16), np.uint16)).save(folder / "frame_1.png")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_two_of_one_number, "are both frame 1"),
        (_without_number, r"cover\.png: a frame's name needs a number"),
        (_other_size, r"frame_9\.png: is 16x20, the frames before it are 16x16"),
        (_truncated, r"frame_1\.png: damaged"),
        (_sixteen_bits, r"frame_1\.png: more than 8 bits"),
    ],
)
def test_folders_that_cannot_be_read_say_why(tmp_path, spoil, message):
    path = write_folder(tmp_path / "drive", texture(3, 16, 16), [0, 1, 2])
    spoil(path)
    with pytest.raises(UserError, match=message):
        read_clip(path, FrameOptions(size=8))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_the_dfn_authors_hdf5_is_transposed(tmp_path, dtype):
    frames = texture(5, 16, 16)[..., :1]  # [N, H, W, 1]
    data = frames.transpose(0, 3, 2, 1)  # [N, 1, W, H]
    data = data if dtype == np.uint8 else (data / 255).astype(dtype)
    clip = read_clip(write_hdf5(tmp_path / "train.h5", data), FrameOptions(size=16))
    np.testing.assert_array_equal(clip.frames, frames)
    assert clip.numbers.tolist() == list(range(5))


def test_floats_of_an_hdf5_above_one_are_levels_already(tmp_path):
    data = texture(3, 16, 16)[..., :1].transpose(0, 3, 2, 1).astype(np.float32)
    clip = read_clip(write_hdf5(tmp_path / "train.h5", data), FrameOptions(size=16, stride=2))
    np.testing.assert_array_equal(clip.frames[:, :, :, 0].transpose(0, 2, 1), data[::2, 0])


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (np.zeros((3, 1, 16, 16), np.uint8), "other", "no dataset 'highway_L'; it has .'other'."),
        (np.zeros((3, 16, 16), np.uint8), "highway_L", r"\[N, 1, W, H\]. Received: \(3, 16, 16\)"),
        (np.zeros((3, 1, 16, 16), np.int64), "highway_L", "uint8 or float. Received: int64"),
    ],
)
def test_other_hdf5_layouts_are_refused(tmp_path, data, name, message):
    path = write_hdf5(tmp_path / "train.h5", data, name)
    with pytest.raises(UserError, match=message):
        read_clip(path, FrameOptions(size=16))


def test_unreadable_sources_are_named(tmp_path):
    for name in ("text.mp4", "text.h5"):
        (tmp_path / name).write_text("neither video nor HDF5")
        with pytest.raises(UserError, match=name):
            read_clip(tmp_path / name, FrameOptions())
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="empty: no pictures"):
        read_clip(tmp_path / "empty", FrameOptions())
    with pytest.raises(UserError, match=r"missing\.mp4: no such file"):
        read_clip(tmp_path / "missing.mp4", FrameOptions())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (FrameOptions(size=64), "32x32 pixels would be enlarged"),
        (FrameOptions(size=16, crop=(40, 0, 16, 16)), "leaves the 48x32 picture"),
        (FrameOptions(size=16, crop=(0, 0, 8, 16)), "8x16 pixels would be enlarged"),
        (FrameOptions(size=16, fps=50), "has 25 frames per second, --fps=50 asks for more"),
    ],
)
def test_options_that_do_not_fit_the_video(tmp_path, options, message):
    path = write_video(tmp_path / "drive.mkv", texture(2, 32, 48))
    with pytest.raises(UserError, match=message):
        read_clip(path, options)


def test_a_source_without_frame_rate_refuses_fps(tmp_path):
    path = write_folder(tmp_path / "drive", texture(2, 16, 16), [0, 1])
    with pytest.raises(UserError, match="use --stride instead"):
        read_clip(path, FrameOptions(size=8, fps=10))


def test_small_pictures_are_enlarged_on_request(tmp_path):
    frames = texture(2, 12, 16)
    path = write_folder(tmp_path / "drive", frames, [0, 1])
    with pytest.raises(UserError, match="12x12 pixels would be enlarged to 24x24"):
        read_clip(path, FrameOptions(size=24))
    clip = read_clip(path, FrameOptions(size=24, channels=3, enlarge=True))
    expected = frames[:, :, 2:14].repeat(2, axis=1).repeat(2, axis=2)
    np.testing.assert_array_equal(clip.frames, expected)


def test_crops_are_parsed():
    assert video_sources.parse_crop("none") == "none"
    assert video_sources.parse_crop("1,2,30,40") == (1, 2, 30, 40)
    for text in ("1,2,3", "center", "1,2,3,-4"):
        with pytest.raises(UserError, match=f"Received: '{text}'"):
            video_sources.parse_crop(text)
