"""DFN: its equations, what it is supervised on, its filters."""

import numpy as np
import pytest
import tensorflow as tf

from tests.models.tiny_baselines import T0, T, built


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
