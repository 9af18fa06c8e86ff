"""FPM: its parts, and what it is supervised on."""

import numpy as np
import tensorflow as tf

from tests.models.tiny_baselines import T0, T, built


def test_fpm_has_three_lstms_and_two_heads():
    model = built("fpm", **{"model.num_layers": 2})
    units, pixels = 32, 32 * 32
    reading, not_reading, second = (
        4 * units * (inputs + units + 1) for inputs in (pixels, 1, units)
    )
    lstms = 2 * reading + not_reading + 3 * second
    assert model.parameter_counts()["total"] == lstms + 2 * pixels * (units + 1)


def test_fpm_reconstructs_its_input_backwards_and_is_fed_the_real_future_only_in_one_step(
    tiny_video,
):
    model, video = built("fpm"), tf.constant(tiny_video)
    targets, predictions, num_inside = model.supervise(video, T0, num_real=T0)
    np.testing.assert_array_equal(targets[:, :T0], tiny_video[:, T0 - 1 :: -1])
    np.testing.assert_array_equal(targets[:, T0:], tiny_video[:, T0:])
    assert num_inside == T0
    np.testing.assert_allclose(
        predictions[:, T0:], model(video[:, :T0], num_predicted=T - T0), atol=1e-6
    )
    fed = model.supervise(video, T0, num_real=T - 1).predictions[:, T0:]
    np.testing.assert_allclose(fed[:, 0], predictions[:, T0], atol=1e-6)
    assert np.max(np.abs(fed[:, 1] - predictions[:, T0 + 1])) > 1e-5
