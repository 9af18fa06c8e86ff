"""What every baseline does: published sizes, learning, saving, settings refused."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.models.registry import MODELS, model_class
from lmvp_tf.presets import named
from lmvp_tf.training.checkpoint import TrainState, build_model
from tests.models.tiny_baselines import T0, TINY, T, built, tiny


@pytest.mark.parametrize(
    ("name", "dataset", "parameters"),
    [
        ("dfn", "moving_mnist", 637_361),
        ("dfn", "highway", 368_122),
        ("conv_lstm", "moving_mnist", 7_585_296),
        ("last_frame", "highway", 0),
    ],
)
def test_the_paper_preset_has_the_published_number_of_parameters(name, dataset, parameters):
    model = build_model(named.get(dataset, "paper", name))
    assert model.parameter_counts()["total"] == parameters


@pytest.mark.parametrize(
    ("name", "changes", "parameters", "published"),
    [  # docs/en/model_zoos/video_benchmarks.md of OpenSTL, Moving MNIST
        ("simvp", {}, 57_946_113, "58.0M"),
        ("simvp", {"model.translator": "gsta"}, 46_769_665, "46.8M"),
        ("predrnn", {}, 23_838_720, "23.8M"),
        ("predrnn", {"model.decoupling_weight": 0.1}, 23_855_104, "23.9M"),
    ],
)
def test_the_paper_preset_has_the_size_of_openstls_table(name, changes, parameters, published):
    """The table rounds 57.95 up."""
    config = configs.replace(named.get("moving_mnist", "paper", name), changes)
    with keras.StatelessScope(initialize_variables=False):  # no numbers are drawn
        model = model_class(name)(config.model)
        model.build((None, 10, 64, 64, 1))
        count = model.parameter_counts()["total"]
    assert count == parameters
    assert abs(count / 1e6 - float(published.rstrip("M"))) < 0.06


@pytest.mark.parametrize("name", sorted(TINY))
def test_it_predicts_frames_and_their_beginning_does_not_depend_on_the_horizon(name, tiny_video):
    model, inputs = built(name), tf.constant(tiny_video[:, :T0])
    predicted = model(inputs, num_predicted=5)
    assert predicted.shape == (2, 5, 32, 32, 1)
    assert predicted.dtype == tf.float32
    assert 0 <= np.min(predicted) <= np.max(predicted) <= 1
    np.testing.assert_allclose(predicted[:, :2], model(inputs, num_predicted=2), atol=1e-6)
    compiled = tf.function(lambda x: model(x, num_predicted=5), autograph=False)
    np.testing.assert_allclose(compiled(inputs), predicted, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("dfn", {"model.encoder_widths": (8, 16), "model.kernel_size": 5}),
        ("conv_lstm", {"model.units": (24, 16)}),
        ("fpm", {}),
        ("simvp", {}),
        ("simvp", {"model.translator": "gsta"}),
        ("predrnn", {"model.units": 16, "model.decoupling_weight": 0.1}),
        pytest.param("mcnet", {"model.width": 8}, marks=pytest.mark.slow),
    ],
)
def test_it_learns_two_sequences_by_heart(name, changes):
    """Bars that move: the error must fall far below that of the mean image."""
    video = np.zeros((2, T, 16, 16, 1), np.float32)
    for t in range(T):
        video[0, t, 4:12, 2 + t : 4 + t] = 1
        video[1, t, 10 - t : 13 - t, 5:11] = 1
    config = tiny(name, "highway", **({"data.size": 16, "training.learning_rate": 5e-3} | changes))
    keras.utils.set_random_seed(0)
    state = TrainState(config)
    *_, last = state.procedure.steps(state.model, state.optimizers).values()
    step = tf.function(last, autograph=False)
    state.step.assign(config.training.max_steps)  # past all schedules
    for _ in range({"dfn": 75, "simvp": 30, "mcnet": 50}.get(name, 160)):
        step(tf.constant(video))
    predicted = state.model(tf.constant(video[:, :T0]), num_predicted=T - T0)
    floor = np.mean((video[:, T0:] - video.mean(axis=(0, 1))) ** 2)
    assert np.mean((predicted - video[:, T0:]) ** 2) < 0.4 * floor


@pytest.mark.parametrize("name", sorted(MODELS))
def test_it_survives_a_keras_file(name, tiny_video, tmp_path):
    if name == "flow":
        pytest.importorskip("tensorflow_addons")
    model = built(name) if name in TINY else model_class(name)()
    inputs = tf.constant(tiny_video[:, :T0])
    expected = model(inputs, num_predicted=3)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(loaded(inputs, num_predicted=3), expected)


def test_the_last_frame_is_repeated(tiny_video):
    predicted = model_class("last_frame")()(tf.constant(tiny_video[:, :T0]), num_predicted=3)
    np.testing.assert_array_equal(predicted, np.repeat(tiny_video[:, T0 - 1 : T0], 3, axis=1))


def test_an_unknown_model_is_refused_with_those_that_exist():
    with pytest.raises(UserError, match="--model must be one of lmvp, dfn, .* Received: gan"):
        model_class("gan")


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("dfn", {"model.kernel_size": 4}, "must be odd"),
        ("dfn", {"model.num_seen": 5}, "Received: 5, T0 = 4"),
        ("dfn", {"model.encoder_widths": (4,)}, "two widths or more"),
        ("fpm", {"model.units": 0}, "model.units must be above 0"),
        ("simvp", {"model.width": 31}, "must be even"),
        ("simvp", {"model.num_blocks": 1}, "2 or more"),
        ("mcnet", {"model.judged": 4}, "T - T0 = 3. Received: 4"),
        ("mcnet", {"data.num_inputs": 1}, "must be 2 or more. Received: 1"),
    ],
)
def test_settings_that_cannot_work_are_refused(name, change, message):
    with pytest.raises(UserError, match=message):
        tiny(name, **change)
