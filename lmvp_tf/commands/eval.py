"""Evaluates a trained run on the test set, beside predictors that have learned nothing.

    python run_eval.py --workdir=runs/mm

Prints a table and writes to the workdir's eval/: metrics.json, per_step.csv, per_sequence.npz,
table.txt, and the pictures predictions.png, predictions.gif, per_step.png and training.png.

    python run_eval.py --workdir=runs/mm --data_path=OTHER --horizon=20 --output=somewhere

evaluates it elsewhere: on other data, of another data set too (--eval_dataset), or further ahead.
Without --output that goes to a folder of its own in the workdir, such as eval-OTHER-20_frames.

    python run_eval.py --workdirs=runs/mm,runs/mm_dfn --report=report

compares several runs on one data set; those not evaluated yet, or trained on since, are evaluated
first. Prints the table and writes to the folder report: index.html, which holds everything, the
same as report.md with its pictures beside it, and every value in report.json.
"""

from __future__ import annotations

import dataclasses
import pathlib
import shlex
import sys

from absl import flags

from lmvp_tf import manifest, runtime
from lmvp_tf.commands import cli, data_flags, device_flags
from lmvp_tf.evaluation.options import EvaluationOptions

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run, written by run_train.py.")
_WORKDIRS = flags.DEFINE_list("workdirs", [], "Folders of runs to compare, a,b,...: see --report.")
_REPORT = flags.DEFINE_string("report", None, "Folder to write the comparison of --workdirs to.")
_NUM_SEQUENCES = flags.DEFINE_integer(
    "num_sequences",
    None,
    "Evaluate on the first so many test sequences instead of all. With --workdirs: those runs that "
    "were not evaluated yet; without it, as many as the others were evaluated on.",
    1,
)
_TEST_FILE = flags.DEFINE_string(
    "test_file",
    None,
    "The official mnist_test_seq.npy, to test on instead of the generated test set.",
)
_EVAL_DATASET = flags.DEFINE_string(
    "eval_dataset", None, "Name of the data set to test on, where it is not the run's."
)
_HORIZON = flags.DEFINE_integer(
    "horizon", None, "How many frames to predict, where not as many as in training.", 1
)
_OUTPUT = flags.DEFINE_string(
    "output",
    None,
    "Folder to write to instead of the workdir's eval/, or eval-... for other data or --horizon.",
)
_BATCH_SIZE = flags.DEFINE_integer(
    "batch_size", EvaluationOptions.batch_size, "Sequences predicted at a time.", 1
)


def main(argv: list[str]) -> None:
    """Flags -> options -> evaluation or report."""
    del argv
    data = data_flags.values()
    if _TEST_FILE.value is not None:
        data["data.test_file"] = _TEST_FILE.value
    options = EvaluationOptions(
        num_sequences=_NUM_SEQUENCES.value,
        batch_size=_BATCH_SIZE.value,
        dataset=_EVAL_DATASET.value,
        data=data,
        horizon=_HORIZON.value,
        output=pathlib.Path(_OUTPUT.value) if _OUTPUT.value else None,
    )
    _check_flags()
    runtime.import_tensorflow()  # takes seconds: not for --help or a bad flag
    options = dataclasses.replace(options, distribution=device_flags.open_devices())
    if _REPORT.value:
        _report(_WORKDIRS.value or [], _REPORT.value, options)
    else:
        _evaluate(_WORKDIR.value or "", options)


def _check_flags() -> None:
    if bool(_WORKDIRS.value) != bool(_REPORT.value):
        raise cli.UserError(
            "--workdirs and --report go together: --workdirs=runs/a,runs/b --report=report "
            "compares runs, --workdir=runs/a evaluates one"
        )
    if _WORKDIR.value and _WORKDIRS.value:
        raise cli.UserError("give --workdir to evaluate one run or --workdirs to compare, not both")
    if not _WORKDIR.value and not _WORKDIRS.value:
        raise cli.UserError("--workdir is missing: the folder of a run by run_train.py")
    if _REPORT.value and device_flags.DISTRIBUTE.value == "multi_worker":
        raise cli.UserError(
            "--report is made by one process: evaluate the runs by --distribute=multi_worker first"
        )
    if _REPORT.value and _OUTPUT.value:
        raise cli.UserError("--output is of one run; a report is written to the folder of --report")


def _evaluate(workdir: str, options: EvaluationOptions) -> None:
    from lmvp_tf.evaluation.evaluate.workdir import evaluate_workdir

    evaluation = evaluate_workdir(pathlib.Path(workdir), options)
    folder = evaluation.folder
    if not folder.exists():
        return  # of a worker that is not the chief
    print(f"\n{evaluation.table}\n\nTables, figures and films are in {folder}:")
    for name in sorted(manifest.listed(folder) - {manifest.FILE}):
        print(f"  {folder / name}")


def _report(workdirs: list[str], report: str, options: EvaluationOptions) -> None:
    from lmvp_tf.evaluation.report.report import make_report

    folder = pathlib.Path(report)
    command = shlex.join(["python", *sys.argv])
    table = make_report([pathlib.Path(name) for name in workdirs], folder, options, command)
    print(f"\n{table}\n\nThe report, to open in a browser: {folder / 'index.html'}")


def run() -> None:
    """The program."""
    cli.run(main)
