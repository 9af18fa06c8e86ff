"""The benchmarks: what they write, and that what they compare with is what it is said to be."""

import importlib
import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

from benchmarks import common, steps
from benchmarks.subjects import NOT_QUICK, SUBJECTS, measure

ROOT = pathlib.Path(__file__).parents[2]
KEYS = ["name", "value", "unit", "baseline", "ratio", "floor", "floor_ratio"]


def run(*arguments):
    command = [sys.executable, "-m", "benchmarks", *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.slow
def test_rows_are_written_with_their_keys_and_what_was_left_out_with_a_reason(tmp_path):
    only = "--only=generator_vs_numpy,memory_paper"
    done = run("--quick", only, f"--output={tmp_path}")
    assert done.returncode == 0, done.stderr
    measured, left_out = json.loads((tmp_path / "results.json").read_text())
    assert list(measured) == KEYS
    assert measured["name"] == "generator_vs_numpy"
    assert measured["value"] > measured["floor"] > 0
    assert measured["floor_ratio"] == pytest.approx(measured["value"] / measured["floor"], rel=0.01)
    assert list(left_out) == [*KEYS, "reason"]
    assert (left_out["value"], left_out["reason"]) == (None, "left out by --quick")
    table = (tmp_path / "results.md").read_text()
    assert "| generator_vs_numpy |" in table
    assert "| memory_paper | not measured | left out by --quick |" in table


def test_an_unknown_row_is_refused_with_those_that_there_are(tmp_path):
    done = run("--only=step_large", f"--output={tmp_path}")
    assert done.returncode == 2
    assert "no row 'step_large'. There are: adaptive_filter_k9" in done.stderr
    assert not list(tmp_path.iterdir())


def test_every_row_has_its_function():
    names = [name for rows in SUBJECTS.values() for name in rows]
    assert len(names) == len(set(names))
    assert set(names) > NOT_QUICK
    for subject, rows in SUBJECTS.items():
        module = importlib.import_module(f"benchmarks.{subject}")
        assert all(callable(getattr(module, name)) for name in rows)


def test_a_row_that_fails_says_why_and_the_next_is_measured(monkeypatch):
    from benchmarks import growth

    def fails(quick):
        raise RuntimeError("no\nluck")

    monkeypatch.setattr(growth, "growth_batch", fails)
    monkeypatch.setattr(growth, "growth_time", lambda quick: common.Row("growth_time", 1.0, "x"))
    failed, measured = measure("growth", ["growth_batch", "growth_time"], True)
    assert failed["reason"] == "RuntimeError: no luck"
    assert measured["value"] == 1.0


def test_the_exponent_of_a_power_law():
    sizes = [2.0, 4.0, 16.0]
    assert common.exponent(sizes, [3 * size**1.5 for size in sizes]) == pytest.approx(1.5)


def test_the_usual_filter_equals_the_published_sum():
    from benchmarks.adaptive_filter import identity_kernel_filter

    rng = np.random.default_rng(0)
    frame = rng.random((1, 4, 5, 1)).astype("float32")
    logits = rng.normal(size=(1, 4, 5, 9)).astype("float32")
    weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    padded = np.pad(frame[..., 0], ((0, 0), (1, 1), (1, 1)))
    expected = sum(
        weights[..., 3 * i + j] * padded[:, i : i + 4, j : j + 5]
        for i in range(3)
        for j in range(3)
    )
    np.testing.assert_allclose(identity_kernel_filter(frame, logits)[..., 0], expected, rtol=1e-5)


def test_a_steps_convolutions_are_found_without_those_that_nothing_needs():
    kernel = tf.Variable(tf.ones((3, 3, 1, 2)))

    @tf.function(autograph=False)
    def step(video):
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(tf.nn.conv2d(video, kernel, 2, "SAME") ** 2)
        return tape.gradient(loss, kernel)  # autodiff adds the gradient of the video

    found = steps.convolutions(step, tf.ones((4, 8, 8, 1)))
    assert sorted((operation.type, count) for operation, count in found.items()) == [
        ("Conv2D", 1),
        ("Conv2DBackpropFilter", 1),
    ]
    for operation in found:
        assert steps.runner(operation)().shape == operation.output
