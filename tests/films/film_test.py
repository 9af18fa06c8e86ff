"""What every film does with the frames that its reader gives it."""

import numpy as np
import pytest

from lmvp_tf.films.film import Film, Timeline
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
    assert [frame.number for frame in film.last(options, 2)] == [2, 6]
