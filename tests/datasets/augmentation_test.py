"""Random changes of training windows: what they may do, and that they do it."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.datasets.augmentation import augmented, crop, fit
from lmvp_tf.datasets.highway import HighwaySettings
from lmvp_tf.errors import UserError

DATA = HighwaySettings(height=16, width=16)


@pytest.fixture(name="video")
def _video():
    return np.random.default_rng(0).uniform(0.2, 0.8, (64, 3, 16, 16, 1)).astype("f4")


def change(video, number=0, **options):
    data = dataclasses.replace(DATA, **options)
    return augmented(tf.constant(video), data, 3, tf.constant(number, tf.int64)).numpy()


def as_column(share):
    return tf.constant(share, shape=(1, 1, 1, 1, 1))


def test_without_options_nothing_changes(video):
    np.testing.assert_array_equal(change(video), video)


@pytest.mark.parametrize(("option", "axis"), [("mirror", 3), ("reverse", 1)])
def test_half_of_the_windows_are_turned(video, option, axis):
    found = change(video, **{option: True})
    turned = (found == np.flip(video, axis)).all((1, 2, 3, 4))
    np.testing.assert_array_equal(found[~turned], video[~turned])
    assert 20 < turned.sum() < 44  # of 64


def test_the_changes_are_drawn_independently(video):
    found = change(video, mirror=True, reverse=True)
    kinds = [video, video[:, ::-1], video[:, :, :, ::-1], video[:, ::-1, :, ::-1]]
    counts = [(found == kind).all((1, 2, 3, 4)).sum() for kind in kinds]
    assert sum(counts) == 64
    assert min(counts) >= 6  # 16 expected
    assert (change(video, number=1, mirror=True, reverse=True) != found).any()


@pytest.mark.parametrize("size", [16, 8, 5])
def test_whole_frames_are_averaged_by_area(video, size):
    expected = [tf.image.resize(window, (size, size), method="area") for window in video[:2]]
    np.testing.assert_allclose(fit(tf.constant(video[:2]), size, size), expected, atol=1e-6)


def test_a_square_is_cut_out_and_averaged_by_area(video):
    found = crop(
        tf.constant(video[:1]), (5, 5), as_column(12 / 16), as_column(0.25), as_column(1.0)
    )
    expected = tf.image.resize(video[0, :, 1:13, 4:16], (5, 5), method="area")
    np.testing.assert_allclose(found[0], expected, atol=1e-6)


def test_squares_are_of_every_allowed_size_and_lie_within_the_frame():
    ramp = np.linspace(0, 1, 17)  # a pixel of this ramp tells where it was
    middles = np.broadcast_to(((ramp[1:] + ramp[:-1]) / 2)[:, None, None], (500, 2, 16, 16, 1))
    found = change(middles.astype("f4"), crop=0.5, height=8, width=8)[:, 0, :, 0, 0]
    side = (found[:, -1] - found[:, 0]) * 8 / 7
    assert 0.5 - 1e-5 < side.min() < 0.52
    assert 0.98 < side.max() < 1 + 1e-5
    top, bottom = found.mean(1) - side / 2, found.mean(1) + side / 2
    assert -1e-5 < top.min() < 0.01
    assert 0.99 < bottom.max() < 1 + 1e-5


def where(axis, **options):
    """Start and end of the part that each frame of 500 windows shows, as shares: [500, T] each."""
    ramp = np.linspace(0, 1, 33)
    middles = ((ramp[1:] + ramp[:-1]) / 2).reshape((32, 1, 1) if axis == 0 else (1, 32, 1))
    still = np.broadcast_to(middles, (500, 6, 32, 32, 1)).astype("f4")
    found = change(still, crop=0.5, num_frames=6, **options).mean(4 - 1 - axis)[..., 0]
    side = (found[..., -1] - found[..., 0]) * 16 / 15
    return found.mean(2) - side / 2, found.mean(2) + side / 2


@pytest.mark.parametrize("axis", [0, 1])
def test_a_camera_moves_steadily_within_the_frame_and_no_faster_than_it_may(axis):
    low, high = where(axis, camera=3.0)
    assert min(low.min(), 1 - high.max()) > -1e-5
    for edge in (low, high):
        np.testing.assert_allclose(np.diff(edge, n=2), 0, atol=0.01)  # a ramp of 32 steps
    side = high - low
    moved = np.diff((low + high) / 2)[:, 0] * 16 / side.mean(1)  # in pixels of the result
    assert 1.5 < abs(moved).max() < 3.1  # where there is room
    assert abs(np.mean(np.sign(moved[abs(moved) > 0.1]))) < 0.2  # either way
    assert np.mean(abs(moved) < 0.5) > 0.3  # most cameras move little
    closer = side[:, -1] / side[:, 0]
    assert closer.min() < 0.8
    assert closer.max() > 1.25


def test_without_a_camera_a_part_stays(video):
    low, high = where(0)
    np.testing.assert_allclose(np.diff(low), 0, atol=1e-6)
    np.testing.assert_allclose(np.diff(high), 0, atol=1e-6)


def test_a_camera_needs_room():
    with pytest.raises(UserError, match="data.camera moves a part over the frame"):
        dataclasses.replace(DATA, camera=2.0).validate()


def test_contrast_and_brightness_change_alike_in_all_frames_of_a_window(video):
    found = change(video, contrast=0.2)
    gains = []
    for before, after in zip(video, found, strict=True):
        gain, offset = np.polyfit(before.ravel(), after.ravel(), 1)
        np.testing.assert_allclose(after, gain * before + offset, atol=1e-5)
        assert abs(gain * 0.5 + offset - 0.5) <= 0.1
        gains.append(gain)
    assert 0.8 <= min(gains) < 0.84
    assert 1.16 < max(gains) <= 1.2
    strong = change(video, contrast=1.0)
    assert strong.min() == 0
    assert strong.max() == 1


def test_windows_are_played_at_every_speed_alike():
    numbers = np.broadcast_to(np.arange(13, dtype="f4")[:, None, None, None], (600, 13, 16, 16, 1))
    found = change(numbers, random_stride=3, num_frames=5)[:, :, 0, 0, 0]
    strides, counts = np.unique(found[:, 1], return_counts=True)
    np.testing.assert_array_equal(strides, [1, 2, 3])
    assert min(counts) > 160  # 200 expected
    np.testing.assert_array_equal(found, found[:, 1:2] * np.arange(5))
