"""Files are measured against their model, and bad ones fail."""

import numpy as np
import pytest

from lmvp_tf.errors import RunError
from lmvp_tf.export import tflite, tflite_measure
from lmvp_tf.export.tflite_measure import Figures
from tests.export.converted import T0, predicted, without_numbers

pytest.importorskip("ai_edge_litert")
pytest.importorskip("litert_quantizer")

# Of the quantizer, in calibration.
pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")


def test_measuring_passes_good_files_and_times_them(lmvp, tiny_video):
    exportable, paths, _ = lmvp
    files = {name: paths[name] for name in ("float32", "weight_int8")}
    compared = tflite.measure(exportable, files, tiny_video)
    assert list(compared.files) == list(files)
    error = np.square(predicted(exportable, tiny_video) - tiny_video[:, T0:]).sum((2, 3, 4)).mean()
    for one, threads in [(compared.model, [0]), *((x, [1, 2]) for x in compared.files.values())]:
        assert one.failure == ""
        np.testing.assert_allclose(one.figures["serve"].mse_per_frame, error, rtol=0.02)
        for signature in ("serve", "serve_step"):
            assert list(one.seconds[signature]) == threads
            assert all(0 < low <= middle for middle, low in one.seconds[signature].values())
    assert compared.files["float32"].size == paths["float32"].stat().st_size
    lines = tflite_measure.table(compared).splitlines()
    assert [line.split()[0] for line in lines[2:5]] == ["model", "float32", "weight_int8"]
    assert "failed" not in "".join(lines)


def test_a_file_that_predicts_no_numbers_or_something_else_fails(lmvp, tiny_video, tmp_path):
    exportable, paths, _ = lmvp
    came = np.concatenate([tiny_video[:, :T0], predicted(exportable, tiny_video)], axis=1)
    files = {
        "float32": without_numbers(paths["float32"], tmp_path / "nan.tflite"),
        "weight_int8": paths["weight_int8"],  # beside a model that is always right
    }
    compared = tflite.measure(exportable, files, came)
    measured = compared.files
    assert measured["float32"].failure == "serve predicts values that are not finite"
    assert measured["float32"].figures["serve"] == Figures()
    assert "more than 2% worse" in measured["weight_int8"].failure
    assert measured["float32"].seconds == {}
    text = tflite_measure.table(compared)
    assert "float32 failed: serve predicts values that are not finite" in text


@pytest.mark.parametrize(("worse", "fails"), [(1.019, False), (1.021, True), (0.5, False)])
@pytest.mark.parametrize("signature", ["serve", "serve_step"])
def test_two_percent_more_error_is_the_limit_for_either_signature(signature, worse, fails):
    truth = np.zeros((3, 2, 16, 16, 1), np.float32)
    expected = {"serve": truth + np.float32(0.1), "serve_step": truth[:2] + np.float32(0.1)}
    predictions = {**expected, signature: expected[signature] * np.sqrt(np.float32(worse))}
    measured = tflite_measure.compare(predictions, expected, truth)
    assert bool(measured.failure) == fails
    assert measured.failure.startswith(f"{signature} has MSE" if fails else "")
    figures = measured.figures[signature]
    np.testing.assert_allclose(figures.mse_per_frame, 256 * 0.01 * worse, rtol=1e-5)
    np.testing.assert_allclose(figures.max_difference, 0.1 * abs(worse**0.5 - 1), atol=1e-6)


def test_a_model_that_predicts_no_numbers_is_not_measured_against(made, tiny_config, tiny_video):
    exportable, _, _ = made("last_frame", tiny_config)
    with pytest.raises(RunError, match="the model itself fails: serve predicts values that are"):
        tflite.measure(exportable, {}, tiny_video * np.float32(np.nan))


def test_functions_are_timed_in_turns(monkeypatch):
    calls = []
    monkeypatch.setattr(tflite_measure, "_REPEATS", 2)
    functions = {name: lambda name=name: calls.append(name) for name in "ab"}
    timed = tflite_measure.time_in_turns(functions)
    assert calls == list("ababab")
    assert timed.keys() == {"a", "b"}
