"""The comparison of hand-made runs: arithmetic, budgets, what is paired with what."""

import json
import pathlib

import numpy as np
import pytest

from lmvp_tf import configs
from lmvp_tf.evaluation.compare.comparison import compare
from lmvp_tf.evaluation.compare.runs import Run
from lmvp_tf.evaluation.evaluate.floors import FLOORS
from lmvp_tf.metrics.registry import completed, computed, frame_metrics
from lmvp_tf.presets import named

_SIZE, _STEPS = 12, 3
_PIXELS = _SIZE * _SIZE
_FORMAT = {"data.size": _SIZE, "data.num_inputs": 2, "data.num_frames": 5}


def _values(seed, num_sequences, with_bce):
    rng = np.random.default_rng(seed)
    names = [name for name in frame_metrics() if with_bce or name != "bce"]
    return {name: rng.uniform(0.1, 0.9, (num_sequences, _STEPS)).astype("f4") for name in names}


def _means(values, last_frame):
    """What an evaluation writes."""
    means = {name: float(value.mean(dtype=float)) for name, value in values.items()}
    reference = {"mse": float(last_frame["mse"].mean(dtype=float))}
    return completed(means, (_SIZE, _SIZE, 1), reference)


def _run(
    folder,
    label,
    model="lmvp",
    seed=1,
    seconds=100.0,
    cpu_seconds=0.0,
    with_bce=True,
    changes=None,
    total=10,
    n=40,
    dataset="moving_mnist",
    overlap=1,
):
    """A Run of made-up figures; the floors' are the same for every run."""
    preset = named.get(dataset, "small", model)
    config = configs.replace(preset, _FORMAT | (changes or {}))
    values = {floor: _values(100 + i, n, True) for i, floor in enumerate(FLOORS)}
    values[model] = _values(seed, n, with_bce)
    results = {name: _means(metrics, values["last_frame"]) for name, metrics in values.items()}
    document = {
        "model": model,
        "preset": "small",
        "parameters": {"total": total},
        "step": 7,
        "sequences_seen": 28,
        "train_seconds": seconds,
        "train_cpu_seconds": cpu_seconds,
        "num_sequences": n,
        "data_hash": "abc",
        "overlap": overlap,
        "metrics": results[model],
        "per_step": {"psnr": [1.0, 2.0, 3.0]},
        "floors": {name: {**results[name], "per_step": {"psnr": [4.0]}} for name in FLOORS},
    }
    return Run(pathlib.Path(folder), label, config, config, document, values)


@pytest.fixture(name="pair")
def _pair(tmp_path):
    return [_run(tmp_path, "LMVP small"), _run(tmp_path, "DFN small", "dfn", seed=2)]


def test_means_are_those_of_the_evaluation_and_lie_in_their_intervals(pair):
    document = compare(pair, [0, 1])
    for run, row in zip(pair, document["runs"], strict=True):
        for metric, estimate in row["metrics"].items():
            assert estimate["mean"] == pytest.approx(run.document["metrics"][metric], rel=1e-5)
            assert estimate["low"] < estimate["mean"] < estimate["high"]
    zeros = document["floors"]["zeros"]["metrics"]["mse_per_frame"]
    assert zeros["mean"] == pytest.approx(pair[0].values["zeros"]["mse"].mean() * _PIXELS)


def test_the_ratio_is_to_the_last_frame(pair):
    document = compare(pair, [0, 1])
    last = pair[0].values["last_frame"]["mse"].mean(dtype=float)
    ratio = pair[1].values["dfn"]["mse"].mean(dtype=float) / last
    assert document["runs"][1]["metrics"]["ratio"]["mean"] == pytest.approx(ratio)
    one = document["floors"]["last_frame"]["metrics"]["ratio"]
    assert one == {"mean": 1.0, "low": 1.0, "high": 1.0}


def test_differences_are_paired_by_sequence(pair):
    differences = compare(pair, [0, 1])["differences"]
    assert (differences["reference"], list(differences["runs"])) == ("LMVP small", ["DFN small"])
    each = (pair[0].values["lmvp"]["psnr"] - pair[1].values["dfn"]["psnr"]).mean(axis=1)
    estimate = differences["runs"]["DFN small"]["psnr"]
    assert estimate["mean"] == pytest.approx(each.mean(), rel=1e-5)
    error = each.std(ddof=1) / np.sqrt(len(each))
    assert (estimate["high"] - estimate["low"]) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_the_first_lmvp_is_compared_with_every_other_run(tmp_path):
    ablation = {"losses.gamma": 0.3, "training.one_step_steps": 0, "training.pretrain_steps": 0}
    runs = [
        _run(tmp_path, "DFN small", "dfn", seed=2),
        _run(tmp_path, "LMVP a"),
        _run(tmp_path, "LMVP b", seed=3, changes=ablation | {"training.max_steps": 9}),
    ]
    document = compare(runs, [0, 1])
    assert document["differences"]["reference"] == "LMVP a"
    assert list(document["differences"]["runs"]) == ["DFN small", "LMVP b"]
    changes = [row["changes"] for row in document["runs"]]  # from the preset
    size = {"data.height": _SIZE, "data.width": _SIZE, "data.num_inputs": 2, "data.num_frames": 5}
    assert changes == [size, size, size | ablation]


@pytest.mark.parametrize("names", [[("LMVP", "lmvp")], [("DFN", "dfn"), ("FPM", "fpm")]])
def test_without_a_pair_there_is_no_difference(tmp_path, names):
    runs = [_run(tmp_path, label, model) for label, model in names]
    assert compare(runs, [0])["differences"] is None


def test_what_a_run_was_not_measured_by_is_none_and_not_compared(tmp_path):
    runs = [_run(tmp_path, "LMVP"), _run(tmp_path, "DFN", "dfn", with_bce=False)]
    document = compare(runs, [0, 1])
    assert document["runs"][1]["metrics"]["bce"] is None
    assert document["runs"][1]["metrics"]["bce_per_frame"] is None
    assert set(document["differences"]["runs"]["DFN"]) == set(computed()) - {
        "bce",
        "bce_per_frame",
    }


def test_less_than_nine_tenths_of_the_longest_training_is_below_budget(tmp_path):
    runs = [_run(tmp_path, str(s), seconds=s, seed=i) for i, s in enumerate((100.0, 90.0, 89.0))]
    runs.append(_run(tmp_path, "last frame", "last_frame", seconds=0.0, total=0))
    document = compare(runs, [0, 1])
    assert [row["below_budget"] for row in document["runs"]] == [False, False, True, False]
    assert document["budget"] == {"counted_in": "train_seconds", "longest": 100.0}


def test_the_budget_is_counted_in_cpu_time_where_every_run_counted_it(tmp_path):
    """Other work on the machine made the first take longer: it cost no more."""
    costs = ((300.0, 180.0), (100.0, 190.0), (150.0, 160.0))
    runs = [
        _run(tmp_path, str(i), seconds=seconds, cpu_seconds=cpu_seconds, seed=i)
        for i, (seconds, cpu_seconds) in enumerate(costs)
    ]
    document = compare(runs, [0, 1])
    assert [row["below_budget"] for row in document["runs"]] == [False, False, True]
    assert document["budget"] == {"counted_in": "train_cpu_seconds", "longest": 190.0}


def test_a_floor_that_is_among_the_runs_stands_there_once(tmp_path):
    runs = [_run(tmp_path, "LMVP"), _run(tmp_path, "last frame", "last_frame", total=0)]
    document = compare(runs, [0, 1])
    assert list(document["floors"]) == ["zeros", "mean_image"]
    assert document["runs"][1]["metrics"]["ratio"]["mean"] == pytest.approx(
        runs[1].values["last_frame"]["mse"].mean() / runs[0].values["last_frame"]["mse"].mean()
    )


def test_psnr_of_the_examples_is_theirs(pair):
    row = compare(pair, [3, 30])["runs"][1]
    np.testing.assert_array_equal(row["example_psnr"], pair[1].values["dfn"]["psnr"][[3, 30]])


def test_recordings_and_overlapping_windows_of_a_drive(tmp_path):
    runs = [
        _run(tmp_path, label, model, seed, dataset="highway", overlap=9)
        for seed, (label, model) in enumerate([("LMVP", "lmvp"), ("DFN", "dfn")])
    ]
    for run in runs:
        part = {key: run.document[key] for key in ("metrics", "floors")}
        run.document["per_clip"] = {"drive": {"num_sequences": 40, **part}}
    document = compare(runs, [0, 1])
    assert document["intervals"]["block"] == 9
    drive = document["clips"]["drive"]
    assert drive["num_sequences"] == 40
    assert list(drive["systems"]) == ["LMVP", "DFN", "last_frame"]
    assert drive["systems"]["DFN"]["mse"] == runs[1].document["metrics"]["mse"]
    assert drive["systems"]["last_frame"]["ratio"] == 1
    assert document["cited"]["LMVP"]["mse"] == 0.00267


def test_everything_is_json(pair):
    document = compare(pair, [0, 1])
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def test_without_clips_there_are_none_and_sequences_are_drawn_one_by_one(pair):
    document = compare(pair, [0, 1])
    assert (document["clips"], document["intervals"]["block"]) == ({}, 1)


def test_a_run_measured_before_there_was_a_metric_has_none_of_it(pair):
    del pair[1].values["dfn"]["mae_per_frame"]
    document = compare(pair, [0, 1])
    assert document["runs"][0]["metrics"]["mae_per_frame"]["mean"] > 0
    assert document["runs"][1]["metrics"]["mae_per_frame"] is None
    assert "mae_per_frame" not in document["differences"]["runs"]["DFN small"]


def test_without_a_mean_image_it_is_no_floor(pair):
    for run in pair:
        del run.document["floors"]["mean_image"], run.values["mean_image"]
    assert list(compare(pair, [0, 1])["floors"]) == ["last_frame", "zeros"]
