"""What every film does with the frames that its reader gives it."""

import numpy as np
import pytest

from lmvp_tf.errors import UserError
from lmvp_tf.films.film import Film, Timeline, rate_text, shown
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.films.picture import fit


class Counting(Film):
    """A film whose frame n has the level n everywhere; some are damaged."""

    width, height, channels, fps, timeline = 32, 16, 1, 0.0, Timeline.regular(0)

    def __init__(self, times, fps=0.0, gaps=(), damaged=()):
        super().__init__("counting", "counting")
        count = len(times)
        self.fps = fps
        self.timeline = Timeline(np.arange(count), np.array(times), np.isin(range(count), gaps))
        self.damaged = damaged

    def _decode(self, positions, options):
        for position in positions.tolist():
            if position not in self.damaged:
                picture = np.full((16, 32, 1), position, np.uint8)
                yield position, fit(picture, options, "counting")


def numbers(film, options, *args):
    frames = list(film.frames(options, *args))
    assert [frame.pixels.flat[0] for frame in frames] == [frame.number for frame in frames]
    return [frame.number for frame in frames]


SMALL = {"height": 8, "width": 16}


def test_first_and_count_are_of_kept_frames():
    film = Counting(np.arange(20) / 25, fps=25)
    third = FrameOptions(**SMALL, stride=3)
    assert film.count(third) == 7
    assert numbers(film, third) == [0, 3, 6, 9, 12, 15, 18]
    assert numbers(film, third, 2, 3) == [6, 9, 12]
    assert numbers(film, third, 9) == []
    assert film.kept_fps(third) == pytest.approx(25 / 3)
    assert film.describe() == "20 frames of 32x16 at 25 fps, grey"


def test_a_damaged_frame_is_left_out_and_leaves_a_gap(caplog):
    film = Counting(np.arange(9) / 25, fps=25, damaged=[4, 8])
    options = FrameOptions(**SMALL, stride=2)
    frames = list(film.frames(options))
    assert [(frame.number, frame.gap) for frame in frames] == [(0, False), (2, False), (6, True)]
    assert caplog.text.count("damaged: 2 frames left out, the first is number 4") == 1
    assert film.count(options) == 3
    assert numbers(film, options, 1) == [2, 6]


def test_a_film_of_which_nothing_can_be_decoded_is_refused():
    film = Counting(np.arange(3) / 25, fps=25, damaged=[1, 2])
    with pytest.raises(UserError, match="counting: not one of 2 frames could be decoded"):
        numbers(film, FrameOptions(**SMALL), 1)


def test_the_first_frame_at_or_after_each_tick_is_kept():
    film = Counting(np.arange(11) / 25, fps=25)
    assert numbers(film, FrameOptions(**SMALL, fps=10)) == [0, 3, 5, 8, 10]
    rounded = Counting(np.floor(np.arange(31) / 30 * 1000) / 1000, fps=30)  # as Matroska does
    assert numbers(rounded, FrameOptions(**SMALL, fps=10)) == list(range(0, 31, 3))
    assert numbers(rounded, FrameOptions(**SMALL, fps=30)) == list(range(31))


def test_a_rate_that_a_pause_does_not_have_leaves_a_gap():
    film = Counting([0, 0.1, 0.2, 0.3, 1.3, 1.4, 1.5], fps=10)
    frames = list(film.frames(FrameOptions(**SMALL, fps=5)))
    assert [(frame.number, frame.gap) for frame in frames] == [
        (0, False),
        (2, False),
        (4, True),
        (5, False),
    ]


def test_gaps_of_the_film_are_gaps_between_kept_frames():
    film = Counting(np.arange(10) / 25, gaps=[3, 8])
    options = FrameOptions(**SMALL, stride=2)
    assert [frame.number for frame in film.frames(options) if frame.gap] == [4, 8]
    assert [frame.gap for frame in film.frames(options, 2, 1)] == [True]


def test_a_film_without_time_has_no_rate():
    film = Counting([np.nan] * 4)
    assert film.describe() == "4 frames of 32x16, grey"
    with pytest.raises(UserError, match="has no frame rate to turn into --fps: use --stride"):
        numbers(film, FrameOptions(**SMALL, fps=10))


def test_times_tell_the_rate_and_what_is_missing():
    times = np.delete(np.arange(100), 40) / 30
    timeline = Timeline.of_times(np.round(times, 3), stated=30.0)
    assert (timeline.fps, timeline.even) == (30, True)
    assert np.flatnonzero(timeline.gaps).tolist() == [40]
    assert Timeline.of_times(times, stated=60.0).fps == pytest.approx(30)
    assert not Timeline.of_times(np.cumsum([1, 2, 1, 5, 1, 2, 1.0])).even
    assert Timeline.of_times(np.zeros(1), stated=25.0).fps == 25


def test_rates_and_names_are_fit_for_a_line():
    assert rate_text(29.97) == "29.97 fps"
    assert rate_text(1 / 300) == "a frame every 300 s"
    assert shown("a\nb\x1b.mp4") == "a\\nb\\x1b.mp4"
