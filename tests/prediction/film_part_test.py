"""The part of a film that is read: which frames, what is said of them, and what is refused."""

import dataclasses
import pathlib

import numpy as np
import pytest

from lmvp_tf.errors import UserError
from lmvp_tf.films.arrays import ArrayFilm, Frames
from lmvp_tf.films.film import Timeline
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.prediction import film_part

OPTIONS = FrameOptions(16, 16, enlarge=True)


class Counted(ArrayFilm):
    """Frames of one level each, their number, beside white; counts what is decoded."""

    def __init__(self, length, height=16, width=16, channels=1, fps=0.0, lost=()):
        frames = np.full((length, height, width, channels), 255, np.uint8)
        frames[:, : height // 2] = np.arange(length)[:, None, None, None]
        super().__init__(pathlib.Path("film.npy"), "film", Frames.of(frames))
        self._fps, self.gone, self.decoded = fps, set(lost), []

    @property
    def timeline(self):
        return Timeline.regular(self._frames.shape[0], self._fps)

    def _decode(self, positions, options):
        for position, picture in super()._decode(positions, options):
            self.decoded.append(position)
            if position not in self.gone:
                yield position, picture


def read(film, options=OPTIONS, num_inputs=3, horizon=4, **window):
    return film_part.read(film, options, num_inputs, horizon, **window)


@pytest.mark.parametrize(
    ("window", "numbers", "starts"),
    [
        ({}, range(27, 30), [0]),
        ({"start": 5}, range(5, 12), [0]),
        ({"start": -5}, range(25, 30), [0]),
        ({"start": 26}, range(26, 30), [0]),
        ({"every": True, "start": 20}, range(20, 30), range(8)),
        ({"every": True, "start": -4}, range(26, 30), range(2)),
    ],
)
def test_what_is_not_wanted_is_not_decoded(window, numbers, starts):
    film = Counted(30)
    part = read(film, **window)
    assert film.decoded == list(numbers)
    np.testing.assert_array_equal(part.numbers, numbers)
    np.testing.assert_array_equal(part.frames[:, 0, 0, 0], numbers)
    np.testing.assert_array_equal(part.starts, starts)
    assert (part.first, part.total) == (numbers[0], 30)


def test_every_window_of_the_whole_film():
    part = read(Counted(9), every=True)
    assert (len(part.frames), list(part.starts)) == (9, list(range(7)))


def test_the_stride_counts_from_the_beginning():
    part = read(Counted(30), dataclasses.replace(OPTIONS, stride=4))
    assert list(part.numbers) == [20, 24, 28]
    assert (part.first, part.total) == (5, 8)


@pytest.mark.parametrize("window", [{}, {"start": -5}, {"every": True, "start": -6}])
def test_windows_are_of_frames_that_can_be_decoded(window):
    part = read(Counted(30, lost=(28,)), **window)
    assert part.total == 29
    last = [number for number in range(30) if number != 28][-len(part.numbers) :]
    assert list(part.numbers) == last


def test_missing_frames_are_told(caplog):
    read(Counted(30, lost=(28,)))
    assert "frames are missing before number 29; the frames are taken as if" in caplog.text


@pytest.mark.parametrize(
    ("length", "options", "window", "message"),
    [
        (2, {}, {}, "film.npy: has 2 frames; the model reads 3: give a longer film"),
        (8, {"stride": 4}, {}, "has 8 frames, of which --stride=4 keeps 2; the model reads 3"),
        (10, {}, {"start": 8}, "--start=8 leaves no 3 frames.* be 0 to 7, or -10 to -3 from the"),
        (10, {}, {"start": -2}, "--start=-2 leaves no 3 frames"),
        (10, {}, {"start": -11, "every": True}, "--start=-11 leaves no 3 frames"),
        (
            10,
            {},
            {"every": True, "horizon": 10**7},
            "8 windows of 10000000 predictions: 7.* GiB. Give a smaller --horizon, a later --start",
        ),
        (10, {"crop": (0, 0, 20, 16)}, {}, "--crop=0,0,20,16 leaves the 16x16 picture"),
    ],
)
def test_films_and_options_that_do_not_fit_say_why(length, options, window, message):
    film = Counted(length)
    with pytest.raises(UserError, match=message):
        read(film, dataclasses.replace(OPTIONS, **options), **window)
    assert not film.decoded


def test_a_window_of_one_colour_is_refused_even_if_the_film_is_not():
    film = Counted(10, channels=3)
    film._frames.read(5, 10)[:] = (200, 100, 30)  # one colour, though its channels differ
    film._frames.read(0, 10)[6:] += 1  # what compression does
    options = dataclasses.replace(OPTIONS, channels=3)
    with pytest.raises(UserError, match="film.npy: frames 7 to 9 are all one colour"):
        read(film, options)
    assert len(read(film, options, every=True).starts) == 8
    film._frames.read(0, 10)[8, 4, 4] += 10  # a faint picture
    assert len(read(film, options).frames) == 3


def describe(film, trained=OPTIONS, window=(), **wanted):
    options = film_part.suited(trained, film, **wanted)
    part = read(film, options, **dict(window))
    return film_part.described(film, part, 3, options, trained).splitlines()


def test_a_line_says_what_was_read():
    film = Counted(240, 36, 36, fps=30.0)
    line = "240 frames of 36x36 at 30 fps, grey; input: frames"
    assert describe(film) == [f"{line} 237, 238, 239"]
    assert describe(film, window={"every": True, "start": 100}) == [
        f"{line} 100, 101, ... 239 in 138 windows of 3"
    ]


def test_it_says_what_is_cut_off_and_that_colours_are_dropped():
    lines = describe(Counted(9, 36, 64, 3), FrameOptions(16, 16))
    assert lines[0] == "9 frames of 64x36, RGB; input: frames 6, 7, 8"
    assert lines[1].startswith("Of each frame the model sees 36x36 from x = 14, y = 0, as 16x16")
    assert lines[2] == "The colours are dropped: the model was trained on grey frames"
    assert len(lines) == 3
    assert describe(Counted(9, 18, 32, 3), FrameOptions(9, 16, channels=3))[1:] == []
    squeezed = describe(Counted(9, 18, 32), FrameOptions(16, 16), crop="none")
    assert squeezed[1:] == ["Frames are squeezed from 32x18 to 16x16"]


def test_frames_are_chosen_as_those_of_the_training_were_unless_told():
    film = Counted(240, fps=30.0)
    trained = FrameOptions(16, 16, (0, 0, 8, 16), stride=2)
    assert film_part.suited(trained, film) == dataclasses.replace(trained, enlarge=True)
    suited = film_part.suited(trained, film, crop="none", stride=5)
    assert (suited.crop, suited.stride, suited.fps) == ("none", 5, None)
    suited = film_part.suited(trained, film, fps=7.5)
    assert (suited.crop, suited.stride, suited.fps) == ((0, 0, 8, 16), 1, 7.5)
    by_time = FrameOptions(16, 16, fps=10.0)
    assert film_part.suited(by_time, film).fps == 10
    assert describe(film, by_time) == [
        "240 frames of 16x16 at 30 fps, grey; input: frames 231, 234, 237"
    ]


@pytest.mark.parametrize(("fps", "stride"), [(12.5, 1), (25.0, 2), (30.0, 2), (60.0, 5), (0.0, 2)])
def test_frames_are_as_far_apart_in_time_as_in_training(fps, stride):
    trained = FrameOptions(16, 16, stride=2, rate=12.5)
    film = Counted(240, fps=fps)
    assert film_part.suited(trained, film).stride == stride
    assert film_part.suited(trained, film, stride=7).stride == 7
    told = [line for line in describe(film, trained) if "things move at another speed" in line]
    assert bool(told) == (fps == 30)  # 15 fps is the nearest


@pytest.mark.parametrize(
    ("fps", "wanted", "line"),
    [
        (8.0, {}, "The input has 8 fps, the training data had 10 fps: things move at another"),
        (0.0, {}, "The film has no frame rate; the training data had 10 fps"),
        (30.0, {"stride": 1}, "The input has 30 fps, the training data had 10 fps"),
        (30.0, {"fps": 5.0}, "The input has 5 fps, the training data had 10 fps"),
    ],
)
def test_another_rate_than_the_training_data_had_is_told(fps, wanted, line):
    lines = describe(Counted(240, fps=fps), FrameOptions(16, 16, fps=10.0), **wanted)
    assert len(lines) == 2
    assert lines[1].startswith(line)
