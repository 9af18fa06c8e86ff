"""What a user names, and the films that are found there."""

import os

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from lmvp_tf.errors import UserError
from lmvp_tf.films.find import find_film, open_films
from lmvp_tf.films.options import FrameOptions


def write_video(path, count=3):
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = imageio_ffmpeg.write_frames(str(path), (16, 16), codec="ffv1", macro_block_size=1)
    writer.send(None)
    for _ in range(count):
        writer.send(np.zeros((16, 16, 3), np.uint8))
    writer.close()


def write_pictures(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("L", (16, 12)).save(folder / name)


def write_gif(path):
    pictures = [Image.new("L", (16, 12), level) for level in (0, 255)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:])


def found(*paths):
    return [(film.name, film.num_frames) for film in open_films(paths)]


@pytest.fixture(name="tree")
def _tree(tmp_path):
    """clips/ holds films, with a poster and notes, and folders of films, of which one is frames."""
    write_video(tmp_path / "clips" / "b10.mkv", 4)
    write_video(tmp_path / "clips" / "b2.mkv", 3)
    with (tmp_path / "clips" / "c.NPY").open("wb") as file:
        np.save(file, np.zeros((5, 2, 16, 16), np.uint8))
    write_pictures(tmp_path / "clips", "poster.jpg")
    (tmp_path / "clips" / "notes.txt").write_text("no film")
    (tmp_path / "clips" / ".hidden.mp4").write_text("no film")
    write_video(tmp_path / "clips" / "walk" / "b2.mkv", 2)
    write_pictures(tmp_path / "clips" / "walk" / "frames", *(f"{n}.png" for n in range(7)))
    os.symlink(tmp_path / "clips", tmp_path / "clips" / "walk" / "round")
    return tmp_path


def test_a_folder_is_all_its_films_in_natural_order(tree, caplog):
    assert found(tree / "clips") == [
        ("b2", 3),
        ("b10", 4),
        *((f"c-{n}", 2) for n in range(5)),
        ("walk-b2", 2),
        ("walk-frames", 7),
    ]
    assert "1 file left out (poster.jpg, ...)" in caplog.text


def test_files_and_patterns(tree, monkeypatch):
    monkeypatch.chdir(tree / "clips")
    assert found("b2.mkv", "walk/b2.mkv", "b2.mkv") == [("b2", 3), ("b2-2", 2), ("b2-3", 3)]
    assert found("b*.mkv") == [("b2", 3), ("b10", 4)]
    assert found("**/b2.mkv") == [("b2", 3), ("b2-2", 2)]
    assert found("walk/frames") == [("frames", 7)]
    monkeypatch.chdir("walk/frames")
    assert found(".") == [("frames", 7)]


def test_pictures_named_one_by_one_are_a_film(tree):
    folder = tree / "clips" / "walk" / "frames"
    assert found(*sorted(folder.iterdir())) == [("frames", 7)]
    assert found(f"{folder}/*.png") == [("frames", 7)]
    assert found(folder / "3.png") == [("3", 1)]
    assert found(
        folder / "1.png", tree / "clips" / "b2.mkv", folder / "3.png", folder / "5.png"
    ) == [
        ("1", 1),
        ("b2", 3),
        ("frames", 2),
    ]


def test_animations_in_a_folder_are_films_and_stills_are_frames(tmp_path):
    (tmp_path / "a").mkdir()
    write_gif(tmp_path / "a" / "one.gif")
    write_gif(tmp_path / "a" / "two.gif")
    assert found(tmp_path / "a") == [("one", 2), ("two", 2)]
    assert found(tmp_path / "a" / "one.gif") == [("one", 2)]
    write_pictures(tmp_path / "b", "1.gif", "2.gif")
    assert found(tmp_path / "b") == [("b", 2)]


def test_the_name_of_a_folder_may_look_like_that_of_a_film_or_a_pattern(tmp_path):
    write_pictures(tmp_path / "a.mp4", "1.png", "2.png")
    write_pictures(tmp_path / "[1]*", "1.png", "2.png")
    assert found(tmp_path / "a.mp4", tmp_path / "[1]*") == [("a.mp4", 2), ("_1__", 2)]


@pytest.mark.parametrize(
    ("name", "safe"),
    [("12:30:05", "12_30_05"), ("a b/c", "c"), ("日本", "日本"), ("x" * 90, "x" * 60)],
)
def test_names_are_fit_for_files(tmp_path, name, safe):
    write_video(tmp_path / f"{name}.mkv", 1)
    assert found(tmp_path / f"{name}.mkv") == [(safe, 1)]


def test_names_that_are_no_unicode(tmp_path):
    path = os.fsdecode(os.fsencode(tmp_path) + b"/bad\xff")
    write_video(tmp_path / "a.mkv")
    os.rename(tmp_path / "a.mkv", f"{path}.mkv")
    assert found(f"{path}.mkv") == [("bad_", 3)]
    with pytest.raises(UserError) as error:
        open_films([f"{path}.mp4"])
    assert str(error.value).isprintable()


def test_a_film_without_a_known_ending_is_for_ffmpeg(tmp_path):
    write_video(tmp_path / "a.mkv")
    film = find_film((tmp_path / "a.mkv").rename(tmp_path / "film"))
    assert len(list(film.frames(FrameOptions(8, 8)))) == 3


def test_of_several_films_the_first_is_read_and_a_line_says_so(tree, caplog):
    assert find_film(tree / "clips" / "b2.mkv").num_frames == 3
    assert not caplog.text
    assert find_film(tree / "clips").name == "b2"
    assert "clips: holds 9 films: the first is read, " in caplog.text
    assert "b2.mkv; name another to read that" in caplog.text


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.mp4", "none.mp4: no such file or folder"),
        ("none*.mp4", "no such file or folder"),
        ("empty", "empty: no pictures or films in this folder"),
        ("text.mp4", "text.mp4: not a film that ffmpeg can read"),
        ("text.png", "text.png: damaged or not a picture"),
        ("text.txt", "text.txt: not a film that ffmpeg can read"),
    ],
)
def test_what_is_no_film_says_so(tmp_path, path, message):
    (tmp_path / "empty").mkdir()
    for name in ("text.mp4", "text.png", "text.txt"):
        (tmp_path / name).write_text("neither film nor picture")
    with pytest.raises(UserError, match=message):
        find_film(tmp_path / path).describe()


def test_an_empty_name_is_refused():
    with pytest.raises(UserError, match="the name of a film is empty"):
        open_films([""])
