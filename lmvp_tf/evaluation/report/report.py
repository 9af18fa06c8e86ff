"""The report on several runs: one page with tables, figures and a film, and the files behind it."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf.datasets.base import Dataset
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.compare.comparison import Comparison, compare
from lmvp_tf.evaluation.compare.runs import Run, candidates, read_runs
from lmvp_tf.evaluation.draw import curves
from lmvp_tf.evaluation.draw.film import film
from lmvp_tf.evaluation.draw.prediction_figure import prediction_figure
from lmvp_tf.evaluation.evaluate.measure import checked_prediction
from lmvp_tf.evaluation.evaluate.test_set import TestSet
from lmvp_tf.evaluation.options import EvaluationOptions
from lmvp_tf.evaluation.report import markup, page
from lmvp_tf.files import check_folder, whole_folder, write_json, write_text
from lmvp_tf.training.checkpoint import load_trained

_EXAMPLES = 2
_MAY_BE_MISSING = ("validation.png",)


def make_report(
    workdirs: Sequence[pathlib.Path],
    folder: pathlib.Path,
    options: EvaluationOptions | None = None,
    command: str = "",
) -> str:
    """Compares the runs of several workdirs; evaluates first those that were not yet.

    Writes index.html, which holds everything and needs no other file; report.md with the pictures
    examples.png (the paper's Figures 2 to 4), film.gif, per_step.png (Figure 5) and validation.png;
    and report.json with every value. They appear together.

    Args:
      workdirs: folders written by run_train.py.
      folder: made when it is missing.
      options: of the evaluations: on which data, and how many sequences for those to be made.
      command: what the report says it was made by.

    Returns:
      The main table, as text.

    Raises:
      UserError: runs that cannot be compared, test data other than those of their evaluations, or a
        file in the place of the folder.
      RunError: a file cannot be written.
    """
    options = options or EvaluationOptions()
    check_folder(folder)
    found = candidates(workdirs, options)
    videos = open_dataset(found[0].setting)
    runs = read_runs(found, options, videos)
    test = read_test_set(runs, options, videos)
    document = {"command": command, **compare(runs, test.shown)}
    inputs, truth = np.split(test.examples, [document["num_inputs"]], axis=1)
    predictions = predict_examples(runs, inputs, truth)
    smooth = videos.smooth
    laid_out = page.page(document)
    with whole_folder(folder, "index.html", _MAY_BE_MISSING) as new:
        prediction_figure(inputs, truth, predictions, new / "examples.png", smooth=smooth)
        film(inputs, truth, predictions, new / "film.gif", smooth=smooth)
        _draw_curves(document, new)
        write_json(new / "report.json", document)
        write_text(new / "report.md", markup.to_markdown(laid_out))
        write_text(new / "index.html", markup.to_html(laid_out, new))
    return page.text_table(document)


def read_test_set(runs: Sequence[Run], options: EvaluationOptions, videos: Dataset) -> TestSet:
    """Reads the test sequences of the runs' evaluations, for the examples to show.

    Raises:
      UserError: the test set found now is not that of the evaluations.
    """
    document = runs[0].document
    count = document["num_sequences"]
    asked = EvaluationOptions(num_sequences=count, batch_size=options.batch_size)
    test = TestSet(videos, asked, _EXAMPLES).read()
    if test.sha256 != document["data_hash"]:
        raise UserError(
            f"the test sequences found now are not those that {runs[0].workdir} was evaluated on: "
            "give the --data_path of then"
        )
    return test


def predict_examples(
    runs: Sequence[Run], inputs: npt.NDArray[np.float32], truth: npt.NDArray[np.float32]
) -> dict[str, npt.NDArray[np.float32]]:
    """Predicts the examples anew with the newest checkpoint of every run.

    Args:
      runs: the runs.
      inputs: [N, T0, H, W, C] in [0, 1].
      truth: [N, S, H, W, C].

    Returns:
      {label: [N, S, H, W, C] in [0, 1]}.
    """
    predictions = {}
    for run in runs:
        model, _ = load_trained(run.workdir, run.config)
        prediction = model(tf.constant(inputs), num_predicted=truth.shape[1])
        predictions[run.label] = checked_prediction(run.label, prediction, truth).numpy()
    return predictions


def _draw_curves(document: Comparison, folder: pathlib.Path) -> None:
    per_step = {run["label"]: run["per_step"] for run in document["runs"]}
    per_step |= {name: floor["per_step"] for name, floor in document["floors"].items()}
    curves.per_step_figure(
        per_step, folder / "per_step.png", document["num_inputs"], ("ssim_tf", "psnr")
    )
    validation = {run["label"]: run["validation"] for run in document["runs"] if run["validation"]}
    if validation:
        curves.validation_figure(validation, folder / "validation.png")
