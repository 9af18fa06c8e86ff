"""Films that ffmpeg reads: which frames come, what they look like, and what is said of the film."""

import dataclasses
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest

from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.films.video import Video

LEVEL = 5  # levels between the brightness of successive frames
TINY = FrameOptions(8, 8, "none", enlarge=True)


def ffmpeg(*arguments, pictures=None):
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, input=pictures)


def write(path, pictures, *arguments, fps=25):
    """Writes uint8 [N, H, W, 3 or 4] as arguments of ffmpeg say, FFV1 in RGB if they do not."""
    pixel_format = "rgb24" if pictures.shape[-1] == 3 else "rgba"
    source = ["-f", "rawvideo", "-pix_fmt", pixel_format, "-r", fps]
    source += ["-s", f"{pictures.shape[2]}x{pictures.shape[1]}", "-i", "-"]
    codec = arguments or ("-c:v", "ffv1", "-pix_fmt", "gbrp")
    ffmpeg(*source, *codec, path, pictures=np.ascontiguousarray(pictures).tobytes())
    return path


def levels(count, height=32, width=48):
    """uint8 [count, height, width, 3]: frame n has the brightness LEVEL * n all over."""
    brightness = LEVEL * np.arange(count, dtype=np.uint8)
    return np.broadcast_to(brightness[:, None, None, None], (count, height, width, 3))


def texture(count, height, width):
    """uint8 [count, height, width, 3]: a smooth texture that moves by one pixel a frame."""
    rng = np.random.default_rng(0)
    y, x, t = np.mgrid[:height, :width, :count]
    waves = np.zeros((height, width, count, 3))
    for _ in range(8):
        ky, kx, phase = rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), rng.uniform(0, 6, 3)
        waves += np.sin((kx * (x + t) + ky * y)[..., None] + phase)
    return np.moveaxis(128 + 15 * waves, 2, 0).clip(0, 255).astype(np.uint8)


def means(picture, height, width):
    """Area means by brute force: every pixel repeated, then whole blocks averaged."""
    rows, columns, channels = picture.shape
    fine = picture.astype(float).repeat(height, 0).repeat(width, 1)
    return fine.reshape(height, rows, width, columns, channels).mean((1, 3))


def luminance(rgb):
    return rgb @ np.array([0.299, 0.587, 0.114])


def seen(film, options=TINY, *window):
    """The numbers of the frames, after a look that the pictures are those of `levels`."""
    frames = list(film.frames(options, *window))
    shown = [round(float(frame.pixels.mean()) / LEVEL) for frame in frames]
    assert shown == [frame.number for frame in frames]
    return shown


def test_pictures_are_cropped_to_the_aspect_ratio_and_resampled_by_area(tmp_path):
    pictures = texture(4, 36, 50)
    film = Video(write(tmp_path / "drive.mkv", pictures), "drive")
    assert film.describe() == "4 frames of 50x36 at 25 fps, RGB"
    grey = list(film.frames(FrameOptions(16, 16)))
    wide = list(film.frames(FrameOptions(9, 25, channels=3)))
    for picture, small, colours in zip(pictures, grey, wide, strict=True):
        expected = luminance(means(picture[:, 7:43], 16, 16))
        assert np.abs(small.pixels[..., 0] - expected).max() < 1.5  # RGB and luminance are rounded
        assert np.abs(colours.pixels - means(picture[9:27], 9, 25)).max() < 2.5
    part = next(film.frames(FrameOptions(16, 16, (3, 2, 20, 17), channels=3))).pixels
    assert np.abs(part - means(pictures[0, 2:19, 3:23], 16, 16)).max() < 2.5


CODECS = {
    "b_frames.mp4": ("-c:v", "libx264", "-g", "12", "-bf", "3"),
    "open_gops.ts": ("-c:v", "libx264", "-x264opts", "open-gop=1:keyint=12"),
    "refreshed.mp4": ("-c:v", "libx264", "-x264opts", "intra-refresh=1:keyint=12"),
    "leading.mp4": ("-c:v", "libx265", "-x265-params", "log-level=error:keyint=12"),
    "webm.webm": ("-c:v", "libvpx-vp9", "-g", "12"),
    "without_times.avi": ("-c:v", "mpeg4", "-g", "12", "-bf", "2"),
    "program_stream.mpg": ("-c:v", "mpeg2video", "-g", "12", "-bf", "2"),
    "elementary.h264": ("-c:v", "libx264", "-bf", "3"),
}


@pytest.mark.parametrize("name", CODECS)
def test_frames_from_the_middle_are_those_of_a_decoding_from_the_start(tmp_path, name):
    path = write(tmp_path / name, texture(40, 32, 48), *CODECS[name], "-pix_fmt", "yuv420p")
    film, options = Video(path, name), FrameOptions(16, 24, channels=3)
    everything = list(film.frames(options))
    assert [frame.number for frame in everything] == list(range(40))
    assert film.count(options) == 40
    assert not any(frame.gap for frame in everything)
    for first in (1, 11, 23, 37):
        some = list(film.frames(options, first, 4))
        for frame, expected in zip(some, everything[first : first + 4], strict=True):
            np.testing.assert_array_equal(frame.pixels, expected.pixels)
            assert frame[1:] == expected[1:]


def test_the_end_of_a_film_is_read_without_decoding_its_beginning(tmp_path, monkeypatch):
    path = write(tmp_path / "long.mp4", levels(50), "-c:v", "libx264", "-g", "5")
    film, decoded = Video(path, "long"), []
    run = film._run
    monkeypatch.setattr(film, "_run", lambda *args: (decoded.append(args), run(*args))[1])
    assert seen(film, TINY, 45) == [45, 46, 47, 48, 49]
    assert [args[2] > 1.7 for args in decoded] == [True]  # seconds to seek to, in one run


def test_stride_and_rate_choose_frames(tmp_path):
    film = Video(write(tmp_path / "drive.mkv", levels(11)), "drive")
    third = dataclasses.replace(TINY, stride=3)
    assert seen(film, third) == [0, 3, 6, 9]
    assert seen(film, third, 1, 2) == [3, 6]
    assert film.kept_fps(third) == pytest.approx(25 / 3)
    tenth = dataclasses.replace(TINY, fps=10)
    assert seen(film, tenth) == [0, 3, 5, 8, 10]
    assert (film.count(tenth), film.kept_fps(tenth)) == (5, 10)
    with pytest.raises(UserError, match="has 25 frames per second, --fps=50 asks for more"):
        next(film.frames(dataclasses.replace(TINY, fps=50)))


@pytest.fixture(name="uneven")
def _uneven(tmp_path):
    """A film of 12 frames at 30 fps, then 28 at 5 fps; the container says that it is of 25."""
    times = "settb=1/90000,setpts='if(lt(N,12),N/30,12/30+(N-12)/5)/TB'"
    arguments = ["-vf", times, "-fps_mode", "passthrough", "-enc_time_base", "1/90000"]
    path = write(tmp_path / "uneven.mkv", levels(40), *arguments, "-c:v", "ffv1")
    return Video(path, "uneven")


def test_a_rate_is_kept_by_the_frames_times_also_where_they_vary(uneven, caplog):
    fifth = dataclasses.replace(TINY, fps=5)
    frames = list(uneven.frames(fifth))
    assert [frame.number for frame in frames] == [0, 6, *range(12, 40)]
    np.testing.assert_allclose(np.diff([frame.time for frame in frames]), 0.2, atol=2e-3)
    assert not any(frame.gap for frame in frames)
    assert not caplog.text


def test_uneven_frames_are_warned_of_where_no_rate_is_asked_for(uneven, caplog):
    assert seen(uneven) == list(range(40))
    assert list(uneven.frames(TINY))
    assert caplog.text.count("its frames are 0.033 to 0.2 s apart: --fps=5 would take some") == 1
    assert uneven.fps == pytest.approx(39 / (0.4 + 27 / 5), rel=1e-3)  # whatever the file says


def test_a_frame_that_fails_to_come_in_an_even_film_is_a_gap(tmp_path):
    path = write(tmp_path / "drop.mkv", levels(30), "-vf", "select=not(eq(n\\,9))", "-c:v", "ffv1")
    frames = list(Video(path, "drop").frames(TINY))
    assert [frame.number for frame in frames if frame.gap] == [9]
    assert frames[9].time == pytest.approx(0.4)


def corners(picture):
    """Which corner of a picture is the bright one: (row, column) as 0 or 1."""
    return tuple(np.array(np.unravel_index(picture.argmax(), picture.shape[:2])) // 4)


def test_a_film_is_shown_as_a_player_shows_it(tmp_path):
    pictures = np.zeros((3, 32, 48, 3), np.uint8)
    pictures[:, :16, :24] = 255
    flat = write(tmp_path / "flat.mp4", pictures, "-c:v", "libx264", "-pix_fmt", "yuv420p")
    turned, squeezed = tmp_path / "turned.mp4", tmp_path / "squeezed.mp4"
    ffmpeg("-display_rotation", "90", "-i", flat, "-c", "copy", turned)
    assert Video(turned, "turned").describe().startswith("3 frames of 32x48 ")
    assert corners(next(Video(flat, "flat").frames(TINY)).pixels[..., 0]) == (0, 0)
    assert corners(next(Video(turned, "turned").frames(TINY)).pixels[..., 0]) == (1, 0)
    write(squeezed, pictures, "-vf", "setsar=2/1", "-c:v", "libx264", "-pix_fmt", "yuv420p")
    film = Video(squeezed, "squeezed")
    assert (film.width, film.height) == (96, 32)
    assert "stored as 48x32 with pixels that are not square" in film.describe()
    middle = next(film.frames(FrameOptions(16, 16))).pixels[..., 0]  # the 32 in the middle of 96
    assert (middle[:8, :7] > 250).all()
    assert (middle[:, 9:] < 5).all()
    part = next(film.frames(FrameOptions(16, 16, (0, 0, 32, 16), enlarge=True))).pixels
    assert part.min() > 250


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mov", ("-c:v", "png")),
        ("a.mkv", ("-c:v", "ffv1", "-pix_fmt", "yuva444p")),
        ("a.webm", ("-c:v", "libvpx-vp9", "-pix_fmt", "yuva420p", "-lossless", "1")),
    ],
)
def test_transparent_parts_are_over_black(tmp_path, name, codec):
    pictures = np.full((2, 32, 32, 4), (200, 100, 50, 255), np.uint8)
    pictures[:, 16:, :, 3] = 128
    film = Video(write(tmp_path / name, pictures, *codec), "a")
    assert film.describe().endswith("transparent parts over black")
    frame = next(film.frames(FrameOptions(2, 1, "none", channels=3))).pixels[:, 0]
    np.testing.assert_allclose(frame, [[200, 100, 50], [100, 50, 25]], atol=3)


def test_hdr_is_brought_to_the_range_of_a_screen(tmp_path):
    """SMPTE ST 2084 with white at 203 cd/m2: mid tones come out as they went in."""
    ramp = np.arange(0, 160, 10) / 255
    light = np.where(ramp <= 0.04045, ramp / 12.92, ((ramp + 0.055) / 1.055) ** 2.4)
    power = (203 * light / 10_000) ** 0.1593017578125
    code = ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375
    luma = np.broadcast_to(np.rint(64 + 876 * code).repeat(8), (16, 128))
    planes = np.stack([luma, np.full_like(luma, 512), np.full_like(luma, 512)]).astype("<u2")
    source = ["-f", "rawvideo", "-pix_fmt", "yuv444p10le", "-s", "128x16", "-i", "-"]
    tags = "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc:range=tv"
    path = tmp_path / "hdr.mkv"
    ffmpeg(*source, "-vf", tags, "-c:v", "ffv1", path, pictures=planes.tobytes())
    film = Video(path, "hdr")
    assert "HDR brought to the range of a common screen" in film.describe()
    frame = next(film.frames(FrameOptions(16, 128, channels=3))).pixels
    np.testing.assert_allclose(frame[8, 4::8], 255 * ramp[:, None].repeat(3, 1), atol=3)


def test_pictures_of_another_size_fill_the_window_as_in_a_player(tmp_path):
    parts = []
    for height, width in ((32, 48), (64, 96)):
        pictures = levels(6, height, width)
        pictures = pictures + (6 * LEVEL if width == 96 else 0)
        path = write(tmp_path / f"{width}.mjpeg", pictures.astype(np.uint8), "-q:v", "1")
        parts.append(path.read_bytes())
    (tmp_path / "both.mjpeg").write_bytes(b"".join(parts))
    film = Video(tmp_path / "both.mjpeg", "both")
    assert (film.width, film.height) == (48, 32)
    assert seen(film) == list(range(12))
    assert seen(film, TINY, 8, 2) == [8, 9]


def test_a_film_of_which_the_time_begins_again_is_read_to_its_end(tmp_path):
    path = write(tmp_path / "a.ts", levels(10), "-c:v", "libx264", "-pix_fmt", "yuv420p")
    path.write_bytes(2 * path.read_bytes())
    frames = list(Video(path, "a").frames(TINY))
    assert [frame.number for frame in frames] == list(range(20))


def test_a_film_that_was_cut_off_gives_what_is_left_and_one_warning(tmp_path, caplog):
    path = write(tmp_path / "drive.mkv", texture(20, 32, 48))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    film = Video(path, "drive")
    frames = list(film.frames(TINY))
    assert 5 < len(frames) < 15
    assert film.count(TINY) == len(frames)
    assert caplog.text.count("drive.mkv: damaged") == 1


def test_a_hole_in_a_film_is_a_gap(tmp_path, caplog):
    path = write(tmp_path / "a.ts", texture(50, 64, 96), "-c:v", "mpeg2video", "-q:v", "1")
    data, packet = path.read_bytes(), 188
    hole = packet * (len(data) // packet // 2)
    path.write_bytes(data[:hole] + data[hole + packet * 20 :])
    frames = list(Video(path, "a").frames(TINY))
    assert 40 < len(frames) < 50
    assert sum(frame.gap for frame in frames) == 1
    assert frames[-1].time == pytest.approx(49 / 25)


NAMES = ["12:30:05.mkv", "-x.mkv", "a%03d.mkv", "q\"\\'[1].mkv", "a\nb.mkv", "concat:a|b", "é.mkv"]


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_the_name_of_a_file_whatever_is_in_it(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    write("x.mkv", levels(3))
    path = (tmp_path / "x.mkv").rename(name)
    assert seen(Video(path, "x")) == [0, 1, 2]


def _without_index(path):
    write(path, levels(3), "-c:v", "libx264")
    path.write_bytes(path.read_bytes()[:600])


def _sound(path):
    ffmpeg("-f", "lavfi", "-i", "sine=duration=0.1", "-f", "wav", path)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.touch(), "the file is empty"),
        (lambda path: path.write_text("hello"), "what is in it is of no known kind"),
        (_without_index, "moov atom not found: its index is missing"),
        (_sound, "no pictures in it"),
        (lambda path: None, "No such file or directory"),
    ],
)
def test_what_is_no_film_says_why_in_one_line(tmp_path, spoil, message):
    path = tmp_path / "a\nb.mp4"
    spoil(path)
    with pytest.raises(UserError) as error:
        Video(path, "a").describe()
    assert message in str(error.value)
    assert str(error.value).startswith(f"{tmp_path}/a\\nb.mp4: ")
    assert "\n" not in str(error.value)
