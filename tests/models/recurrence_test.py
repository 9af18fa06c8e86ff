"""Loops over time: rolled or not, they compute the same."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.models.lmvp import LMVP
from lmvp_tf.models.recurrence import recur
from lmvp_tf.training.checkpoint import build_model
from lmvp_tf.training.graphs import skip_graph_optimizer

SETTINGS = {
    "lmvp": {},  # those of tiny_values
    "dfn": {"model.encoder_widths": (4, 6), "model.decoder_widths": (4,), "model.kernel_size": 3},
    "conv_lstm": {"model.units": (4, 4), "model.kernel_size": 3},
    "fpm": {"model.units": 8},
    "predrnn": {"model.units": 4, "model.num_layers": 2, "model.kernel_size": 3},
}


@pytest.mark.parametrize("rolled", [False, True])
def test_a_loop_hands_on_the_state_and_stacks_the_outputs_over_time(rolled):
    inputs = np.arange(12.0, dtype=np.float32).reshape(2, 3, 2)

    def step(state, x):
        total, count = state
        return (total + x, count + 1), {"sum": total + x, "number": [tf.fill([2], count)]}

    start = tf.zeros((2, 2)), tf.zeros(())
    (total, count), outputs = recur(step, start, tf.constant(inputs), rolled=rolled)
    np.testing.assert_array_equal(total, inputs.sum(axis=1))
    assert count == 3
    np.testing.assert_array_equal(outputs["sum"], inputs.cumsum(axis=1))
    np.testing.assert_array_equal(outputs["number"][0], [[0, 1, 2]] * 2)

    def double(state, _):
        return 2 * state, state

    _, sums = recur(lambda state, xs: (state, xs[0] + xs[1]), (), (inputs, -inputs), rolled=rolled)
    np.testing.assert_array_equal(sums, np.zeros_like(inputs))

    state, powers = recur(double, tf.ones((2, 1)), length=5, rolled=rolled)
    np.testing.assert_array_equal(powers[:, :, 0], [[1, 2, 4, 8, 16]] * 2)
    np.testing.assert_array_equal(state, [[32], [32]])


@pytest.mark.parametrize("num_real", [4, 6])  # open loop, one-step predictions
@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_every_model_learns_the_same_rolled_unrolled_and_recomputed(
    name, tiny_values, tiny_video, num_real
):
    data = {path: value for path, value in tiny_values.items() if path.startswith("data")}
    values = tiny_values if name == "lmvp" else data | SETTINGS[name]
    config = configs.replace(configs.create(model=name), values)

    def gradients(run=lambda function: function(), **options):
        options = {f"training.{name}": value for name, value in options.items()}
        keras.utils.set_random_seed(0)
        model = build_model(configs.replace(config, options))
        return [g.numpy() for g in run(lambda: _gradients(model, tiny_video, num_real))]

    def traced(**options):
        return gradients(lambda function: tf.function(function, autograph=False)(), **options)

    skip_graph_optimizer()  # as training does: with it a rolled gradient may abort the process
    expected = gradients(rolled=False)
    assert any(np.any(gradient) for gradient in expected)
    others = [traced(rolled=True), traced(rolled=True, frames_together=False)]
    if name in ("lmvp", "dfn"):
        others.append(traced(recompute=True))
    for other in others:
        for one, gradient in zip(expected, other, strict=True):
            np.testing.assert_allclose(gradient, one, rtol=1e-3, atol=1e-6)


def _gradients(model, video, num_real):
    """Of the squared error of what is predicted, with respect to G."""
    video = tf.constant(video)
    with tf.GradientTape() as tape:
        if isinstance(model, LMVP):
            predictions = model.rollout(video[:, :num_real], 7 - num_real).predictions
        else:
            predictions = model.supervise(video, 4, num_real).predictions
        error = tf.reduce_mean((predictions - video[:, -predictions.shape[1] :]) ** 2)
    return tape.gradient(error, model.networks["G"])
