"""Measuring several systems on the same sequences."""

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.errors import RunError, UserError
from lmvp_tf.evaluation.evaluate import floors, measure

_NUM_INPUTS = 2
_MEAN_IMAGE = np.full((12, 12, 1), 0.25, np.float32)


def _videos(num_sequences, length=5):
    rng = np.random.default_rng(0)
    return rng.random((num_sequences, length, 12, 12, 1), np.float32)


def _evaluate(system, batches, **options):
    return measure.measure({"mine": system}, batches, _NUM_INPUTS, **options)["mine"]


def test_floors_predict_what_their_names_say():
    videos = _videos(2)
    systems = floors.floors(_MEAN_IMAGE)
    assert tuple(floors.floors(None)) == ("last_frame", "zeros")
    assert tuple(systems) == ("last_frame", "zeros", "mean_image")
    expected = {
        "last_frame": np.stack([videos[:, 1]] * 3, axis=1),
        "zeros": np.zeros((2, 3, 12, 12, 1)),
        "mean_image": np.full((2, 3, 12, 12, 1), 0.25),
    }
    for name, system in systems.items():
        np.testing.assert_array_equal(system(tf.constant(videos[:, :2]), 3), expected[name])


def test_mean_training_image_averages_the_frames_of_the_batches_asked_for():
    videos = _videos(6)
    stream = iter([videos[:3], videos[3:5], videos[5:]])
    image = floors.mean_training_image(stream, num_batches=2)
    np.testing.assert_allclose(image, videos[:5].mean(axis=(0, 1)), rtol=1e-6)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(next(stream), videos[5:])  # it drew no batch too many


def test_mean_training_image_of_nothing_is_refused():
    with pytest.raises(UserError, match="empty"):
        floors.mean_training_image([], num_batches=2)


def test_systems_are_measured_against_the_frames_after_the_inputs():
    videos = _videos(5)
    dataset = tf.data.Dataset.from_tensor_slices(videos).batch(2)
    done = []
    results = measure.measure(
        floors.floors(_MEAN_IMAGE), dataset, _NUM_INPUTS, progress=done.append
    )
    assert done == [2, 4, 5]
    truth = np.float64(videos[:, 2:])
    expected = {
        "last_frame": (truth - videos[:, 1:2]) ** 2,
        "zeros": truth**2,
        "mean_image": (truth - 0.25) ** 2,
    }
    for name, accumulator in results.items():
        per_frame = expected[name].mean(axis=(2, 3, 4))
        np.testing.assert_allclose(accumulator.values()["mse"], per_frame, rtol=1e-5)


def test_a_smaller_last_batch_does_not_trace_a_system_again():
    @tf.function(autograph=False)
    def system(inputs, num_predicted):
        return tf.repeat(inputs[:, -1:], num_predicted, axis=1)

    videos = _videos(7)
    accumulator = _evaluate(system, [videos[:4], videos[4:]])
    assert system.experimental_get_tracing_count() == 1
    expected = _evaluate(floors.last_frame, [videos])
    np.testing.assert_allclose(accumulator.values()["mse"], expected.values()["mse"], rtol=1e-6)


def test_predictions_are_clipped_to_the_range_of_pixels():
    videos = np.ones((1, 5, 12, 12, 1), np.float32)
    accumulator = _evaluate(lambda inputs, s: 3.0 * floors.last_frame(inputs, s), [videos])
    assert accumulator.result()["metrics"]["mse"] == 0


def test_without_bce_it_is_none():
    metrics = _evaluate(floors.zeros, [_videos(1)], probabilities=False).result()["metrics"]
    assert metrics["bce"] is None
    assert metrics["mse"] > 0


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (lambda x, s: floors.zeros(x, s) * np.nan, "^mine predicted values that are not finite"),
        (lambda x, s: floors.zeros(x, s) + np.inf, "^mine predicted values that are not finite"),
        (lambda x, s: floors.zeros(x, s + 1), r"^mine predicted .*\(2, 4, 12.*\(2, 3, 12"),
    ],
)
def test_a_broken_prediction_stops_the_run_and_names_the_system(system, message):
    with pytest.raises(RunError, match=message):
        _evaluate(system, [_videos(2)])


@pytest.mark.parametrize(
    ("batches", "message"),
    [([], "no sequence"), ([_videos(2, length=2)], "2 input frames leave nothing to predict")],
)
def test_nothing_to_evaluate_is_refused(batches, message):
    with pytest.raises(UserError, match=message):
        _evaluate(floors.zeros, batches)
