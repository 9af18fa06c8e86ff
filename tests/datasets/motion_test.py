"""Motion measured in videos whose motion is known."""

import numpy as np
import pytest
from scipy import ndimage

from lmvp_tf.datasets.motion import displacements


def texture(seed, shape=(64, 96)):
    noise = np.random.default_rng(seed).random(shape)
    smooth = ndimage.gaussian_filter(noise, 1.5)
    return ((smooth - smooth.min()) / np.ptp(smooth)).astype("f4")


def pair(shift, channels=1):
    """A textured picture, and the same moved: two [2, 64, 96, C]."""
    pictures = [texture(seed, (96, 128)) for seed in range(2)]
    y, x = shift
    before = [picture[16:80, 16:112] for picture in pictures]
    now = [picture[16 - y : 80 - y, 16 - x : 112 - x] for picture in pictures]
    return tuple(np.stack([np.stack(part)] * channels, axis=-1) for part in (before, now))


@pytest.mark.parametrize(
    ("shift", "channels"), [((0, 0), 1), ((3, -5), 1), ((-7, 2), 3), ((0, 9), 1)]
)
def test_a_pan_is_measured_to_the_pixel(shift, channels):
    found = displacements(*pair(shift, channels))
    assert len(found) == 2 * 8 * 12
    assert np.median(found) == max(map(abs, shift))
    assert np.mean(found == max(map(abs, shift))) > 0.8  # at the edge some come from outside


def test_what_moves_farther_than_the_search_does_not_count_as_far():
    assert displacements(*pair((0, 5)), radius=3).max() <= 3


def test_flat_blocks_are_left_out():
    flat = np.full((1, 32, 32, 1), 0.5, "f4")
    assert len(displacements(flat, flat)) == 0
    flat[:, :8, :8, 0] = texture(0)[:8, :8]
    assert len(displacements(flat, flat)) == 1


def test_noise_that_matches_nowhere_stands_still():
    rng = np.random.default_rng(0)
    before, now = rng.random((2, 2, 32, 32, 1), np.float32)
    assert np.mean(displacements(before, now) == 0) > 0.9


def test_sizes_that_blocks_do_not_divide_lose_the_rest():
    frames = texture(0)[None, :37, :51, None]
    assert len(displacements(frames, frames)) == 4 * 6
