"""Evaluation of several systems on the same sequences, and the files it leaves."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.errors import RunError, UserError
from lmvp_tf.evaluation import evaluator
from lmvp_tf.metrics import METRICS
from lmvp_tf.training.weights import Trained

_NUM_INPUTS = 2
_MEAN_IMAGE = np.full((12, 12, 1), 0.25, np.float32)


def _videos(num_sequences, length=5):
    rng = np.random.default_rng(0)
    return rng.random((num_sequences, length, 12, 12, 1), np.float32)


def _evaluate(system, batches, **options):
    return evaluator.evaluate({"mine": system}, batches, _NUM_INPUTS, **options)["mine"]


def test_floors_predict_what_their_names_say():
    videos = _videos(2)
    floors = evaluator.floors(_MEAN_IMAGE)
    assert tuple(floors) == ("last_frame", "zeros", "mean_image")
    expected = {
        "last_frame": np.stack([videos[:, 1]] * 3, axis=1),
        "zeros": np.zeros((2, 3, 12, 12, 1)),
        "mean_image": np.full((2, 3, 12, 12, 1), 0.25),
    }
    for name, system in floors.items():
        np.testing.assert_array_equal(system(tf.constant(videos[:, :2]), 3), expected[name])


def test_mean_training_image_averages_the_frames_of_the_batches_asked_for():
    videos = _videos(6)
    stream = iter([videos[:3], videos[3:5], videos[5:]])
    image = evaluator.mean_training_image(stream, num_batches=2)
    np.testing.assert_allclose(image, videos[:5].mean(axis=(0, 1)), rtol=1e-6)
    assert image.dtype == np.float32
    np.testing.assert_array_equal(next(stream), videos[5:])  # it drew no batch too many


def test_mean_training_image_of_nothing_is_refused():
    with pytest.raises(UserError, match="empty"):
        evaluator.mean_training_image([], num_batches=2)


def test_systems_are_measured_against_the_frames_after_the_inputs():
    videos = _videos(5)
    dataset = tf.data.Dataset.from_tensor_slices(videos).batch(2)
    done = []
    results = evaluator.evaluate(
        evaluator.floors(_MEAN_IMAGE), dataset, _NUM_INPUTS, progress=done.append
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
    @tf.function
    def system(inputs, num_predicted):
        return tf.repeat(inputs[:, -1:], num_predicted, axis=1)

    videos = _videos(7)
    accumulator = _evaluate(system, [videos[:4], videos[4:]])
    assert system.experimental_get_tracing_count() == 1
    expected = _evaluate(evaluator.last_frame, [videos])
    np.testing.assert_allclose(accumulator.values()["mse"], expected.values()["mse"], rtol=1e-6)


def test_predictions_are_clipped_to_the_range_of_pixels():
    videos = np.ones((1, 5, 12, 12, 1), np.float32)
    accumulator = _evaluate(lambda inputs, s: 3.0 * evaluator.last_frame(inputs, s), [videos])
    assert accumulator.result()["metrics"]["mse"] == 0


def test_without_bce_it_is_none():
    metrics = _evaluate(evaluator.zeros, [_videos(1)], with_bce=False).result()["metrics"]
    assert metrics["bce"] is None
    assert metrics["mse"] > 0


@pytest.mark.parametrize(
    ("system", "message"),
    [
        (lambda x, s: evaluator.zeros(x, s) * np.nan, "^mine predicted values that are not finite"),
        (lambda x, s: evaluator.zeros(x, s) + np.inf, "^mine predicted values that are not finite"),
        (lambda x, s: evaluator.zeros(x, s + 1), r"^mine predicted .*\(2, 4, 12.*\(2, 3, 12"),
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
        _evaluate(evaluator.zeros, batches)


@pytest.fixture(name="results")
def _results():
    systems = {"lmvp": lambda x, s: 0.5 * evaluator.last_frame(x, s)}
    return evaluator.evaluate(
        systems | evaluator.floors(_MEAN_IMAGE), [_videos(4)], _NUM_INPUTS, with_bce=False
    )


def _document(results):
    return evaluator.metrics_json(
        results,
        dataset="highway",
        model="lmvp",
        preset="demo",
        parameters={"total": 3, "generator": 2, "motion_guider": 1},
        trained=Trained(7, 1.5, 2.5),
        sequences_seen=56,
        data_hash="abc",
        config={"seed": 1},
    )


def test_metrics_json_has_the_fixed_keys(results):
    document = _document(results)
    assert " ".join(document) == (
        "dataset model preset parameters step sequences_seen train_seconds train_cpu_seconds "
        "num_sequences data_hash overlap protocol metrics per_step floors config"
    )
    assert document["num_sequences"] == 4
    assert document["metrics"] == results["lmvp"].result()["metrics"]
    assert document["per_step"] == results["lmvp"].result()["per_step"]
    assert list(document["floors"]) == ["last_frame", "zeros", "mean_image"]
    zeros = results["zeros"].result()
    assert document["floors"]["zeros"] == {**zeros["metrics"], "per_step": zeros["per_step"]}


def test_written_results_read_back(results, tmp_path):
    document = _document(results)
    evaluator.write_results(tmp_path / "eval", document, results)

    assert json.loads((tmp_path / "eval/metrics.json").read_text()) == document
    with (tmp_path / "eval/per_step.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["system", "step", *METRICS]
    assert [(row["system"], row["step"]) for row in rows[:4]] == [
        ("lmvp", "1"),
        ("lmvp", "2"),
        ("lmvp", "3"),
        ("last_frame", "1"),
    ]
    assert len(rows) == 4 * 3
    assert [float(row["psnr"]) for row in rows[:3]] == document["per_step"]["psnr"]
    assert rows[0]["bce"] == ""
    with np.load(tmp_path / "eval/per_sequence.npz") as arrays:
        assert arrays["zeros/mse"].shape == (4, 3)
        assert arrays["lmvp/ssim_tf"].mean() == pytest.approx(document["metrics"]["ssim_tf"])
        assert "lmvp/bce" not in arrays
