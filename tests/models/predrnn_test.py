"""PredRNN: scheduled sampling, and the overlap of its memories."""

import numpy as np
import tensorflow as tf

from tests.models.tiny_baselines import T0, T, built


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
