"""The baselines: published sizes, oracles, learning, saving."""

import dataclasses
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.models import mcnet
from lmvp_tf.models.registry import MODELS, model_class
from lmvp_tf.presets import named
from lmvp_tf.training.checkpoint import TrainState, build_model
from tests.layers.numpy_conv import conv, sigmoid

TINY = {
    "dfn": {"model.encoder_widths": (4, 6), "model.decoder_widths": (4,), "model.kernel_size": 3},
    "conv_lstm": {"model.units": (6, 4), "model.kernel_size": 3},
    "fpm": {"model.units": 32},
    "simvp": {"model.frame_width": 4, "model.width": 32, "model.num_blocks": 2},
    "predrnn": {"model.units": 6, "model.num_layers": 2, "model.kernel_size": 3},
    "mcnet": {"model.width": 4, "model.discriminator_width": 2, "model.judged": 3},
}
T0, T = 4, 7


def tiny(name, **changes):
    """The config of a small baseline on videos of 7 frames of 32x32 pixels."""
    config = dataclasses.replace(configs.create(model=name))
    values = {"data.size": 32, "data.num_frames": T, "data.num_inputs": T0}
    return configs.validate(configs.replace(config, values | TINY[name] | changes))


def built(name, **changes):
    keras.utils.set_random_seed(0)
    return build_model(tiny(name, **changes))


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


def test_mcnets_generator_has_the_size_of_the_authors_program():
    """Counted from their src/mcnet.py, layer by layer: (kernel's side, channels in, out)."""
    model = build_model(named.get("moving_mnist", "demo", "mcnet"))  # U = 8, theirs is 64
    u, layers = 8, []
    layers += [(5, 1, u), (5, u, 2 * u), (7, 2 * u, 4 * u)]  # dyn_conv
    layers += [(3, 8 * u, 16 * u)]  # lstm
    layers += [(3, 1, u), (3, u, u), (3, u, 2 * u), (3, 2 * u, 2 * u), (3, 2 * u, 4 * u)]
    layers += [(3, 4 * u, 4 * u)] * 2  # cont_conv
    layers += [(3, 8 * u, 4 * u), (3, 4 * u, 2 * u), (3, 2 * u, 4 * u)]  # comb
    for n in (u, 2 * u, 4 * u):  # res
        layers += [(3, 2 * n, n), (3, n, n)]
    layers += [(3, 4 * u, 4 * u), (3, 4 * u, 4 * u), (3, 4 * u, 2 * u)]  # dec_deconv3
    layers += [(3, 2 * u, 2 * u), (3, 2 * u, u), (3, u, u), (3, u, 1)]  # dec_deconv2 and 1
    count = sum(size**2 * read * given + given for size, read, given in layers)
    assert model.parameter_counts()["G"] == count


def test_fpm_has_three_lstms_and_two_heads():
    model = built("fpm", **{"model.num_layers": 2})
    units, pixels = 32, 32 * 32
    reading, not_reading, second = (
        4 * units * (inputs + units + 1) for inputs in (pixels, 1, units)
    )
    lstms = 2 * reading + not_reading + 3 * second
    assert model.parameter_counts()["total"] == lstms + 2 * pixels * (units + 1)


@pytest.mark.parametrize("name", sorted(TINY))
def test_it_predicts_frames_and_their_beginning_does_not_depend_on_the_horizon(name, tiny_video):
    model, inputs = built(name), tf.constant(tiny_video[:, :T0])
    predicted = model(inputs, num_predicted=5)
    assert predicted.shape == (2, 5, 32, 32, 1)
    assert predicted.dtype == tf.float32
    assert 0 <= np.min(predicted) <= np.max(predicted) <= 1
    np.testing.assert_allclose(predicted[:, :2], model(inputs, num_predicted=2), atol=1e-6)
    compiled = tf.function(lambda x: model(x, num_predicted=5))
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
    video = np.zeros((2, T, 32, 32, 1), np.float32)
    for t in range(T):
        video[0, t, 8:24, 4 + 2 * t : 8 + 2 * t] = 1
        video[1, t, 20 - 2 * t : 26 - 2 * t, 10:22] = 1
    config = tiny(name, **changes, **{"training.learning_rate": 5e-3})
    keras.utils.set_random_seed(0)
    state = TrainState(config)
    *_, last = state.procedure.steps(state.model, state.optimizers).values()
    step = tf.function(last)
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


def dfn_step(model, seen, current, state):
    """DFN's equations for one frame, from its parts."""
    state = model.encoder(seen) + model.transition(state)
    features = model.pixel_network(np.repeat(np.repeat(model.decoder(state), 2, axis=1), 2, axis=2))
    features = model.projection(features)
    features = np.where(features > 0, features, 0.01 * np.asarray(features))
    if model.dynamic_bias is not None:
        current = current + model.dynamic_bias(features)
    return np.asarray(model.adaptive_filter(current, features)), state


@pytest.mark.parametrize("num_seen", [1, 2])
def test_dfns_rollout_equals_single_steps_from_a_zero_state(tiny_video, num_seen):
    options = {"model.num_seen": num_seen, "model.dynamic_bias": num_seen == 2}
    model = built("dfn", **options)
    frames, predictions, state = list(np.moveaxis(tiny_video[:, :T0], 1, 0)), [], None
    state = np.zeros((2, 16, 16, 6), "float32")
    for t in range(num_seen - 1, T - 1):
        if t >= T0:
            frames.append(predictions[-1])
        seen = np.concatenate(frames[t - num_seen + 1 : t + 1], axis=-1)
        predicted, state = dfn_step(model, seen, frames[t], state)
        predictions.append(predicted)
    rollout = model.rollout(tf.constant(tiny_video[:, :T0]), T - T0)
    np.testing.assert_allclose(rollout, np.stack(predictions, axis=1), atol=1e-5)


@pytest.mark.parametrize("num_seen", [1, 2])
def test_dfn_is_supervised_on_the_frames_that_its_predictions_are_of(tiny_video, num_seen):
    model = built("dfn", **{"model.num_seen": num_seen})
    video = tf.constant(tiny_video)
    targets, predictions, num_inside = model.supervise(video, T0, num_real=T0)
    np.testing.assert_array_equal(targets, video[:, num_seen:])
    assert predictions.shape == targets.shape
    assert num_inside == T0 - num_seen
    open_loop = model(video[:, :T0], num_predicted=T - T0)
    np.testing.assert_allclose(np.clip(predictions[:, num_inside:], 0, 1), open_loop, atol=1e-5)


def test_dfns_filters_point_where_they_fetch_from(tiny_video):
    model = built("dfn", **{"model.num_seen": 2})
    layer = model.adaptive_filter
    layer.kernel.assign(np.zeros(layer.kernel.shape))
    layer.bias.assign(np.eye(9)[5] * 50)  # the right neighbour
    flow = model.filter_flow(tf.constant(tiny_video))
    assert flow.shape == (2, T, 32, 32, 2)
    np.testing.assert_allclose(
        flow[:, 1:], np.broadcast_to([0, 1], (2, T - 1, 32, 32, 2)), atol=1e-6
    )


def test_the_conv_lstms_patches_are_undone_exactly(tiny_video):
    model = built("conv_lstm")
    frame = tf.constant(np.random.default_rng(0).random((2, 32, 32, 3), np.float32))
    patches = model._to_patches(frame)
    assert patches.shape == (2, 8, 8, 48)
    np.testing.assert_array_equal(patches[1, 2, 3], np.ravel(frame[1, 8:12, 12:16]))
    np.testing.assert_array_equal(model._to_frame(patches), frame)


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


def test_predrnn_samples_what_it_is_told_to(tiny_video):
    model, video = built("predrnn"), tf.constant(tiny_video)
    everything = np.ones((2, T - 1), bool)
    predictions, overlap = model.sample(video, everything)
    assert overlap is None
    one_step = model.supervise(video, T0, num_real=T - 1).predictions
    np.testing.assert_allclose(predictions, one_step, atol=1e-6)
    inputs = np.arange(T - 1) < T0
    predictions, _ = model.sample(video, np.stack([inputs, inputs]))
    open_loop = model.supervise(video, T0, num_real=T0).predictions
    np.testing.assert_allclose(predictions, open_loop, atol=1e-6)
    expected = model(video[:, :T0], num_predicted=T - T0)
    np.testing.assert_allclose(np.clip(open_loop[:, T0 - 1 :], 0, 1), expected, atol=1e-6)


def test_predrnn_reads_its_prediction_of_a_frame_that_is_not_real(tiny_video):
    model = built("predrnn")
    model.head.kernel.assign(10 * model.head.kernel)
    is_real = np.ones((2, T - 1), bool)
    is_real[0, 2] = False  # x_3 of the first video
    predictions, _ = model.sample(tf.constant(tiny_video), is_real)
    video = tiny_video.copy()
    video[0, 2] = predictions[0, 1]
    expected, _ = model.sample(tf.constant(video), np.ones((2, T - 1), bool))
    np.testing.assert_allclose(predictions, expected, atol=1e-5)
    assert np.abs(
        predictions[0, 2] - model.sample(tf.constant(tiny_video), ~is_real)[0][0, 2]
    ).max()


def test_predrnns_memories_overlap_by_the_cosines_of_what_is_written(tiny_video):
    model = built("predrnn", **{"model.decoupling_weight": 0.1, "model.num_layers": 2})
    frame, units = tf.constant(tiny_video[:, 0]), 6
    _, overlap = model.sample(tf.constant(tiny_video[:, :2]), np.ones((2, 1), bool))
    *_, written = model._advance(model._start(tf.constant(tiny_video))[0], frame)
    cosines = []
    for pair in written:
        a, b = (np.reshape(x, (2, -1, units)) @ model.adapter.kernel.numpy()[0, 0] for x in pair)
        lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
        cosines.append(np.sum(a * b, axis=1) / lengths)
    np.testing.assert_allclose(overlap[:, 0], np.abs(cosines).mean(axis=(0, 2)), rtol=1e-4)


def numpy_mcnet(generator, frames):
    """x̂ from all but no predictions: MCnet's equations with loops over the kernels."""

    def layer(part, x):
        return conv(x, *part.get_weights())

    def relu(x):
        return np.maximum(x, 0)

    def encode(levels, x):
        kept = []
        for level in levels:
            for part in level:
                x = relu(layer(part, x))
            kept.append(x)
            b, h, w, c = x.shape
            x = x.reshape(b, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))
        return x, kept

    places = frames.shape[2] // 8, frames.shape[3] // 8
    h = c = np.zeros((len(frames), *places, generator.recurrent.units))
    for t in range(1, frames.shape[1]):
        pooled, motion = encode(generator.motion, frames[:, t] - frames[:, t - 1])
        gates = conv(np.concatenate([pooled, h], -1), *generator.recurrent.gates.get_weights())
        i, f, g, o = np.split(gates, 4, -1)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    pooled, content = encode(generator.content, 2 * frames[:, -1] - 1)
    x = np.concatenate([h, pooled], -1)
    for part in generator.combination:
        x = relu(layer(part, x))
    for level in (2, 1, 0):
        first, second = generator.residuals[level]
        both = np.concatenate([motion[level], content[level]], -1)
        doubled = np.zeros((len(x), 2 * x.shape[1], 2 * x.shape[2], x.shape[3]))
        doubled[:, ::2, ::2] = x
        x = relu(doubled + layer(second, relu(layer(first, both))))
        for part in generator.decoder[level]:
            x = relu(layer(part, x))
    return (np.tanh(layer(generator.head, x)) + 1) / 2


def test_mcnet_predicts_what_its_equations_say(tiny_video):
    model = built("mcnet")
    rng = np.random.default_rng(3)
    for variable in model.generator.trainable_variables:
        if "bias" in variable.path:
            variable.assign(rng.normal(0, 0.1, variable.shape))
    predicted = model(tf.constant(tiny_video[:, :T0]), num_predicted=2)
    first = numpy_mcnet(model.generator, tiny_video[:, :T0])
    np.testing.assert_allclose(predicted[:, 0], first, atol=1e-5)
    known = np.concatenate([tiny_video[:, :T0], first[:, None]], axis=1)
    np.testing.assert_allclose(predicted[:, 1], numpy_mcnet(model.generator, known), atol=1e-5)


def test_mcnet_is_fed_the_real_future_only_in_one_step(tiny_video):
    model, video = built("mcnet"), tf.constant(tiny_video)
    targets, predictions, num_inside = model.supervise(video, T0, num_real=T - 1)
    np.testing.assert_array_equal(targets, video[:, T0:])
    assert num_inside == 0
    for i in range(T - T0):
        expected = model(video[:, : T0 + i], num_predicted=1)[:, 0]
        np.testing.assert_allclose(predictions[:, i], expected, atol=1e-6)
    open_loop = model.supervise(video, T0, num_real=T0).predictions
    expected = model(video[:, :T0], num_predicted=T - T0)
    np.testing.assert_allclose(open_loop, expected, atol=1e-6)


def test_mcnets_motion_is_a_difference_in_grey():
    frame = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
    grey = np.moveaxis(tf.image.rgb_to_grayscale(frame).numpy(), -1, 0)
    np.testing.assert_allclose(mcnet._grey(tf.constant(frame))[..., 0], grey[0], atol=1e-3)


def test_the_last_frame_is_repeated(tiny_video):
    predicted = model_class("last_frame")()(tf.constant(tiny_video[:, :T0]), num_predicted=3)
    np.testing.assert_array_equal(predicted, np.repeat(tiny_video[:, T0 - 1 : T0], 3, axis=1))


@pytest.mark.parametrize("package", ["cv2", "tensorflow_addons.image"])
def test_flow_names_the_extra_where_a_package_is_missing(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)  # importing it raises ImportError
    with pytest.raises(
        UserError, match=r"Python 3.10 and 3.11 alone: pip install 'lmvp-tf\[addons"
    ):
        model_class("flow")()


def test_flow_continues_a_constant_motion():
    pytest.importorskip("tensorflow_addons")
    y, x = np.mgrid[:48, :48]
    blob = np.stack([np.exp(-((x - 14 - 2 * t) ** 2 + (y - 30 + t) ** 2) / 30) for t in range(6)])
    video = np.float32(blob)[None, ..., None]
    predicted = model_class("flow")()(tf.constant(video[:, :3]), num_predicted=3)
    still = np.mean((video[:, 3:] - video[:, 2:3]) ** 2)
    assert np.mean((predicted - video[:, 3:]) ** 2) < 0.1 * still


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
