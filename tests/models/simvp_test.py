"""SimVP: its horizon, and what each prediction reads."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.tiny_baselines import T0, built


@pytest.mark.parametrize("translator", ["inception", "gsta"])
def test_simvp_predicts_beyond_t0_from_its_predictions(tiny_video, translator):
    model = built("simvp", **{"model.translator": translator})
    inputs = tf.constant(tiny_video[:, :T0])
    first = model._predict(inputs, T0)
    longer = model._predict(inputs, T0 + 2)
    np.testing.assert_allclose(longer[:, :T0], first, atol=1e-6)
    np.testing.assert_allclose(longer[:, T0:], model._predict(first, 2), atol=1e-5)
    np.testing.assert_array_equal(model(inputs, num_predicted=T0), np.clip(first, 0, 1))


def test_simvps_predictions_read_the_frame_of_their_number_beside_all_of_them(tiny_video):
    """The skip of x_t goes to x̂_{T0+t} alone: with the translator at rest nothing else does."""
    model = built("simvp")
    for block in model.translator.up[-1:]:
        for norm in block.norms:
            norm.gamma.assign(np.zeros(norm.gamma.shape))
    changed = tiny_video[:, :T0].copy()
    changed[:, 1] = 0
    one, other = (model._predict(tf.constant(x), T0) for x in (tiny_video[:, :T0], changed))
    moved = np.abs(one - other).max(axis=(0, 2, 3, 4)) > 1e-6
    assert list(moved) == [False, True, False, False]
