"""Evaluates the trained model of a workdir and writes its tables, figures and films."""

from __future__ import annotations

import contextlib
import functools
import pathlib
import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tqdm import tqdm

from lmvp_tf import configs, manifest
from lmvp_tf.configs import Config
from lmvp_tf.datasets.base import Dataset
from lmvp_tf.datasets.registry import dataset_class, open_dataset
from lmvp_tf.distribution import Distribution
from lmvp_tf.evaluation import tables
from lmvp_tf.evaluation.draw import curves
from lmvp_tf.evaluation.draw.film import film
from lmvp_tf.evaluation.draw.prediction_figure import prediction_figure
from lmvp_tf.evaluation.evaluate import results
from lmvp_tf.evaluation.evaluate.floors import System, floors, mean_training_image
from lmvp_tf.evaluation.evaluate.measure import measure
from lmvp_tf.evaluation.evaluate.results import Document
from lmvp_tf.evaluation.evaluate.test_set import TestSet
from lmvp_tf.evaluation.options import EvaluationOptions, evaluation_folder, test_setting
from lmvp_tf.evaluation.training_log import read_columns
from lmvp_tf.files import check_folder, whole_folder, write_text
from lmvp_tf.metrics import registry
from lmvp_tf.metrics.accumulator import suitable
from lmvp_tf.models.predictor import VideoPredictor
from lmvp_tf.training import memory
from lmvp_tf.training.checkpoint import build_for_prediction, read_trained
from lmvp_tf.training.weights import Trained

_MEAN_IMAGE_BATCHES = 32  # of 64 training sequences
_EXAMPLES = 4  # sequences in the film; the figure shows the first two


class Evaluation(NamedTuple):
    """What an evaluation left."""

    table: str
    folder: pathlib.Path


def evaluate_workdir(workdir: pathlib.Path, options: EvaluationOptions | None = None) -> Evaluation:
    """Evaluates a run on the test set.

    Writes metrics.json, per_step.csv, per_sequence.npz, table.txt, predictions.png (the paper's
    Figure 2 or 3), per_step.png (its Figure 5), training.png, predictions.gif and sha256.json. They
    appear together, in the place of those of an earlier evaluation.

    Args:
      workdir: what run_train.py wrote.
      options: on which data, and where to write to.

    Raises:
      UserError: no such run, or data that cannot be used.
      RunError: predictions that are not finite, or a file that cannot be written.
    """
    options = options or EvaluationOptions()
    distribution = options.distribution or Distribution()
    with distribution.loss_told(), _where_to(distribution) as elsewhere:
        evaluation = _evaluate(workdir, options, distribution, elsewhere)
        distribution.sums()  # who leaves before the chief has written would seem to be lost
    return evaluation


@contextlib.contextmanager
def _where_to(distribution: Distribution) -> Iterator[pathlib.Path | None]:
    """The folder of a worker that is not the chief: its files are the chief's again, and go."""
    if distribution.is_chief:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        yield pathlib.Path(folder)


def _evaluate(
    workdir: pathlib.Path,
    options: EvaluationOptions,
    distribution: Distribution,
    elsewhere: pathlib.Path | None,
) -> Evaluation:
    config = configs.load(workdir / "config.json")
    setting = test_setting(config, options)
    memory.check(setting)
    log = workdir / "log.csv"
    if log.exists():
        read_columns(log)  # before an hour is spent, should it be damaged
    model, predict = _networks(config, distribution)
    trained = read_trained(model, workdir)
    videos = open_dataset(setting)
    folder = elsewhere or evaluation_folder(workdir, config, setting, options, videos)
    check_folder(folder)
    print(f"Data: {videos.source}")
    probabilities = config.losses.reconstruction == "bce"
    _say_what_is_left_out(setting, probabilities)
    test = TestSet(videos, options, _EXAMPLES)
    systems = {**_floors(videos), config.model_name: predict}
    with tqdm(total=test.num_sequences, unit="sequence", desc="evaluate") as progress:
        accumulators = measure(
            systems,
            test,
            setting.data.num_inputs,
            probabilities,
            progress=lambda done: progress.update(done - progress.n),
            distribution=distribution,
        )
    document = {
        **_description(setting, model, trained),
        **_of_test(setting, videos, test),
        **results.results(accumulators, config.model_name, test.recordings),
        "config": configs.to_dict(setting),
    }
    table = tables.evaluation_table(document)
    with whole_folder(folder, results.DOCUMENT, manifest.listed(folder)) as new:
        results.write(new, document, accumulators)
        _write_pictures(new, systems[config.model_name], test.examples, document)
        if log.exists():
            curves.training_curves(log, new / "training.png")
        write_text(new / "table.txt", table + "\n")
        manifest.write(new)
    return Evaluation(table, folder)


def _say_what_is_left_out(setting: Config, probabilities: bool) -> None:
    frame_shape = setting.data.frame_shape
    whole = suitable((10**6, 10**6, 1), probabilities)
    missing = [name for name in whole if name not in suitable(frame_shape, probabilities)]
    if missing:
        titles = ", ".join(registry.METRICS[name].title for name in missing)
        print(
            f"{titles}: left out, for frames of {setting.data.height}x{setting.data.width} are "
            "smaller than the windows they look through"
        )


@functools.lru_cache(maxsize=1)
def _networks(config: Config, distribution: Distribution) -> tuple[VideoPredictor, System]:
    """The model of a run, without what it has learned, and how it predicts.

    The last one stays for the next evaluation of the same run: to build and to trace it takes
    seconds, and TensorFlow 2.21 does not free all of a graph with a function compiled by XLA in it.
    """
    model = build_for_prediction(config, distribution)

    @functools.cache
    def graph(num_predicted: int) -> Callable[[tf.Tensor], tf.Tensor]:
        return distribution.spread(lambda inputs: model(inputs, num_predicted=num_predicted))

    return model, lambda inputs, num_predicted: graph(num_predicted)(inputs)


def _floors(videos: Dataset) -> dict[str, System]:
    """The floors. Without training data there is no mean image."""
    mean_image = None
    if videos.has_training:
        mean_image = mean_training_image(videos.train(0, 64), _MEAN_IMAGE_BATCHES)
    return floors(mean_image)


def _description(setting: Config, model: VideoPredictor, trained: Trained) -> Document:
    """What was evaluated."""
    return {
        "dataset": setting.dataset,
        "model": setting.model_name,
        "preset": setting.preset,
        "parameters": model.parameter_counts(),
        "step": trained.step,
        "sequences_seen": trained.step * setting.training.batch_size,
        "train_seconds": trained.seconds,
        "train_cpu_seconds": trained.cpu_seconds,
    }


def _of_test(setting: Config, videos: Dataset, test: TestSet) -> Document:
    """What it was evaluated on, once that was gone over."""
    return {
        "num_inputs": setting.data.num_inputs,
        "num_predicted": setting.data.num_predicted,
        "num_sequences": test.num_sequences,
        "data": videos.source,
        "data_hash": test.sha256,
        "overlap": videos.overlap,
    }


def _write_pictures(
    folder: pathlib.Path,
    predict: System,
    examples: npt.NDArray[np.float32],
    document: Document,
) -> None:
    """Figure 2 or 3 of the paper, the same as a film, and Figure 5."""
    inputs, truth = np.split(examples, [document["num_inputs"]], axis=1)
    model = document["model"]
    prediction = predict(tf.constant(inputs), truth.shape[1]).numpy()
    smooth = dataset_class(document["dataset"]).smooth
    prediction_figure(
        inputs[:2], truth[:2], {model: prediction[:2]}, folder / "predictions.png", smooth=smooth
    )
    film(inputs, truth, {model: prediction}, folder / "predictions.gif", smooth=smooth)
    curves.per_step_figure(
        results.systems_per_step(document),
        folder / "per_step.png",
        document["num_inputs"],
        ("ssim_tf", "psnr", "mse_per_frame"),
    )
