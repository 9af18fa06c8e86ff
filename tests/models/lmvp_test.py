"""The video predictor: the rollout against single steps, zero states, saving, shapes."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.models.lmvp import LMVP
from lmvp_tf.models.motion_guider import FORMS
from lmvp_tf.models.predictor import over_time
from lmvp_tf.training.checkpoint import build_model


@pytest.fixture(params=FORMS)
def model(tiny_config, request):
    values = {"model.guider": request.param, "model.guider_widths": (4,)}
    keras.utils.set_random_seed(0)
    return build_model(configs.replace(tiny_config, values))


def reference_rollout(model, real, num_open):
    """Figure 1 step by step: every clip, feature and prediction on its own."""
    length = model.settings.clip_length
    frames, predictions, state = [], [], None
    for t in range(real.shape[1] + num_open - 1):
        frames.append(real[:, t] if t < real.shape[1] else predictions[-1])
        clip = [frames[max(i, 0)] for i in range(t - length + 1, t + 1)]
        feature = model.discriminator.features(np.concatenate(clip, axis=-1))
        if state is None:
            state = [np.zeros((len(real), 8, 8, 4), "float32")] * 2
        (_, shown), state = model.guider(feature, state)
        predictions.append(np.asarray(model.generator(frames[-1], shown)))
    return np.stack(frames, axis=1), np.stack(predictions, axis=1)


@pytest.mark.parametrize(("num_real", "num_open"), [(4, 3), (6, 1), (1, 2)])
def test_the_rollout_equals_single_steps_from_zero_states(model, tiny_video, num_real, num_open):
    real = tiny_video[:, :num_real]
    frames, predictions = reference_rollout(model, real, num_open)
    rollout = model.rollout(tf.constant(real), num_open)
    np.testing.assert_allclose(rollout.frames, frames, atol=1e-5)
    np.testing.assert_allclose(rollout.predictions, predictions, atol=1e-5)
    last = model.rollout(tf.constant(real), num_open, one_step=False)
    np.testing.assert_allclose(last.frames, frames[:, num_real - 1 :], atol=1e-5)
    np.testing.assert_allclose(last.predictions, predictions[:, num_real - 1 :], atol=1e-5)


def test_calling_the_model_predicts_what_follows_the_inputs(model, tiny_video):
    inputs = tiny_video[:, :4]
    predicted = model(tf.constant(inputs), num_predicted=3)
    assert predicted.shape == (2, 3, 32, 32, 1)
    np.testing.assert_allclose(predicted, reference_rollout(model, inputs, 3)[1][:, 3:], atol=1e-5)


def test_the_horizon_is_free_and_its_beginning_does_not_depend_on_it(model, tiny_video):
    inputs = tf.constant(tiny_video[:, :4])
    np.testing.assert_allclose(
        model(inputs, num_predicted=5)[:, :2], model(inputs, num_predicted=2), atol=1e-6
    )


def test_recordings_repeat_the_first_frame_on_the_left(model):
    video = np.arange(4, dtype="float32").reshape(1, 4, 1, 1, 1)
    clips = model.clips(tf.constant(video))
    np.testing.assert_array_equal(clips[0, :, 0, 0], [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]])


def test_recordings_keep_the_channels_of_a_frame_together(model):
    video = np.arange(6, dtype="float32").reshape(1, 3, 1, 1, 2)
    clips = model.clips(tf.constant(video))
    np.testing.assert_array_equal(clips[0, 2, 0, 0], [0, 1, 2, 3, 4, 5])


def test_without_backprop_no_gradient_reaches_an_earlier_prediction(model, tiny_video):
    real = tf.constant(tiny_video[:, :4])
    norms = {}
    for backprop in (True, False):
        with tf.GradientTape() as tape:
            tape.watch(real)
            last = model.rollout(real, 3, backprop=backprop).predictions[:, -1]
        # Frame 1 can reach the last prediction through M's state alone, and through the chain of
        # frames.
        norms[backprop] = float(tf.norm(tape.gradient(last, real)))
    assert norms[True] != pytest.approx(norms[False], rel=1e-3)


def test_eager_equals_tf_function_with_a_dynamic_batch(model, tiny_video):
    traced = tf.function(
        lambda x: model(x, num_predicted=3),
        input_signature=[tf.TensorSpec((None, 4, 32, 32, 1))],
        autograph=False,
    )
    inputs = tf.constant(tiny_video[:, :4])
    np.testing.assert_allclose(traced(inputs), model(inputs, num_predicted=3), atol=1e-6)
    np.testing.assert_allclose(traced(inputs[:1]), model(inputs[:1], num_predicted=3), atol=1e-6)


@pytest.mark.parametrize("name", ["lmvp", "discriminator", "guider", "generator"])
def test_every_network_survives_keras_and_weight_files(model, tiny_video, tmp_path, name):
    network = model if name == "lmvp" else getattr(model, name)
    video = tf.constant(tiny_video)
    feature = model.leak(model.clips(video))[:, 0]
    arguments = {
        "lmvp": (video[:, :4],),
        "discriminator": (model.clips(video)[:, 0],),
        "guider": (feature, model.guider.initial_state(2, 8, 8)),
        "generator": (video[:, 0], model.guide(feature[:, None])[0].shown[:, 0]),
    }[name]
    options = {"num_predicted": 3} if name == "lmvp" else {}
    expected = network(*arguments, **options)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    tf.nest.map_structure(np.testing.assert_array_equal, loaded(*arguments, **options), expected)
    network.save_weights(tmp_path / "network.weights.h5")
    again = type(network).from_config(network.get_config())
    again(*arguments, **options)
    again.load_weights(tmp_path / "network.weights.h5")
    tf.nest.map_structure(np.testing.assert_array_equal, again(*arguments, **options), expected)


def test_networks_part_the_parameters_without_remainder(model):
    parts = [id(v) for theta in model.networks.values() for v in theta]
    assert len(set(parts)) == len(parts)
    assert set(parts) == {id(v) for v in model.trainable_variables}
    counts = model.parameter_counts()
    assert counts["total"] == sum(v.numpy().size for v in model.trainable_variables)
    features = model.discriminator.features.trainable_variables
    assert counts["F"] == sum(v.numpy().size for v in features)


def test_mixed_precision_keeps_features_motions_and_predictions_in_float32(tiny_config, tiny_video):
    keras.utils.set_random_seed(0)
    exact = build_model(tiny_config)
    config = configs.replace(tiny_config, {"training.mixed_precision": "bfloat16"})
    mixed = build_model(config)
    mixed.set_weights(exact.get_weights())
    assert {v.dtype for v in mixed.trainable_variables} == {"float32"}
    video = tf.constant(tiny_video)
    features = mixed.leak(mixed.clips(video))
    (motions, _), _ = mixed.guider.guide(features)
    prediction = mixed(video[:, :4], num_predicted=3)
    assert features.dtype == motions.dtype == prediction.dtype == tf.float32
    np.testing.assert_allclose(prediction, exact(video[:, :4], num_predicted=3), atol=0.05)
    assert not np.array_equal(prediction, exact(video[:, :4], num_predicted=3))


def test_rgb_frames(tiny_config):
    model = LMVP(configs.replace(tiny_config, {"model.dynamic_bias": True}).model)
    model.build((None, 4, 32, 32, 3))
    assert model(tf.ones((1, 4, 32, 32, 3)), num_predicted=2).shape == (1, 2, 32, 32, 3)


def test_over_time_applies_each_step_to_itself():
    first, second = np.random.default_rng(0).random((2, 2, 3, 4), "float32")
    result = over_time(lambda x, y: x - 2 * y, tf.constant(first), tf.constant(second))
    np.testing.assert_allclose(result, first - 2 * second, rtol=1e-6)


def test_next_clips_start_from_the_frames_of_the_rollout(model):
    frames = np.arange(3, dtype="float32").reshape(1, 3, 1, 1, 1)
    clips = model.next_clips(tf.constant(frames), tf.constant(frames + 10))
    np.testing.assert_array_equal(clips[0, :, 0, 0], [[0, 0, 10], [0, 1, 11], [1, 2, 12]])


def test_without_motion_a_prediction_depends_on_the_current_frame_alone(tiny_config, tiny_video):
    model = build_model(configs.replace(tiny_config, {"model.motion": "none"}))
    other = tiny_video[:, :4].copy()
    other[:, :3] = 1 - other[:, :3]  # another past, the same x_4
    one, same = (model(tf.constant(x), num_predicted=2) for x in (tiny_video[:, :4], other))
    np.testing.assert_array_equal(one, same)
    leaked = build_model(tiny_config)
    one, another = (leaked(tf.constant(x), num_predicted=2) for x in (tiny_video[:, :4], other))
    assert np.max(np.abs(one - another)) > 1e-6


def test_with_frame_differences_a_feature_depends_on_the_difference_alone(tiny_config, tiny_video):
    model = build_model(configs.replace(tiny_config, {"model.motion": "frame_difference"}))
    video = tf.constant(0.5 * tiny_video)
    brighter = model.leak(model.clips(video + 0.25))
    np.testing.assert_allclose(brighter, model.leak(model.clips(video)), atol=1e-5)
    assert model(video[:, :4], num_predicted=2).shape == (2, 2, 32, 32, 1)


def test_normalised_features_are_not_driven_into_saturation_by_bright_video(
    tiny_config, tiny_video
):
    config = configs.replace(tiny_config, {"model.feature_normalization": True})
    model = build_model(config)
    head = model.discriminator.features.head
    head.bias.assign(np.full(head.bias.shape, 9.0))  # alone: tanh(9) = 1 everywhere
    features = model.leak(model.clips(tf.constant(tiny_video)))
    assert np.mean(np.abs(features) > 0.99) < 0.1
