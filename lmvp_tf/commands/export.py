"""Exports a trained run, so that other programs can run the model.

    python run_export.py --workdir=runs/mm --format=saved_model --output=serving/lmvp
    python run_export.py --workdir=runs/mm --format=tflite --output=tflite
    python run_export.py --workdir=runs/mm --format=weights --output=results/moving_mnist/mine

saved_model: serving/lmvp/<version>/ for TensorFlow Serving, with the endpoints serve (also
serving_default), serve_uint8 and serve_step. deploy/README.md shows how to serve it.

tflite: tflite/<variant>.tflite with the signatures serve and serve_step, for one video at a time.
Each variant is measured on test sequences beside the model (the table goes to tflite.json too);
one whose error is more than 2% above the model's is not left behind. Variants: float32, float16,
weight_int8, dynamic_int8 and mixed_int8.

weights: a Keras file for each network, with config, log, the figures of run_eval.py and a README:
the form in which results/ has them. Every tool takes such a folder for a workdir.

record: the same without the weights, for a model too large to keep beside the code.
"""

import pathlib

from absl import flags

from lmvp_tf import runtime
from lmvp_tf.commands import cli, data_flags
from lmvp_tf.errors import RunError

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run, written by run_train.py.")
_OUTPUT = flags.DEFINE_string(
    "output", None, "Where to; for a SavedModel the folder that keeps the model's versions."
)
_HORIZON = flags.DEFINE_integer(
    "horizon", None, "Frames that the model predicts at a time; as many as in training.", 1
)
_VARIANTS = flags.DEFINE_list("variants", None, "tflite: which ones, a,b,...; all by default.")
_NUM_SEQUENCES = flags.DEFINE_integer(
    "num_sequences", 64, "tflite: measure on the first so many test sequences.", 1
)
_NOTE = flags.DEFINE_string(
    "note", "", "weights, record: where it was trained, a sentence for the README."
)


def saved_model(workdir, output, horizon):
    """Exports for TensorFlow Serving, and says what was written."""
    from lmvp_tf.export.saved_model import export  # TensorFlow takes seconds: not for --help

    exported = export(workdir, output, horizon)
    print(
        f"{exported.folder}: {exported.size / 1e6:.1f} MB, at most {exported.max_difference:.1e} "
        "from the checkpoint. Serve it: deploy/README.md"
    )
    if not exported.has_warmup:
        print(
            "No warm-up requests were written, so that a server's first answers will be slow: "
            "pip install 'lmvp-tf[serving]' and export again"
        )


def tflite(workdir, output, horizon):
    """Exports .tflite files, and prints what was measured."""
    from lmvp_tf.export import tflite, tflite_measure

    measured = tflite.export(
        workdir,
        output,
        tflite.VARIANTS if _VARIANTS.value is None else _VARIANTS.value,
        horizon,
        _NUM_SEQUENCES.value,
        data_flags.values(),
    )
    print(f"\n{tflite_measure.table(measured)}\n")
    passed = [
        output / f"{name}.tflite" for name, one in measured.items() if name and not one.failure
    ]
    if not passed:
        raise RunError(f"no variant passed; what they predict is in {output / 'tflite.json'}")
    print(f"Written to {output}: {', '.join(path.name for path in passed)}, tflite.json")


def weights(workdir, output, horizon):
    """Writes the weights and all that belongs to them."""
    _publish(workdir, output, horizon)
    print(f"Written to {output}. Evaluate it: python run_eval.py --workdir={output}")


def record(workdir, output, horizon):
    """Writes all that belongs to a run but its weights."""
    _publish(workdir, output, horizon, with_weights=False)
    print(f"Written to {output}, without weights.")


def _publish(workdir, output, horizon, **options):
    from lmvp_tf.export.published import publish

    if horizon is not None:
        raise cli.UserError(
            "--horizon is for exported models: weights predict any number of frames"
        )
    publish(workdir, output, _NOTE.value, **options)


EXPORTERS = {"saved_model": saved_model, "tflite": tflite, "weights": weights, "record": record}
_FORMAT = flags.DEFINE_enum("format", "saved_model", list(EXPORTERS), "What to write.")


def main(argv):
    del argv
    if not _WORKDIR.value:
        raise cli.UserError("--workdir is missing: the folder of a run by run_train.py")
    if not _OUTPUT.value:
        raise cli.UserError("--output is missing: the folder to write to")
    workdir, output = pathlib.Path(_WORKDIR.value), pathlib.Path(_OUTPUT.value)
    runtime.import_tensorflow()
    EXPORTERS[_FORMAT.value](workdir, output, _HORIZON.value)


def run() -> None:
    """The program."""
    cli.run(main)
