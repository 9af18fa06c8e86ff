"""The files of an evaluation: what is in them, and what is read of older ones."""

import csv
import json

import numpy as np
import pytest

from lmvp_tf import configs
from lmvp_tf.evaluation.evaluate import floors, results, stored
from lmvp_tf.evaluation.evaluate.measure import measure
from lmvp_tf.metrics.registry import computed
from lmvp_tf.presets import named

_MEAN_IMAGE = np.full((12, 12, 1), 0.25, np.float32)


@pytest.fixture(name="accumulators", scope="module")
def _accumulators():
    rng = np.random.default_rng(0)
    systems = {"lmvp": lambda x, s: 0.5 * floors.last_frame(x, s)}
    videos = rng.random((4, 5, 12, 12, 1), np.float32)
    return measure(systems | floors.floors(_MEAN_IMAGE), [videos], 2, probabilities=False)


@pytest.fixture(name="document")
def _document(accumulators):
    """A metrics.json of a highway run on frames of 12x12."""
    config = configs.replace(named.get("highway", "demo"), {"data.size": 12})
    return {
        "dataset": "highway",
        "model": "lmvp",
        "preset": "demo",
        "parameters": {"total": 3},
        "step": 7,
        "sequences_seen": 56,
        "train_seconds": 1.5,
        "num_sequences": 4,
        "data_hash": "abc",
        "overlap": 6,
        **results.results(accumulators, "lmvp", ["a", "a", "b", "a"]),
        "config": configs.to_dict(config),
    }


def test_the_measured_part(accumulators, document):
    last_frame = accumulators["last_frame"]
    result = accumulators["lmvp"].result(last_frame=last_frame)
    assert document["metrics"] == result["metrics"]
    assert document["per_step"] == result["per_step"]
    assert list(document["floors"]) == ["last_frame", "zeros", "mean_image"]
    zeros = accumulators["zeros"].result(last_frame=last_frame)
    assert document["floors"]["zeros"] == {**zeros["metrics"], "per_step": zeros["per_step"]}
    assert document["floors"]["last_frame"]["ratio"] == 1
    assert {n: part["num_sequences"] for n, part in document["per_clip"].items()} == {
        "a": 3,
        "b": 1,
    }
    mse = accumulators["lmvp"].values()["mse"]
    assert document["per_clip"]["a"]["metrics"]["mse"] == pytest.approx(mse[[0, 1, 3]].mean())


def test_without_training_data_there_is_no_mean_image(accumulators):
    rest = {name: a for name, a in accumulators.items() if name != "mean_image"}
    assert list(results.results(rest, "lmvp")["floors"]) == ["last_frame", "zeros"]


def test_written_results_read_back(accumulators, document, tmp_path):
    results.write(tmp_path, document, accumulators)
    assert stored.read(tmp_path).document == {"train_cpu_seconds": 0.0, **document}
    with (tmp_path / "per_step.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["system", "step", *computed()]
    assert [(row["system"], row["step"]) for row in rows[:4]] == [
        ("lmvp", "1"),
        ("lmvp", "2"),
        ("lmvp", "3"),
        ("last_frame", "1"),
    ]
    assert len(rows) == 4 * 3
    assert [float(row["psnr"]) for row in rows[:3]] == document["per_step"]["psnr"]
    assert rows[0]["bce"] == ""
    values = stored.read(tmp_path).values
    assert values["zeros"]["mse"].shape == (4, 3)
    assert values["lmvp"]["ssim_tf"].mean() == pytest.approx(document["metrics"]["ssim_tf"])
    assert "bce" not in values["lmvp"]


def test_a_file_from_before_a_metric_lacks_its_values(accumulators, document, tmp_path):
    results.write(tmp_path, document, accumulators)
    old = json.loads((tmp_path / "metrics.json").read_text())
    parts = [old, *old["per_clip"].values()]
    tables = [part["metrics"] for part in parts]
    tables += [floor for part in parts for floor in part["floors"].values()]
    tables += [part["per_step"] for part in parts]
    tables += [floor["per_step"] for part in parts for floor in part["floors"].values()]
    for means in tables:
        for name in ("mae_per_frame", "ratio"):
            del means[name]
    (tmp_path / "metrics.json").write_text(json.dumps(old))
    read = stored.read(tmp_path).document
    assert read["metrics"]["mae_per_frame"] is None
    assert read["per_clip"]["b"]["floors"]["zeros"]["per_step"]["mae_per_frame"] is None
    assert read["metrics"]["ratio"] == document["metrics"]["ratio"]  # follows from what is there
    assert read["per_clip"]["b"]["per_step"]["ratio"] == pytest.approx(
        document["per_clip"]["b"]["per_step"]["ratio"]
    )


def test_a_file_without_what_a_report_needs_counts_as_none(accumulators, document, tmp_path):
    del document["overlap"]
    results.write(tmp_path, document, accumulators)
    assert stored.read(tmp_path) is None
