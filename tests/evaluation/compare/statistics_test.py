"""The bootstrap against what theory says of means, differences and overlapping sequences."""

import numpy as np
import pytest

from lmvp_tf.evaluation.compare.statistics import Bootstrap

_Z = 1.959964  # 97.5% quantile of the normal distribution


def _mean(mean):
    return mean


def _standard_error(values):
    return np.std(values, ddof=1) / np.sqrt(len(values))


def _assert_interval(estimate, mean, standard_error, tolerance=0.08):
    assert estimate.mean == pytest.approx(mean)
    assert estimate.high - mean == pytest.approx(_Z * standard_error, rel=tolerance)
    assert mean - estimate.low == pytest.approx(_Z * standard_error, rel=tolerance)


@pytest.fixture(name="figures")
def _figures():
    """Two systems that find the same sequences hard."""
    rng = np.random.default_rng(3)
    hard = rng.gamma(4.0, 20.0, 700)
    return {"a": hard + rng.normal(0, 3, 700), "b": hard + rng.normal(2, 3, 700)}


def test_a_mean_has_the_interval_of_its_standard_error(figures):
    bootstrap = Bootstrap(figures, resamples=4000)
    for key, values in figures.items():
        _assert_interval(bootstrap.estimate(_mean, key), values.mean(), _standard_error(values))


def test_a_difference_is_paired(figures):
    difference = figures["a"] - figures["b"]
    estimate = Bootstrap(figures, resamples=4000).estimate(np.subtract, "a", "b")
    _assert_interval(estimate, difference.mean(), _standard_error(difference))
    assert estimate.high < 0  # the means' own intervals overlap by far
    assert _standard_error(figures["a"]) > 5 * _standard_error(difference)


def test_a_ratio_has_the_interval_of_the_delta_method(figures):
    a, b = figures["a"], figures["b"]
    ratio = a.mean() / b.mean()
    error = _standard_error(a - ratio * b) / b.mean()
    _assert_interval(Bootstrap(figures, resamples=4000).estimate(np.divide, "a", "b"), ratio, error)


def test_overlapping_neighbours_count_as_one():
    values = np.random.default_rng(5).normal(size=300)
    repeated = {"x": np.repeat(values, 4)}  # 1,200 sequences, but the evidence of 300
    error = _standard_error(values)
    _assert_interval(Bootstrap(repeated).estimate(_mean, "x"), values.mean(), error / 2)
    # Blocks of 4 that begin anywhere cut through the groups: (16 + 10 + 8 + 10) / 16 = 2.75
    # times the variance of single draws instead of 4. Long blocks come near all of it.
    cut = Bootstrap(repeated, block=4).estimate(_mean, "x")
    _assert_interval(cut, values.mean(), error * np.sqrt(2.75) / 2)
    _assert_interval(Bootstrap(repeated, block=40).estimate(_mean, "x"), values.mean(), error, 0.15)


def test_the_draws_are_seeded(figures):
    assert Bootstrap(figures).estimate(_mean, "a") == Bootstrap(figures).estimate(_mean, "a")
    assert Bootstrap(figures, seed=1).estimate(_mean, "a") != Bootstrap(figures).estimate(
        _mean, "a"
    )


@pytest.mark.parametrize("block", [1, 6])
def test_equal_sequences_leave_no_doubt(block):
    bootstrap = Bootstrap({"x": np.full(5, 2.5), "y": np.full(5, 2.0)}, block)
    assert bootstrap.estimate(_mean, "x") == (2.5, 2.5, 2.5)
    assert bootstrap.estimate(np.subtract, "x", "y") == (0.5, 0.5, 0.5)
