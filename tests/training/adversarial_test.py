"""MCnet's step: which loss moves what, in the authors' weights and order."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.training.checkpoint import TrainState

T0, T = 3, 5
TINY = {
    "data.height": 16,
    "data.width": 16,
    "data.num_frames": T,
    "data.num_inputs": T0,
    "model.width": 2,
    "model.discriminator_width": 2,
    "model.judged": 2,
    "training.one_step_steps": 0,
    "losses.reconstruction": "mse",
    "losses.gdl_weight": 0.25,
}


@pytest.fixture
def state():
    keras.utils.set_random_seed(0)
    return TrainState(configs.validate(configs.replace(configs.create("highway", "mcnet"), TINY)))


def step(state, video):
    return state.procedure.steps(state.model, state.optimizers)["open_loop"](video)


def bce(logits, label):
    probability = 1 / (1 + np.exp(-np.float64(logits)))
    return -np.mean(np.log(probability if label else 1 - probability))


def test_each_network_moves_by_its_own_loss(state):
    model, video = state.model, tf.random.stateless_uniform((4, T, 16, 16, 1), (1, 2))
    inputs, truth = video[:, :T0], video[:, T0:]
    predicted = model(inputs, num_predicted=T - T0)
    real, fake = model.judge(inputs, truth), model.judge(inputs, predicted)
    before = {name: [np.array(v) for v in theta] for name, theta in model.networks.items()}
    report = step(state, video)
    assert float(report["L_dis"]) == pytest.approx(bce(real, True) + bce(fake, False), rel=1e-4)
    error = np.asarray(predicted - truth)
    gradients = [np.abs(np.diff(x, axis=axis)) for axis in (2, 3) for x in (predicted, truth)]
    gdl = sum(np.mean(np.abs(a - b)) for a, b in (gradients[:2], gradients[2:]))
    expected = np.mean(error**2) + 0.25 * gdl
    assert float(report["L_recons"]) == pytest.approx(expected, rel=1e-4)
    # What is said to G is said by D as this step left it.
    assert float(report["L_adv"]) == pytest.approx(
        bce(model.judge(inputs, predicted), True), rel=1e-4
    )
    for name, theta in model.networks.items():
        assert any(np.any(v != old) for v, old in zip(theta, before[name], strict=True)), name


def test_the_verdict_moves_g_and_the_reconstruction_leaves_d_alone(state):
    video = tf.random.stateless_uniform((2, T, 16, 16, 1), (3, 4))
    with tf.GradientTape(persistent=True) as tape:
        predicted = state.model(video[:, :T0], num_predicted=2)
        verdict = tf.reduce_mean(state.model.judge(video[:, :T0], predicted))
        error = tf.reduce_mean((predicted - video[:, T0:]) ** 2)
    networks = state.model.networks
    assert all(np.any(g) for g in tape.gradient(verdict, networks["G"][:1]))
    assert all(g is None for g in tape.gradient(error, networks["D"]))


def test_d_sees_the_input_and_the_first_predicted_frames_normalised_over_the_batch(state):
    model = state.model
    video = tf.random.stateless_uniform((3, T, 16, 16, 1), (5, 6))
    assert model.discriminator.convolutions[0].kernel.shape[2] == T0 + 2
    logits = model.judge(video[:, :T0], video[:, T0:])
    changed = tf.concat([video[:, T0:], 1 - video[:, T0:]], axis=1)  # a longer future
    np.testing.assert_array_equal(model.judge(video[:, :T0], changed), logits)
    alone = model.judge(video[:1, :T0], video[:1, T0:])
    assert abs(float(alone[0] - logits[0])) > 1e-5


def test_adams_moments_are_the_authors(state):
    assert {o.beta_1 for o in state.optimizers.values()} == {0.9}  # of the config that is given
    defaults = type(state.model).training_defaults
    config = configs.replace(
        state.procedure.config, {"training.beta_1": defaults["training.beta_1"]}
    )
    assert {o.beta_1 for o in TrainState(config).optimizers.values()} == {0.5}
