"""What an exported model is asked for: frame by frame as at once, uint8, models of every kind."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.export.endpoints import (
    Exportable,
    endpoints,
    input_shape,
    load_exportable,
    use_filter,
)
from lmvp_tf.files import write_json
from lmvp_tf.layers.adaptive_filter import AdaptiveFilter
from lmvp_tf.training.checkpoint import Checkpoints, TrainState, build_model

DATA = {"data.size": 32, "data.num_frames": 7, "data.num_inputs": 4}
DFN = {"model.encoder_widths": (4, 6), "model.decoder_widths": (4,), "model.kernel_size": 3}
T0, S = 4, 5


def exportable(config, horizon=S):
    keras.utils.set_random_seed(0)
    model = build_model(config)
    use_filter(model, "reference")  # the other is compiled first, for each shape anew
    return Exportable(model, config, 0, horizon)


def baseline(name, **values):
    return exportable(configs.replace(configs.create(model=name), {**DATA, **values}))


def zeros(model, config, batch):
    shapes = model.state_shapes(input_shape(config))
    return {name: tf.zeros((batch, *shape)) for name, shape in shapes.items()}


def stream(exported, video, count):
    """`count` predictions by `serve_step`, the first from x_1, fed the video and then themselves;
    and the states after each.
    """
    step = endpoints(exported)["serve_step"]
    state = zeros(exported.model, exported.config, len(video))
    frame, frames, states = None, [], []
    for t in range(count):
        frame = tf.constant(video[:, t]) if t < video.shape[1] else frame
        outputs = step.function(frame, *state.values())
        frame = outputs["frame"]
        assert outputs.keys() == {"frame", *state}
        state = {name: outputs[name] for name in state}
        frames.append(frame)
        states.append(state)
    return np.stack(frames, axis=1), states


def check_stream(exported, video):
    """Frame by frame is the same as the model's call on what was known at each time."""
    frames, _ = stream(exported, video[:, :T0], T0 - 1 + S)
    expected = exported.model(tf.constant(video[:, :T0]), num_predicted=S)
    np.testing.assert_allclose(np.clip(frames[:, T0 - 1 :], 0, 1), expected, atol=1e-5)
    return frames


@pytest.mark.parametrize(
    ("motion", "clip_length"), [("leaked", 1), ("leaked", 3), ("frame_difference", 3), ("none", 3)]
)
def test_lmvp_frame_by_frame_is_its_rollout(tiny_config, tiny_video, motion, clip_length):
    values = {"model.motion": motion, "model.clip_length": clip_length, "model.dynamic_bias": True}
    exported = exportable(configs.replace(tiny_config, values))
    model = exported.model
    model.generator.adaptive_filter.content_bias.assign([0.3])  # beyond 1: fed back unclipped
    frames = check_stream(exported, tiny_video)
    assert frames.max() > 1
    one_step = model.rollout(tf.constant(tiny_video[:, :T0]), S).predictions
    np.testing.assert_allclose(frames, one_step, atol=1e-5)


@pytest.mark.parametrize("num_seen", [1, 2, 3])
def test_dfn_frame_by_frame_is_its_rollout(tiny_video, num_seen):
    values = {"model.num_seen": num_seen, "model.dynamic_bias": num_seen == 2}
    exported = baseline("dfn", **DFN, **values)
    for convolution in exported.model.transition.convolutions:
        convolution.bias.assign(np.full(convolution.bias.shape, 0.3))  # moves a state of zeros
    frames = check_stream(exported, tiny_video)
    one_step = exported.model.rollout(tf.constant(tiny_video[:, :T0]), S)
    np.testing.assert_allclose(frames[:, num_seen - 1 :], one_step, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "values"),
    [("conv_lstm", {"model.units": (4,), "model.kernel_size": 3}), ("fpm", {"model.units": 8})],
)
def test_an_encoder_forecaster_predicts_one_frame_from_the_last_t0(tiny_video, name, values):
    exported = baseline(name, **values)
    frames, states = stream(exported, tiny_video[:, :T0], T0 + 1)
    known = np.concatenate([tiny_video[:, :T0], frames[:, T0 - 1 :]], axis=1)
    for t, window in [(T0 - 1, known[:, :T0]), (T0, known[:, 1 : T0 + 1])]:
        expected = exported.model(tf.constant(window), num_predicted=1)[:, 0]
        np.testing.assert_allclose(frames[:, t], expected, atol=1e-5)
    np.testing.assert_allclose(states[-1]["past"], known[:, 2 : T0 + 1], atol=1e-6)
    early = np.concatenate([tiny_video[:, [0, 0]], tiny_video[:, :2]], axis=1)
    expected = exported.model(tf.constant(early), num_predicted=1)[:, 0]
    np.testing.assert_allclose(frames[:, 1], expected, atol=1e-5)


def test_the_last_frame_needs_no_state(tiny_video):
    frames, states = stream(baseline("last_frame"), tiny_video, 8)
    np.testing.assert_array_equal(frames, tiny_video[:, [0, 1, 2, 3, 4, 5, 6, 6]])
    assert states[-1] == {}


@pytest.mark.parametrize("name", ["lmvp", "dfn"])
def test_videos_of_one_batch_may_be_at_different_times(tiny_config, tiny_video, name):
    exported = (
        exportable(tiny_config)
        if name == "lmvp"
        else baseline("dfn", **DFN, **{"model.num_seen": 2})
    )
    _, states = stream(exported, tiny_video[:1], 3)
    old, new = states[-1], zeros(exported.model, exported.config, 1)
    both = [tf.concat([old[part], new[part]], axis=0) for part in old]
    step = endpoints(exported)["serve_step"].function
    frame = tf.constant(tiny_video[:, 3])
    together = step(frame, *both)
    apart = [step(frame[:1], *old.values()), step(frame[1:], *new.values())]
    for part, value in together.items():
        np.testing.assert_allclose(value[0], apart[0][part][0], atol=1e-6, err_msg=part)
        np.testing.assert_allclose(value[1], apart[1][part][0], atol=1e-6, err_msg=part)


def test_uint8_is_the_same_in_grey_levels(tiny_config, tiny_video):
    exported = exportable(tiny_config)
    levels = np.uint8(tiny_video[:, :T0] * 255)
    predicted = endpoints(exported)["serve_uint8"].function(tf.constant(levels))["predictions"]
    assert (predicted.dtype, predicted.shape) == (tf.uint8, (2, S, 32, 32, 1))
    exact = 255 * np.asarray(exported.model(np.float32(levels) / 255, num_predicted=S))
    assert np.abs(predicted.numpy() - exact).max() <= 0.501


def test_every_adaptive_filter_is_switched(tiny_config):
    for model in (exportable(tiny_config).model, baseline("dfn", **DFN).model):
        filters = [part for part in model._flatten_layers() if isinstance(part, AdaptiveFilter)]
        for implementation in ("fast", "reference"):
            use_filter(model, implementation)
            assert [part.implementation for part in filters] == [implementation]


def test_a_model_trained_in_bfloat16_is_exported_in_float32(tiny_config, tmp_path):
    config = configs.replace(tiny_config, {"training.mixed_precision": "bfloat16"})
    write_json(tmp_path / "config.json", configs.to_dict(config))
    state = TrainState(config)
    state.step.assign(3)
    Checkpoints(tmp_path, state.checkpoint).save(3)
    exported = load_exportable(tmp_path)
    assert (exported.step, exported.horizon) == (3, 3)
    assert exported.model.generator.compute_dtype == "float32"
    for one, other in zip(state.model.variables, exported.model.variables, strict=True):
        np.testing.assert_array_equal(one, other)


def test_optical_flow_is_refused(tmp_path):
    config = configs.replace(configs.create(model="flow"), DATA)
    write_json(tmp_path / "config.json", configs.to_dict(config))
    with pytest.raises(UserError, match="--model=flow runs Python and OpenCV"):
        load_exportable(tmp_path)
