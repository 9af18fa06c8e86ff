"""Evaluates a trained run on the test set, beside predictors that have learned nothing.

    python run_eval.py --workdir=runs/mm

Prints a table and writes to the workdir's eval/: metrics.json, per_step.csv, per_sequence.npz,
table.txt, and the pictures predictions.png, predictions.gif, per_step.png and training.png.

    python run_eval.py --workdirs=runs/mm,runs/mm_dfn --report=report

compares several runs on one dataset; those not evaluated yet, or trained on since, are evaluated
first. Prints the table and writes to the folder report: index.html, which holds everything, the
same as report.md with its pictures beside it, and every figure in report.json.
"""

import pathlib

from absl import flags

from lmvp_tf import runtime
from lmvp_tf.commands import cli, data_flags

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
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 50, "Sequences predicted at a time.", 1)


def main(argv):
    del argv
    data = data_flags.values()
    if _TEST_FILE.value is not None:
        data["data.test_file"] = _TEST_FILE.value
    options = {
        "num_sequences": _NUM_SEQUENCES.value,
        "data": data,
        "batch_size": _BATCH_SIZE.value,
    }
    _check_flags()
    runtime.import_tensorflow()  # takes seconds: not for --help or a bad flag
    if _REPORT.value:
        _report([pathlib.Path(name) for name in _WORKDIRS.value], options)
    else:
        _evaluate(pathlib.Path(_WORKDIR.value), options)


def _check_flags():
    if bool(_WORKDIRS.value) != bool(_REPORT.value):
        raise cli.UserError(
            "--workdirs and --report go together: --workdirs=runs/a,runs/b --report=report "
            "compares runs, --workdir=runs/a evaluates one"
        )
    if _WORKDIR.value and _WORKDIRS.value:
        raise cli.UserError("give --workdir to evaluate one run or --workdirs to compare, not both")
    if not _WORKDIR.value and not _WORKDIRS.value:
        raise cli.UserError("--workdir is missing: the folder of a run by run_train.py")


def _evaluate(workdir, options):
    from lmvp_tf.evaluation.workdir import evaluate_workdir

    table = evaluate_workdir(workdir, **options)
    print(f"\n{table}\n\nTables, figures and films are in {workdir / 'eval'}:")
    for path in sorted((workdir / "eval").iterdir()):
        print(f"  {path}")


def _report(workdirs, options):
    from lmvp_tf.evaluation.report import make_report

    folder = pathlib.Path(_REPORT.value)
    table = make_report(workdirs, folder, **options)
    print(f"\n{table}\n\nThe report, to open in a browser: {folder / 'index.html'}")


def run() -> None:
    """The program."""
    cli.run(main)
