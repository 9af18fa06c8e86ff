"""Evaluates a trained run on the test set, beside predictors that have learned nothing.

    python run_eval.py --workdir=runs/mm

Prints a table and writes to the workdir's eval/: metrics.json, per_step.csv, per_sequence.npz,
table.txt, and the pictures predictions.png, predictions.gif, per_step.png and training.png.
"""

import pathlib

from absl import flags

from lmvp_tf import cli

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run, written by run_train.py.")
_NUM_SEQUENCES = flags.DEFINE_integer(
    "num_sequences", None, "Evaluate on the first so many test sequences instead of all.", 1
)
_TEST_FILE = flags.DEFINE_string(
    "test_file",
    "",
    "The official mnist_test_seq.npy, to test on instead of the generated test set.",
)
_MNIST_PATH = flags.DEFINE_string(
    "mnist_path", "", "MNIST, where it is not where the training run found it."
)
_HIGHWAY_PATH = flags.DEFINE_string(
    "highway_path", "", "Highway dataset, where it is not where the training run found it."
)
_SKIP_CORRUPT = flags.DEFINE_bool(
    "skip_corrupt", None, "Highway: leave out damaged records, and say how many."
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", 50, "Sequences predicted at a time.", 1)


def main(argv):
    del argv
    if not _WORKDIR.value:
        raise cli.UserError("--workdir is missing: the folder of a run by run_train.py")
    from lmvp_tf.evaluation.workdir import evaluate_workdir  # TensorFlow: not for --help

    workdir = pathlib.Path(_WORKDIR.value)
    data = {
        "data.mnist_path": _MNIST_PATH.value or None,
        "data.highway_path": _HIGHWAY_PATH.value or None,
        "data.skip_corrupt": _SKIP_CORRUPT.value,
    }
    table = evaluate_workdir(
        workdir,
        _NUM_SEQUENCES.value,
        _TEST_FILE.value,
        {path: value for path, value in data.items() if value is not None},
        _BATCH_SIZE.value,
    )
    print(f"\n{table}\n\nTables, figures and films are in {workdir / 'eval'}:")
    for path in sorted((workdir / "eval").iterdir()):
        print(f"  {path}")


if __name__ == "__main__":
    cli.run(main)
