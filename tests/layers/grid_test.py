"""Padding to a network's grid and cutting, against NumPy."""

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.layers import grid


@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 3), (8, 6), (4, 8)])
def test_frames_are_continued_by_their_last_row_and_column(height, width):
    frames = np.random.default_rng(0).random((2, 3, height, width, 3), np.float32)
    below, right = -height % 4, -width % 4
    borders = ((0, 0), (0, 0), (0, below), (0, right), (0, 0))
    padded = grid.pad(tf.constant(frames), 4)
    np.testing.assert_array_equal(padded, np.pad(frames, borders, mode="edge"))
    assert (grid.cells(height, 4), grid.cells(width, 4)) == tuple(s // 4 for s in padded.shape[2:4])
    np.testing.assert_array_equal(grid.crop(padded, tf.constant(frames)), frames)


def test_nothing_is_done_where_the_size_suits():
    frames = tf.zeros((2, 8, 12, 1))
    assert grid.pad(frames, 4) is frames
    assert grid.crop(frames, tf.zeros((2, 8, 12, 3))) is frames
