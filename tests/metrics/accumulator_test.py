"""Frame metrics against NumPy and scikit-image, and their means over a test set."""

import json

import numpy as np
import pytest
import tensorflow as tf
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from lmvp_tf.errors import RunError
from lmvp_tf.metrics import registry
from lmvp_tf.metrics.accumulator import MetricAccumulator
from lmvp_tf.metrics.metric import FrameMetric


def _scene(kind, channels, rng):
    """[2, 3, 24, 28, C] float32: flat and bright, black with shapes, or noise."""
    noise = rng.random((2, 3, 24, 28, channels))
    shapes = np.kron(noise[:, :, ::4, ::4] > 0.7, np.ones((1, 1, 4, 4, 1)))
    return np.float32({"noise": noise, "shapes": shapes, "bright": 0.97 + 0.02 * noise}[kind])


def _pair(kind, channels=1):
    rng = np.random.default_rng(3)
    truth = _scene(kind, channels, rng)
    prediction = np.clip(truth + 0.05 * rng.standard_normal(truth.shape), 0, 1)
    return truth, np.float32(prediction)


def _per_frame(function, truth, prediction):
    """Applies function(truth [H, W, C], prediction) in float64 to every frame: [B, S]."""
    return np.array(
        [
            [function(np.float64(t), np.float64(p)) for t, p in zip(*pair, strict=True)]
            for pair in zip(truth, prediction, strict=True)
        ]
    )


def _of_frames(truth, prediction):
    """Every frame metric of every frame."""
    accumulator = MetricAccumulator()
    accumulator.update(truth, prediction)
    return accumulator.values()


_SSIM_OPTIONS = {
    "ssim_tf": {
        "data_range": 1,
        "gaussian_weights": True,
        "sigma": 1.5,
        "use_sample_covariance": False,
    },
    "ssim_skimage": {"data_range": 1},
    "ssim_openstl": {"data_range": 2},
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", ["noise", "shapes", "bright"])
@pytest.mark.parametrize("name", _SSIM_OPTIONS)
def test_ssim_equals_scikit_image(name, kind, channels):
    truth, prediction = _pair(kind, channels)
    expected = _per_frame(
        lambda t, p: structural_similarity(t, p, channel_axis=-1, **_SSIM_OPTIONS[name]),
        truth,
        prediction,
    )
    np.testing.assert_allclose(_of_frames(truth, prediction)[name], expected, rtol=0, atol=1e-5)


def test_ssim_tf_equals_tf_image_ssim():
    truth, prediction = _pair("noise", channels=3)
    np.testing.assert_allclose(
        _of_frames(truth, prediction)["ssim_tf"],
        tf.image.ssim(truth, prediction, max_val=1.0),
        rtol=0,
        atol=1e-5,
    )


def test_psnr_mse_and_bce_equal_their_definitions():
    truth, prediction = _pair("shapes")
    result = _of_frames(truth, prediction)

    def bce(t, p):
        p = np.clip(p, 1e-7, 1 - 1e-7)
        return np.mean(-t * np.log(p) - (1 - t) * np.log(1 - p))

    np.testing.assert_allclose(
        result["psnr"],
        _per_frame(lambda t, p: peak_signal_noise_ratio(t, p, data_range=1), truth, prediction),
        rtol=1e-5,
    )
    np.testing.assert_allclose(
        result["mse"], _per_frame(lambda t, p: np.mean((t - p) ** 2), truth, prediction), rtol=1e-5
    )
    np.testing.assert_allclose(result["bce"], _per_frame(bce, truth, prediction), rtol=1e-5)


@pytest.mark.parametrize(("value", "target"), [(0.0, 1.0), (1.0, 0.0)])
def test_bce_of_a_certain_and_wrong_pixel_is_that_of_one_in_ten_million(value, target):
    shape = (1, 1, 12, 12, 1)
    result = _of_frames(np.full(shape, target, "f4"), np.full(shape, value, "f4"))
    np.testing.assert_allclose(result["bce"], 16.118096, rtol=1e-5)  # -ln 1e-7


def test_perfect_frames_have_finite_and_best_values():
    truth = np.round(_pair("shapes")[0])
    result = _of_frames(truth, truth)
    for name, best in {"mse": 0, "psnr": 100, "bce": 0}.items():
        np.testing.assert_allclose(result[name], best, atol=1e-6, rtol=1e-6)
    for name in _SSIM_OPTIONS:
        np.testing.assert_allclose(result[name], 1, rtol=1e-6)


def test_means_of_hand_made_frames():
    """Two frames with squared errors of 0.01 and 0.0001: 20 and 40 dB."""
    truth = np.zeros((1, 2, 12, 16, 1), np.float32)
    prediction = truth + np.array([0.1, 0.01], np.float32)[:, None, None, None]
    accumulator = MetricAccumulator()
    accumulator.update(truth, prediction)
    result = accumulator.result()
    mean = result["metrics"]
    assert mean["mse"] == pytest.approx(0.00505)
    assert mean["mse_per_frame"] == pytest.approx(0.00505 * 192)
    assert mean["psnr"] == pytest.approx(30)
    assert mean["psnr_of_mean_mse"] == pytest.approx(22.967086)
    assert mean["bce"] == pytest.approx(-(np.log(0.9) + np.log(0.99)) / 2, rel=1e-5)
    assert mean["bce_per_frame"] == pytest.approx(192 * mean["bce"])
    assert result["per_step"]["psnr"] == pytest.approx([20, 40])
    assert result["per_step"]["psnr_of_mean_mse"] == pytest.approx([20, 40])
    assert result["per_step"]["mse_per_frame"] == pytest.approx([1.92, 0.0192])


def test_psnr_of_mean_mse_averages_errors_over_sequences_first():
    truth = np.zeros((2, 1, 12, 12, 1), np.float32)
    prediction = truth + np.array([0.1, 0.01], np.float32)[:, None, None, None, None]
    accumulator = MetricAccumulator()
    accumulator.update(truth, prediction)
    assert accumulator.result()["per_step"]["psnr_of_mean_mse"] == pytest.approx([22.967086])
    assert accumulator.values()["psnr"].mean(axis=1) == pytest.approx([20, 40])


def test_batches_of_any_size_give_what_one_batch_gives():
    truth, prediction = (np.concatenate([x, x[:, ::-1], x[:1] * 0.5]) for x in _pair("noise"))
    streamed, whole = MetricAccumulator(), MetricAccumulator()
    whole.update(truth, prediction)
    for part in (slice(0, 2), slice(2, 4), slice(4, 5)):
        streamed.update(truth[part], prediction[part])
    for name, values in whole.values().items():
        assert values.shape == (5, 3)
        np.testing.assert_allclose(streamed.values()[name], values, rtol=1e-5)
        np.testing.assert_allclose(
            streamed.result()["metrics"][name], whole.result()["metrics"][name], rtol=1e-6
        )


@pytest.mark.parametrize("probabilities", [True, False])
def test_result_has_the_fixed_names_and_survives_json(probabilities):
    accumulator = MetricAccumulator(probabilities)
    truth = _pair("shapes")[0]
    accumulator.update(truth, truth)  # perfect frames: where an infinity would come from
    result = accumulator.result()
    assert " ".join(result["metrics"]) == (
        "bce bce_per_frame mse ratio mse_per_frame mae_per_frame psnr psnr_of_mean_mse "
        "ssim_tf ssim_skimage ssim_openstl"
    )
    assert list(result["per_step"]) == list(result["metrics"])
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    for name in result["metrics"]:
        if name == "ratio" or (name.startswith("bce") and not probabilities):
            assert result["metrics"][name] is None
            assert result["per_step"][name] is None
        else:
            assert len(result["per_step"][name]) == 3
    assert ("bce" in accumulator.values()) == probabilities


@pytest.mark.parametrize("channels", [1, 3])
def test_mae_per_frame_is_openstls(channels):
    """Its MAE: np.mean(np.abs(pred - true), axis=(0, 1)).sum(), over sequences and steps."""
    truth, prediction = _pair("noise", channels)
    accumulator = MetricAccumulator()
    accumulator.update(truth, prediction)
    expected = np.mean(np.abs(np.float64(prediction) - truth), axis=(0, 1)).sum()
    assert accumulator.result()["metrics"]["mae_per_frame"] == pytest.approx(expected, rel=1e-6)


def test_the_ratio_is_to_the_last_frame():
    truth, prediction = _pair("noise")
    system, last_frame = MetricAccumulator(), MetricAccumulator()
    system.update(truth, prediction)
    last_frame.update(truth, truth[:, ::-1])  # the same in the middle, as in a still video
    result = system.result(last_frame=last_frame)
    errors = [np.mean((np.float64(p) - truth) ** 2) for p in (prediction, truth[:, ::-1])]
    assert result["metrics"]["ratio"] == pytest.approx(errors[0] / errors[1], rel=1e-5)
    assert result["per_step"]["ratio"][1] == pytest.approx(
        np.mean((prediction - truth)[:, 1] ** 2) * 1e10, rel=1e-4
    )


def test_protocol_says_how_every_metric_is_computed():
    assert set(registry.computed()) <= set(registry.protocol())
    assert all(registry.protocol().values())


def test_frames_smaller_than_a_window_have_no_ssim_of_it():
    for side, missing in {6: {"ssim_tf", "ssim_skimage", "ssim_openstl"}, 10: {"ssim_tf"}}.items():
        accumulator = MetricAccumulator()
        frames = np.zeros((1, 1, side, 64, 1), np.float32)
        accumulator.update(frames, frames)
        means = accumulator.result()["metrics"]
        assert {n for n, v in means.items() if v is None} == missing | {"ratio"}


class _WorstPixel(FrameMetric):
    """The largest absolute error of a frame."""

    title, axis, form, higher_is_better = "worst", "worst pixel", ".2f", False
    protocol = "the largest absolute error"

    def of_frames(self, truth, prediction):
        return tf.reduce_max(tf.abs(truth - prediction), axis=[2, 3, 4])


def test_a_new_metric_is_a_class_and_a_line(monkeypatch):
    monkeypatch.setitem(registry.METRICS, "worst", _WorstPixel())
    truth, prediction = _pair("noise", channels=3)
    accumulator = MetricAccumulator()
    accumulator.update(truth, prediction)
    expected = np.abs(truth - prediction).max(axis=(2, 3, 4))
    np.testing.assert_allclose(accumulator.values()["worst"], expected, rtol=1e-6)
    assert registry.protocol()["worst"] == "the largest absolute error"


def test_what_was_measured_before_there_was_a_metric_lacks_it():
    known = registry.completed({"mse": 0.01, "bce": None}, (4, 5, 3), {"mse": 0.04})
    assert (known["mse_per_frame"], known["ratio"]) == (pytest.approx(0.6), 0.25)
    assert known["mae_per_frame"] is known["bce_per_frame"] is known["psnr"] is None


def test_no_sequences_have_no_mean():
    with pytest.raises(RunError, match="no sequence"):
        MetricAccumulator().result()
