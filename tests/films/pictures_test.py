"""Folders of frames: their order, their gaps, and what cannot be a frame."""

import numpy as np
import pytest
from PIL import Image

from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.films.pictures import open_pictures

TINY = FrameOptions(8, 8, "none")


def write(folder, stems, suffix="png"):
    """Pictures of which the n-th has the brightness n."""
    folder.mkdir(exist_ok=True)
    for level, stem in enumerate(stems):
        Image.new("L", (16, 12), level).save(folder / f"{stem}.{suffix}")
    return folder


def films(folder):
    return open_pictures(sorted(folder.glob("*.*")), folder, folder.name)


def seen(film, options=TINY):
    return [(int(frame.pixels[0, 0, 0]), frame.number) for frame in film.frames(options)]


def test_frames_come_in_the_order_of_their_numbers(tmp_path):
    [film] = films(write(tmp_path / "drive", ["f2", "f10", "f1", "f100"]))
    assert film.describe() == "4 frames of 16x12, grey"
    assert seen(film) == [(2, 1), (0, 2), (1, 10), (3, 100)]
    assert np.isnan(next(film.frames(TINY)).time)


def test_pictures_with_times_can_be_chosen_by_time(tmp_path):
    stems = [f"radar_2019-05-06_23-{minute:02}" for minute in range(30, 60, 5)]
    stems += [f"radar_2019-05-07_00-{minute:02}" for minute in range(0, 30, 5)]
    [film] = films(write(tmp_path / "radar", stems))
    assert film.describe() == "12 frames of 16x12, a frame every 300 s, grey"
    assert seen(film) == [(n, n) for n in range(12)]
    half = FrameOptions(8, 8, "none", fps=1 / 600)
    assert seen(film, half) == [(n, n) for n in range(0, 12, 2)]


def test_missing_numbers_are_gaps_also_between_frames_that_are_kept(tmp_path):
    numbers = [0, 5, 10, 20, 25, 30, 35, 50]
    [film] = films(write(tmp_path / "drive", [f"f{n}" for n in numbers]))
    assert [frame.number for frame in film.frames(TINY) if frame.gap] == [20, 50]
    strided = list(film.frames(FrameOptions(8, 8, "none", stride=2)))
    assert [(frame.number, frame.gap) for frame in strided] == [
        (0, False),
        (10, False),
        (25, True),
        (35, False),
    ]
    assert next(film.frames(TINY, 3)).gap


def test_each_pattern_of_names_is_a_film(tmp_path, caplog):
    stems = ["left_1", "left_2", "right_1", "right_2", "right_3", "cover"]
    found = films(write(tmp_path / "drive", stems))
    assert [(film.name, film.num_frames) for film in found] == [
        ("drive-left", 2),
        ("drive-right", 3),
    ]
    assert "1 picture of other names left out (cover.png)" in caplog.text


def test_names_without_numbers_are_taken_in_their_order(tmp_path, caplog):
    [film] = films(write(tmp_path / "drive", ["b", "a", "c"]))
    assert seen(film) == [(1, 0), (0, 1), (2, 2)]
    assert "have no pattern: taken in natural order, from a.png" in caplog.text


def test_names_that_contradict_each_other_are_told(tmp_path, caplog):
    [film] = films(write(tmp_path / "drive", ["3_0001", "2_0002", "1_0003"]))
    assert seen(film)[0] == (2, 1)
    assert caplog.text.count("contradict each other") == 1


@pytest.mark.parametrize(("one", "two"), [("f_1.png", "f_01.png"), ("f_1.png", "f_1.bmp")])
def test_two_pictures_of_one_number_are_refused(tmp_path, one, two):
    for name in (one, two, "f_2.png"):
        Image.new("L", (16, 12)).save(tmp_path / name)
    with pytest.raises(UserError, match="are both the same frame"):
        films(tmp_path)


def test_a_picture_of_another_size_is_refused(tmp_path):
    folder = write(tmp_path / "drive", ["f1", "f2"])
    Image.new("L", (16, 20)).save(folder / "f3.png")
    with pytest.raises(UserError, match=r"f3\.png: is 16x20, the first frame is 16x12"):
        seen(films(folder)[0])


@pytest.mark.parametrize("damaged", [1, 4, 6])
def test_a_damaged_picture_is_left_out_with_a_warning_and_a_gap(tmp_path, caplog, damaged):
    folder = write(tmp_path / "drive", [f"f{n}" for n in range(1, 7)])
    path = folder / f"f{damaged}.png"
    path.write_bytes(path.read_bytes()[:-25])
    [film] = films(folder)
    frames = list(film.frames(TINY))
    assert [frame.number for frame in frames] == [n for n in range(1, 7) if n != damaged]
    assert [frame.number for frame in frames if frame.gap] == ([5] if damaged == 4 else [])
    assert caplog.text.count("damaged: 1 frame left out") == 1
    assert f"f{damaged}.png: damaged" in caplog.text
    assert film.count(TINY) == 5


def test_a_folder_of_nothing_but_damage_is_refused(tmp_path):
    (tmp_path / "f1.png").write_text("hello")
    (tmp_path / "f2.png").write_text("hello")
    with pytest.raises(UserError, match=r"f1\.png: damaged or not a picture"):
        seen(films(tmp_path)[0])
