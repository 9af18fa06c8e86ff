"""One toy of each seam, from outside the package: a class and a registry's line are all it takes.

The programs then train, evaluate, report, export and predict with them.
"""

from __future__ import annotations

import csv
import functools
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from keras import ops

import lmvp_tf
from lmvp_tf import configs
from lmvp_tf.datasets.base import Dataset, DataSettings
from lmvp_tf.datasets.registry import DATASETS
from lmvp_tf.errors import UserError
from lmvp_tf.export.exporter import Exporter
from lmvp_tf.export.registry import EXPORTERS
from lmvp_tf.metrics.metric import FrameMetric
from lmvp_tf.metrics.registry import METRICS
from lmvp_tf.models.predictor import VideoPredictor
from lmvp_tf.models.registry import MODELS
from lmvp_tf.presets.preset import Preset
from lmvp_tf.recipe import LossConfig, TrainingConfig
from lmvp_tf.training.checkpoint import load_trained
from lmvp_tf.training.hooks.hook import Hook
from lmvp_tf.training.hooks.registry import HOOKS
from lmvp_tf.training.procedure import Learner, Procedure
from lmvp_tf.training.procedures import PROCEDURES
from lmvp_tf.training.update import update

pytestmark = pytest.mark.slow


def toy_preset() -> Preset:
    """A second."""
    return Preset(
        size="demo",
        data={"num_frames": 6, "num_inputs": 3, "height": 24, "width": 32},
        losses=LossConfig(reconstruction="mse"),
        training=TrainingConfig(
            batch_size=2, max_steps=4, log_every=2, validate_every=4, validation_sequences=2
        ),
    )


class Bars(Dataset):
    """A bar that slides to the right by two pixels a frame."""

    title = "Sliding bars"
    Settings = DataSettings
    presets = {"demo": toy_preset}  # noqa: RUF012
    columns = ("mse", "toy_metric", "psnr")
    test_size = 5

    def __init__(self, settings):
        self.settings = settings
        self.source, self.fingerprint = "bars, made here", "bars"

    def train(self, seed, batch_size, first_step=0, shard=(1, 0)):
        number, index = shard
        whole = self._batches(tf.data.Dataset.counter(first_step), seed, number * batch_size)
        return whole.map(lambda video: video[index * batch_size : (index + 1) * batch_size])

    def in_graph(self, seed, batch_size):
        return functools.partial(self._draw, seed, batch_size)

    def validation(self, num_sequences, batch_size):
        numbers = tf.data.Dataset.range(num_sequences // batch_size)
        return self._batches(numbers, -1, batch_size)

    def test(self, num_sequences=None, batch_size=64):
        numbers = tf.data.Dataset.range(num_sequences or self.test_size)
        return self._batches(numbers, -2, 1).unbatch().batch(batch_size)

    def _batches(self, numbers, seed, batch_size):
        return numbers.map(functools.partial(self._draw, seed, batch_size))

    def _draw(self, seed, batch_size, number):
        length, (height, width, channels) = self.settings.num_frames, self.settings.frame_shape
        key = tf.stack([tf.constant(seed, tf.int64), tf.cast(number, tf.int64)])
        start = tf.random.stateless_uniform([batch_size, 1, 1], key, 0, width, tf.int32)
        place = (start + 2 * tf.range(length)[:, None]) % width  # [B, T, 1]
        line = tf.cast(tf.abs(tf.range(width) - place) < 3, tf.float32)  # [B, T, W]
        shape = [batch_size, length, height, width, channels]
        return tf.broadcast_to(line[:, :, None, :, None], shape)


@keras.saving.register_keras_serializable(package="seams_test")
class OneLayer(VideoPredictor):
    """The next frame is a convolution of the last."""

    procedure = "toy_procedure"

    def build(self, input_shape):
        self.layer = keras.layers.Conv2D(input_shape[-1], 5, padding="same", name="layer")
        self.layer.build((None, *input_shape[-3:]))

    def call(self, inputs, *, num_predicted):
        frame, frames = inputs[:, -1], []
        for _ in range(num_predicted):
            frame = self.layer(frame)
            frames.append(ops.clip(frame, 0.0, 1.0))
        return ops.stack(frames, axis=1)

    def state_shapes(self, input_shape):
        return {}

    def step(self, frame, state):
        return self.layer(frame), state


class TwoPhases(Procedure):
    """Absolute errors first, squared ones then; a scalar of each that the other has not."""

    scalars = {"L_toy": "losses/L_toy"}  # noqa: RUF012

    def starts(self):
        return {"absolute": 0, "squared": 2}

    def learners(self, model):
        rate = self.config.training.learning_rate
        return {"G": Learner(model.networks["G"], rate, {"squared": rate / 2})}

    def steps(self, model, optimizers):
        def step(name, function, video):
            with tf.GradientTape() as tape:
                predicted = ops.stack([model.layer(video[:, t]) for t in range(3)], axis=1)
                loss = tf.reduce_mean(function(predicted - video[:, 1:4]))
            return {"L_toy": loss, name: loss} | update(optimizers, tape, loss, model.networks)

        return {
            "absolute": functools.partial(step, "undeclared/absolute", tf.abs),
            "squared": functools.partial(step, "undeclared/squared", tf.square),
        }


class EveryThirdStep(Hook):
    """Tells the sum of a kernel after each third step."""

    begun: list[int] = []  # noqa: RUF012
    ended: list[int] = []  # noqa: RUF012

    def begin(self, run):
        self.begun.append(run.step)

    def after_step(self, run, report):
        if run.step % 3 == 0:
            report.extras["toy/kernel"] = float(np.sum(run.state.model.layer.kernel))

    def end(self, run):
        self.ended.append(run.step)


class Brightest(FrameMetric):
    """How bright the brightest pixel of a prediction is."""

    title, axis, form, higher_is_better = "brightest", "brightest pixel", ".3f", True
    protocol = "the largest value of a predicted frame"

    def of_frames(self, truth, prediction):
        return tf.reduce_max(prediction, axis=[2, 3, 4])


class OneArray(Exporter):
    """All weights in one file, so many times as is asked for in the horizon."""

    reads = frozenset({"horizon"})

    def export(self, workdir, output, options):
        model, _ = load_trained(workdir, configs.load(workdir / "config.json"))
        weights = np.concatenate([np.ravel(w) for w in model.get_weights()])
        np.save(output, np.tile(weights, options.horizon))


@pytest.fixture(scope="module")
def program(load_command):
    """Runs a program as its command line would, in this process; knows the toys."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(DATASETS, "toy_data", f"{__name__}.Bars")
        patch.setitem(MODELS, "toy_model", f"{__name__}.OneLayer")
        patch.setitem(PROCEDURES, "toy_procedure", f"{__name__}.TwoPhases")
        patch.setitem(METRICS, "toy_metric", Brightest())
        patch.setitem(EXPORTERS, "toy_format", f"{__name__}.OneArray")
        HOOKS.insert(0, f"{__name__}.EveryThirdStep")

        def run(name, *arguments):
            command = load_command(name)
            flags.FLAGS([name, *map(str, arguments)])
            command.main([name])

        yield run
        del HOOKS[0]


@pytest.fixture(scope="module")
def workdir(program, tmp_path_factory):
    """A run of the toys, stopped after three steps and ended by a second command."""
    workdir = tmp_path_factory.mktemp("toys") / "run"
    arguments = ["--dataset=toy_data", "--model=toy_model", "--preset=demo", f"--workdir={workdir}"]
    program("train", *arguments, "--max_steps=3")
    program("train", *arguments)
    return workdir


def test_it_trains_by_its_procedure_with_its_hook(workdir):
    assert (EveryThirdStep.begun, EveryThirdStep.ended) == ([0, 3], [3, 4])
    with (workdir / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["phase"]) for row in rows] == [
        ("2", "absolute"),
        ("3", "squared"),
        ("4", "squared"),
    ]
    assert [bool(row["toy/kernel"]) for row in rows] == [False, True, False]
    for row in rows:
        assert row[f"undeclared/{row['phase']}"] == row["L_toy"]
    assert float(rows[0]["learning_rate/G"]) == 0.0005  # of the next step: half of the default
    assert float(rows[2]["validation/mse_per_frame"]) > 0
    tags = set()
    for path in workdir.glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            tags |= {value.tag for value in event.summary.value}
    assert {"losses/L_toy", "undeclared/squared", "toy/kernel", "prediction"} <= tags


def test_it_is_evaluated_and_compared(program, workdir, tmp_path, capsys):
    program("eval", f"--workdir={workdir}")
    document = json.loads((workdir / "eval" / "metrics.json").read_text())
    assert (document["dataset"], document["model"]) == ("toy_data", "toy_model")
    assert (document["num_sequences"], document["step"]) == (5, 4)
    values = document["per_step"]["toy_metric"]
    assert document["metrics"]["toy_metric"] == pytest.approx(np.mean(values))
    assert document["floors"]["last_frame"]["toy_metric"] == 1
    program("eval", f"--workdirs={workdir}", f"--report={tmp_path / 'report'}")
    page = (tmp_path / "report" / "index.html").read_text()
    assert "Sliding bars" in page
    assert "brightest" in page
    table = capsys.readouterr().out
    assert "toy_model" in table
    assert "brightest" in table


def test_it_predicts_a_film(program, workdir, tmp_path):
    film = np.zeros((5, 24, 32), np.uint8)
    film[:, :, 10:14] = 255
    np.save(tmp_path / "film.npy", film)
    output = tmp_path / "predicted.npy"
    program(
        "predict", f"--workdir={workdir}", f"--input={tmp_path / 'film.npy'}", f"--output={output}"
    )
    predicted = np.load(output)
    assert predicted.shape[-4:] == (3, 24, 32, 1)
    assert np.isfinite(predicted).all()


def test_a_format_of_ones_own_reads_the_options_that_it_names(program, workdir, tmp_path):
    arguments = [f"--workdir={workdir}", "--format=toy_format", f"--output={tmp_path / 'a.npy'}"]
    program("export", *arguments, "--horizon=2")
    assert np.load(tmp_path / "a.npy").shape == (2 * (25 + 1),)
    with pytest.raises(UserError, match="--note means nothing to --format=toy_format"):
        program("export", *arguments, "--note=mine")


def test_it_is_exported_and_the_export_predicts(program, workdir, tmp_path):
    program("export", f"--workdir={workdir}", "--format=saved_model", f"--output={tmp_path}")
    frames = np.random.default_rng(0).random((3, 24, 32, 1), np.float32)
    of_export, of_run = (lmvp_tf.load(path).predict(frames) for path in (tmp_path / "1", workdir))
    np.testing.assert_allclose(of_export, of_run, atol=1e-5)
