"""Frames of any height and width, grey or in colour, through every model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.layers import grid
from lmvp_tf.models.registry import MODELS
from lmvp_tf.training.checkpoint import TrainState, build_model

pytestmark = pytest.mark.usefixtures("eagerly")
T0, T = 3, 5
TINY = {
    "lmvp": {
        "model.clip_length": 2,
        "model.kernel_size": 3,
        "model.feature_widths": (4, 4),
        "model.feature_channels": 4,
        "model.classifier_widths": (4, 4),
        "model.motion_units": 4,
        "model.spatial_widths": (4, 4),
        "model.temporal_widths": (4,),
        "model.filter_widths": (4,),
        "model.pixel_widths": (4,),
        "model.dynamic_bias": True,
    },
    "dfn": {
        "model.encoder_widths": (4, 6),
        "model.decoder_widths": (4,),
        "model.pixel_widths": (4,),
        "model.projection_width": 4,
        "model.kernel_size": 3,
        "model.num_seen": 2,
        "model.dynamic_bias": True,
        "model.position_bias": True,
    },
    "conv_lstm": {"model.units": (4,), "model.kernel_size": 3},
    "fpm": {"model.units": 8},
    "predrnn": {"model.units": 4, "model.num_layers": 2, "model.kernel_size": 3},
    "mcnet": {"model.width": 2, "model.discriminator_width": 2, "model.judged": 2},
    "simvp": {
        "model.translator": "gsta",
        "model.frame_width": 4,
        "model.width": 8,
        "model.num_blocks": 2,
        "model.mlp_ratio": 2,
    },
}
SHAPES = [(13, 22, 3), (9, 16, 1), (1, 2, 3)]
TRAINED = sorted(TINY)
READ_FRAME_BY_FRAME = ("lmvp", "dfn", "predrnn", "mcnet", "last_frame")


def tiny(name, shape, **changes):
    height, width, channels = shape
    values = {
        "data.height": height,
        "data.width": width,
        "data.channels": channels,
        "data.num_frames": T,
        "data.num_inputs": T0,
        "training.rolled": False,
    }
    config = configs.replace(configs.create("highway", name), values | TINY.get(name, {}) | changes)
    return configs.validate(config)


def built(config):
    keras.utils.set_random_seed(0)
    model = build_model(config)
    rng = np.random.default_rng(1)
    for variable in model.trainable_variables:  # those that begin as zeros too
        variable.assign(rng.normal(0, 0.3, variable.shape))
    return model


def noise(shape, length=T):
    return tf.constant(np.random.default_rng(2).random((2, length, *shape), np.float32))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", sorted(MODELS))
def test_predictions_have_the_shape_of_the_frames(name, shape):
    if name == "flow":
        pytest.importorskip("tensorflow_addons")
    model = built(tiny(name, shape))
    predicted = model(noise(shape, T0), num_predicted=3)
    assert predicted.shape == (2, 3, *shape)
    assert np.isfinite(predicted).all()


@pytest.mark.parametrize("name", READ_FRAME_BY_FRAME)
def test_frame_by_frame_it_predicts_the_same(name):
    shape = (13, 22, 3)
    model = built(tiny(name, shape))
    inputs = noise(shape, T0)
    shapes = model.state_shapes((T0, *shape))
    state = {part: tf.zeros((2, *size)) for part, size in shapes.items()}
    predictions = []
    for t in range(T0 + 2):
        frame = inputs[:, t] if t < T0 else predictions[-1]
        prediction, state = model.step(frame, state)
        assert {part: tuple(x.shape[1:]) for part, x in state.items()} == shapes
        predictions.append(prediction)
    stepped = np.clip(np.stack(predictions[T0 - 1 :], axis=1), 0, 1)
    np.testing.assert_allclose(stepped, model(inputs, num_predicted=3), atol=1e-5)


@pytest.mark.parametrize("name", ["lmvp", "dfn"])
def test_the_filters_point_somewhere_in_every_pixel(name):
    shape = (13, 22, 3)
    flow = built(tiny(name, shape)).filter_flow(noise(shape))
    assert flow.shape == (2, T, 13, 22, 2)
    assert np.abs(flow).max() <= 1


@pytest.mark.parametrize("name", ["lmvp", "dfn"])
def test_the_filters_of_a_step_point_where_those_of_the_whole_film_do(name):
    shape = (13, 22, 3)
    model, video = built(tiny(name, shape)), noise(shape)
    state = {part: tf.zeros((2, *size)) for part, size in model.state_shapes((T0, *shape)).items()}
    whole = model.filter_flow(video)
    for t in range(T):
        flow = model.step_flow(video[:, t], state)
        if t:  # before it has seen two frames DFN has no state
            np.testing.assert_allclose(flow, whole[:, t], atol=1e-5)
        _, state = model.step(video[:, t], state)


@pytest.mark.parametrize("name", TRAINED)
def test_every_phase_trains(name):
    shape = (13, 22, 3)
    config = tiny(name, shape, **{"losses.gdl_weight": 0.5})
    keras.utils.set_random_seed(0)
    state = TrainState(config)
    for step in state.procedure.steps(state.model, state.optimizers).values():
        before = [keras.ops.convert_to_numpy(v) for v in state.model.trainable_variables]
        assert all(np.isfinite(value) for value in step(noise(shape)).values())
        after = [keras.ops.convert_to_numpy(v) for v in state.model.trainable_variables]
        assert any((a != b).any() for a, b in zip(after, before, strict=True))


@pytest.mark.parametrize("name", ["lmvp", "dfn"])
def test_a_network_reads_a_frame_as_it_would_read_it_continued(name):
    """The features of a padded frame are those of the same frame given larger, cut to its size."""
    small, large = (13, 22, 3), (16, 24, 3)
    model, other = built(tiny(name, small)), built(tiny(name, large))
    frames, continued = noise(small, T0), grid.pad(noise(small, T0), 4 if name == "lmvp" else 2)
    if name == "dfn":
        other = built(tiny(name, continued.shape[2:]))
    expected = other.filter_flow(continued)[:, :, :13, :22]
    np.testing.assert_allclose(model.filter_flow(frames), expected, atol=1e-6)


def test_a_conv_lstm_pads_to_its_patches():
    small, large = (13, 22, 1), (16, 24, 1)
    frames = noise(small, T0)
    expected = built(tiny("conv_lstm", large))(grid.pad(frames, 4), num_predicted=2)
    predicted = built(tiny("conv_lstm", small))(frames, num_predicted=2)
    np.testing.assert_allclose(predicted, expected[:, :, :13, :22], atol=1e-6)


def test_the_channels_share_a_filter_and_each_has_a_bias_of_its_own():
    grey, rgb = (13, 22, 1), (13, 22, 3)
    assert built(tiny("dfn", grey)).dynamic_bias.kernel.shape[-1] == 1
    assert built(tiny("dfn", rgb)).dynamic_bias.kernel.shape[-1] == 3
    for shape in (grey, rgb):
        layer = built(tiny("lmvp", shape)).generator.adaptive_filter
        assert layer.kernel.shape[-1] == 9
        assert layer.content_kernel.shape[-1] == shape[-1]
