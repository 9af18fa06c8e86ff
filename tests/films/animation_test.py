"""Animations and stacks of pictures in one file."""

import numpy as np
import pytest
from PIL import Image

from lmvp_tf.errors import UserError
from lmvp_tf.films.animation import Animation, is_animation
from lmvp_tf.films.options import FrameOptions

COLOURS = FrameOptions(12, 16, channels=3)


def write(path, count=6, **options):
    """Pictures whose left half is the brighter the later."""
    pictures = np.zeros((count, 12, 16, 3), np.uint8)
    pictures[:, :, :8] = (40 * np.arange(count))[:, None, None, None]
    first, *rest = map(Image.fromarray, pictures)
    first.save(path, save_all=True, append_images=rest, **options)
    return pictures


@pytest.mark.parametrize(
    ("name", "options", "text"),
    [
        ("a.gif", {"duration": 40}, "6 frames of 16x12 at 25 fps, RGB"),
        ("a.webp", {"duration": 40, "lossless": True}, "6 frames of 16x12 at 25 fps, RGB"),
        ("a.png", {"duration": 40}, "6 frames of 16x12 at 25 fps, RGB"),
        ("a.tif", {}, "6 frames of 16x12, RGB"),
    ],
)
def test_every_picture_is_a_frame(tmp_path, name, options, text):
    pictures = write(tmp_path / name, **options)
    film = Animation(tmp_path / name, "a")
    assert is_animation(tmp_path / name)
    assert film.describe() == text
    frames = list(film.frames(COLOURS))
    np.testing.assert_array_equal([frame.pixels for frame in frames], pictures)
    assert [frame.number for frame in film.frames(COLOURS, 2, 3)] == [2, 3, 4]


def test_times_are_those_at_which_the_pictures_are_shown(tmp_path, caplog):
    write(tmp_path / "a.gif", duration=[100, 100, 300, 100, 200, 1000])
    film = Animation(tmp_path / "a.gif", "a")
    times = [frame.time for frame in film.frames(COLOURS)]
    np.testing.assert_allclose(times, [0, 0.1, 0.2, 0.5, 0.6, 0.8])
    assert "its frames are 0.1 to 0.3 s apart" in caplog.text
    write(tmp_path / "rest.gif", duration=[100] * 5 + [1100])  # a rest at the end is none
    assert Animation(tmp_path / "rest.gif", "rest").fps == pytest.approx(10)
    write(tmp_path / "fast.gif", duration=0)
    assert Animation(tmp_path / "fast.gif", "fast").fps == pytest.approx(10)  # as browsers show it


def test_a_stack_of_16_bits(tmp_path):
    levels = [Image.fromarray(np.full((12, 16), 257 * n, np.uint16)) for n in (0, 100, 255)]
    levels[0].save(tmp_path / "a.tif", save_all=True, append_images=levels[1:])
    film = Animation(tmp_path / "a.tif", "a")
    assert film.describe() == "3 frames of 16x12, grey"
    assert [f.pixels.max() for f in film.frames(FrameOptions(12, 16))] == [0, 100, 255]


def test_pages_of_different_sizes_are_no_film(tmp_path):
    pages = [Image.new("L", (16, 12)), Image.new("L", (8, 6))]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(UserError, match=r"a\.tif: picture 1 is 8x6, the first is 16x12"):
        list(Animation(tmp_path / "a.tif", "a").frames(FrameOptions(8, 8, enlarge=True)))


@pytest.mark.parametrize("name", ["a.gif", "a.png"])
def test_an_animation_that_was_cut_off_gives_what_is_left_and_a_warning(tmp_path, caplog, name):
    write(tmp_path / name, duration=40)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) * 3 // 4])
    film = Animation(tmp_path / name, "a")
    assert 1 <= len(list(film.frames(COLOURS))) < 6
    assert film.count(COLOURS) < 6
    assert caplog.text.count("damaged") == 1


def test_a_still_picture_is_no_animation(tmp_path):
    Image.new("L", (16, 12)).save(tmp_path / "a.webp")
    (tmp_path / "b.webp").write_text("hello")
    assert not is_animation(tmp_path / "a.webp")
    assert not is_animation(tmp_path / "b.webp")
