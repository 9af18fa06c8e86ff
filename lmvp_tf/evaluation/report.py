"""The report on several runs: one page with tables, figures and a film, and the files behind it."""

import numpy as np
import tensorflow as tf

from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.errors import UserError
from lmvp_tf.evaluation import curves, figures, markup, report_page
from lmvp_tf.evaluation.comparison import compare
from lmvp_tf.evaluation.evaluator import checked_prediction
from lmvp_tf.evaluation.runs import read_runs
from lmvp_tf.evaluation.workdir import TestSequences
from lmvp_tf.files import write_json, write_text
from lmvp_tf.training.checkpoint import load_trained

_EXAMPLES = 2


def make_report(workdirs, folder, num_sequences=None, data=None, batch_size=50):
    """Compares the runs of several workdirs; evaluates first those that were not yet.

    Writes index.html, which holds everything and needs no other file; report.md with the pictures
    examples.png (the paper's Figures 2 to 4), film.gif, per_step.png (Figure 5) and validation.png;
    and report.json with every figure.

    Args:
      workdirs: pathlib.Paths of folders written by run_train.py, of one dataset.
      folder: a pathlib.Path, made when it is missing.
      num_sequences, data, batch_size: as of `lmvp_tf.evaluation.runs.read_runs`.

    Returns:
      The main table, as text.

    Raises:
      UserError: runs that cannot be compared, test data other than those of their evaluations, or a
        file in the place of the folder.
      RunError: a file cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"--report wants a folder to write to, {folder} is a file")
    runs = read_runs(workdirs, num_sequences, data, batch_size)
    numbers, videos = example_sequences(runs, batch_size)
    names = ",".join(map(str, workdirs))
    command = f"python run_eval.py --workdirs={names} --report={folder}"
    document = {"command": command, **compare(runs, numbers)}
    inputs, truth = np.split(videos, [document["num_inputs"]], axis=1)
    predictions = predict_examples(runs, inputs, truth)
    figures.prediction_figure(inputs, truth, predictions, folder / "examples.png")
    figures.film(inputs, truth, predictions, folder / "film.gif")
    _draw_curves(document, folder)
    page = report_page.page(document)
    write_json(folder / "report.json", document)
    write_text(folder / "report.md", markup.to_markdown(page))
    write_text(folder / "index.html", markup.to_html(page, folder))
    return report_page.text_table(document)


def example_sequences(runs, batch_size=50):
    """Finds the test sequences to show, the same for every run.

    Args:
      runs: list of Run, evaluated on the same sequences.
      batch_size: as of `read_runs`.

    Returns:
      (numbers, videos): their places in the test set, and [2, T, H, W, C] in [0, 1].

    Raises:
      UserError: the test set found now is not that of the evaluations.
    """
    document = runs[0].document
    videos = open_dataset(runs[0].config)
    test = TestSequences(videos, document["num_sequences"], batch_size, _EXAMPLES)
    for _ in test:
        pass  # goes over the whole set: it is hashed
    if test.hash.hexdigest() != document["data_hash"]:
        raise UserError(
            f"the test sequences found now are not those that {runs[0].workdir} was evaluated on: "
            "give the --data_path and --set data.* of then"
        )
    return test.shown, test.examples


def predict_examples(runs, inputs, truth):
    """Predicts the examples anew with the newest checkpoint of every run.

    Args:
      runs: list of Run.
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


def _draw_curves(document, folder):
    per_step = {run["label"]: run["per_step"] for run in document["runs"]}
    per_step |= {name: floor["per_step"] for name, floor in document["floors"].items()}
    curves.per_step_figure(
        per_step, folder / "per_step.png", document["num_inputs"], ("ssim_tf", "psnr")
    )
    validation = {run["label"]: run["validation"] for run in document["runs"] if run["validation"]}
    if validation:
        curves.validation_figure(validation, folder / "validation.png")
