"""Who learns from what: the routing of gradients in Algorithm 1."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs, losses
from lmvp_tf.models.lmvp import Rollout
from lmvp_tf.training import algorithm1
from lmvp_tf.training.checkpoint import TrainState

LEARNING_RATES = {
    "D": "training.discriminator_learning_rate",
    "M": "training.guider_learning_rate",
    "G": "training.learning_rate",
}
# The main loop from the first step: M's learning rate is another in pre-training.
MAIN_LOOP = {"training.one_step_steps": 0, "training.pretrain_steps": 0}


def make_state(config, seed=0):
    keras.utils.set_random_seed(seed)
    return TrainState(config)


def snapshot(state):
    return {name: [v.numpy() for v in theta] for name, theta in state.model.networks.items()}


def moved(before, after):
    """The networks of which every variable with a gradient, or any variable at all, has changed."""
    return {
        name
        for name in before
        if any(not np.array_equal(x, y) for x, y in zip(before[name], after[name], strict=True))
    }


def train_with_only(config, network, video):
    """One main step in which the other networks' learning rates are 0. Returns who moved."""
    still = {path: 0.0 for name, path in LEARNING_RATES.items() if name != network}
    config = configs.replace(config, MAIN_LOOP | still)
    state = make_state(config)
    before = snapshot(state)
    algorithm1.train_step(state.model, state.optimizers, config, tf.constant(video))
    return moved(before, snapshot(state))


@pytest.mark.parametrize(("network", "thetas"), [("D", {"F", "C"}), ("M", {"M"}), ("G", {"G"})])
@pytest.mark.parametrize("backprop", [True, False])
def test_each_optimizer_of_the_main_step_moves_its_own_network_alone(
    tiny_config, tiny_video, network, thetas, backprop
):
    config = configs.replace(tiny_config, {"training.backprop_through_time": backprop})
    assert train_with_only(config, network, tiny_video) == thetas


def test_frozen_features_stay_where_pretraining_left_them(tiny_config, tiny_video):
    config = configs.replace(tiny_config, {"training.train_features": False})
    assert train_with_only(config, "D", tiny_video) == {"C"}


def test_pretraining_moves_features_guider_and_generator_by_the_reconstruction(
    tiny_config, tiny_video
):
    config = configs.replace(tiny_config, {LEARNING_RATES["D"]: 0.0})
    for num_real in (4, 6):
        state = make_state(config)
        before = snapshot(state)
        algorithm1.pretrain_step(
            state.model, state.optimizers, config, tf.constant(tiny_video), num_real
        )
        assert moved(before, snapshot(state)) == {"F", "M", "G"}


@pytest.mark.parametrize(("network", "loss"), [("G", "L_recons"), ("D", "L_dis")])
def test_pretraining_lowers_the_loss_of_the_network_that_learns(
    tiny_config, tiny_video, network, loss
):
    rates = {path: 3e-3 if name == network else 0.0 for name, path in LEARNING_RATES.items()}
    config = configs.replace(tiny_config, rates)
    state = make_state(config)
    step = tf.function(
        lambda: algorithm1.pretrain_step(
            state.model, state.optimizers, config, tf.constant(tiny_video), 4
        )
    )
    reports = [step() for _ in range(20)]
    assert reports[-1][loss] < reports[0][loss]


def test_the_guiders_gradient_depends_on_real_clips_alone(tiny_config, tiny_video):
    """Whatever G generates, M's update is the same."""
    config = configs.replace(tiny_config, MAIN_LOOP | {LEARNING_RATES["D"]: 0.0})
    updates = []
    for scale in (1.0, 5.0):
        state = make_state(config)
        for variable in state.model.networks["G"]:
            variable.assign(variable * scale)
        algorithm1.train_step(state.model, state.optimizers, config, tf.constant(tiny_video))
        updates.append(snapshot(state)["M"])
    for one, other in zip(*updates, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_guiders_gradient_is_that_of_equation_2(tiny_config, tiny_video):
    """f comes from F as D's step left it, and the target does not move with M."""
    config = configs.replace(tiny_config, {LEARNING_RATES["D"]: 0.0, "training.clip_norm": 0.0})
    state = make_state(config)
    model = state.model
    f = model.leak(model.clips(tf.constant(tiny_video)))
    with tf.GradientTape() as tape:
        guide_state = model.guider.initial_state(2, 8, 8)
        loss = 0.0
        for t in range(6):
            m, guide_state = model.guider(f[:, t], guide_state)
            loss += tf.reduce_mean((m - (f[:, t + 1] - f[:, t])) ** 2) / 6
    expected = tf.linalg.global_norm(tape.gradient(loss, model.networks["M"]))
    report = algorithm1.train_step(model, state.optimizers, config, tf.constant(tiny_video))
    np.testing.assert_allclose(report["L_M_L"], loss, rtol=1e-5)
    changes = np.diff(f.numpy(), axis=1)
    np.testing.assert_allclose(report["L_M_L/zeros"], np.mean(changes**2), rtol=1e-5)
    np.testing.assert_allclose(report["gradient_norm/M"], expected, rtol=1e-4)


def test_the_generators_gradient_is_that_of_equation_3_with_its_inputs_stopped(
    tiny_config, tiny_video
):
    """With gamma alone to count, G's gradient goes through F into the newest frame alone."""
    config = configs.replace(
        tiny_config,
        {
            **MAIN_LOOP,
            LEARNING_RATES["D"]: 0.0,
            LEARNING_RATES["M"]: 0.0,
            "training.clip_norm": 0.0,
            "training.backprop_through_time": False,
            "losses.gamma": 1e6,
        },
    )
    state = make_state(config)
    model = state.model
    video = tf.constant(tiny_video)
    frames = model.rollout(video[:, :4], 3).frames.numpy()
    f = model.leak(model.clips(frames)).numpy()
    m = model.guider.guide(tf.constant(f))[0].numpy()
    with tf.GradientTape() as tape:
        loss = 0.0
        for t in range(6):
            newest = model.generator(frames[:, t], m[:, t])
            oldest = [frames[:, max(t - 1, 0)], frames[:, t]]
            following = model.discriminator.features(tf.concat([*oldest, newest], axis=-1))
            loss += tf.reduce_mean((following - f[:, t] - m[:, t]) ** 2) / 6
    expected = tf.linalg.global_norm(tape.gradient(loss, model.networks["G"]))
    report = algorithm1.train_step(model, state.optimizers, config, video)
    np.testing.assert_allclose(report["L_M_T"], loss, rtol=1e-4)
    np.testing.assert_allclose(report["gradient_norm/G"], 1e6 * expected, rtol=1e-3)


def test_the_fake_clips_end_with_the_predictions(tiny_config, tiny_video):
    model = make_state(tiny_config).model
    frames, predictions = tiny_video[:, :-1], 1.0 - tiny_video[:, 1:]
    clips = model.next_clips(Rollout(tf.constant(frames), tf.constant(predictions))).numpy()
    assert clips.shape == (2, 6, 32, 32, 3)
    np.testing.assert_array_equal(clips[..., 2:], predictions)
    np.testing.assert_array_equal(clips[:, 1:, ..., 0:1], frames[:, :-1])
    np.testing.assert_array_equal(clips[..., 1:2], frames)


@pytest.mark.slow
def test_a_step_is_the_same_eagerly_and_compiled(tiny_config, tiny_video):
    config = configs.replace(tiny_config, {"data.num_frames": 5, "data.num_inputs": 3})
    video = tf.constant(tiny_video[:, :5])
    graph = functools.partial(tf.function, autograph=False)
    compiled = functools.partial(graph, jit_compile=True)
    results = []
    for wrap_pretrain, wrap_main in ((eager, eager), (graph, graph), (eager, compiled)):
        state = make_state(config)
        pretrain = wrap_pretrain(
            lambda v, s=state: algorithm1.pretrain_step(s.model, s.optimizers, config, v, 3)
        )
        main = wrap_main(lambda v, s=state: algorithm1.train_step(s.model, s.optimizers, config, v))
        results.append((pretrain(video), main(video)))
    for other in results[1:]:
        for report, expected in zip(other, results[0], strict=True):
            for name, value in expected.items():
                np.testing.assert_allclose(report[name], value, rtol=2e-3, atol=1e-6, err_msg=name)


def eager(function):
    return function


def test_reported_losses_are_those_of_the_equations(tiny_config, tiny_video):
    config = configs.replace(tiny_config, {"losses.gamma": 0.25, "losses.gdl_weight": 0.5})
    state = make_state(config)
    rollout = state.model.rollout(tf.constant(tiny_video[:, :4]), 3)
    expected = losses.reconstruction_loss(
        "bce", tiny_video[:, 1:], rollout.predictions, np.ones(6, "float32"), 0.5
    )
    report = algorithm1.train_step(state.model, state.optimizers, config, tf.constant(tiny_video))
    np.testing.assert_allclose(report["L_recons"], expected, rtol=1e-5)
    np.testing.assert_allclose(
        report["L_gen"], report["L_recons"] + 0.25 * report["L_M_T"], rtol=1e-5
    )
