"""Exports a trained run, so that other programs can run the model.

    python run_export.py --workdir=runs/mm --format=saved_model --output=serving/lmvp
    python run_export.py --workdir=runs/mm --format=tflite --output=tflite
    python run_export.py --workdir=runs/mm --format=web --output=docs/web/models/mine
    python run_export.py --workdir=runs/mm --format=keras --output=keras
    python run_export.py --workdir=runs/mm --format=weights --output=results/moving_mnist/mine

saved_model: serving/lmvp/<version>/ for TensorFlow Serving, with the endpoints serve (also
serving_default), serve_uint8 and serve_step. deploy/README.md shows how to serve it.

tflite: tflite/<variant>.tflite with the signatures serve and serve_step, for one video at a time.
Each variant is measured on test sequences beside the model (the table goes to tflite.json too);
one whose error is more than 2% above the model's is not left behind. Variants: float32, float16,
weight_int8, dynamic_int8 and mixed_int8.

web: model.tflite and model.json for the page of docs/web, which predicts in the browser.

keras: keras/<model>.keras, which Keras loads on any of its backends, also without TensorFlow:
docs/devices.md.

weights: a Keras file for each network, with config, log, the figures of run_eval.py and a README:
the form in which results/ has them. Every tool takes such a folder for a workdir.

record: the same without the weights, for a model too large to keep beside the code.
"""

from __future__ import annotations

import pathlib
from typing import Any

from absl import flags

from lmvp_tf import runtime
from lmvp_tf.commands import cli, data_flags
from lmvp_tf.errors import UserError
from lmvp_tf.export.exporter import ExportOptions
from lmvp_tf.export.registry import EXPORTERS, exporter_class

_FORMAT = flags.DEFINE_enum("format", "saved_model", list(EXPORTERS), "What to write.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run, written by run_train.py.")
_OUTPUT = flags.DEFINE_string(
    "output", None, "Where to; for a SavedModel the folder that keeps the model's versions."
)
_HORIZON = flags.DEFINE_integer(
    "horizon", None, "Frames that the model predicts at a time; as many as in training.", 1
)
_VARIANTS = flags.DEFINE_list("variants", None, "tflite: which ones, a,b,...; all by default.")
_NUM_SEQUENCES = flags.DEFINE_integer(
    "num_sequences", None, "tflite: measure on the first so many test sequences; 64 by default.", 1
)
_NOTE = flags.DEFINE_string(
    "note", None, "weights, record: where it was trained, a sentence for the README."
)


def main(argv: list[str]) -> None:
    del argv
    if not _WORKDIR.value:
        raise UserError("--workdir is missing: the folder of a run by run_train.py")
    if not _OUTPUT.value:
        raise UserError("--output is missing: the folder to write to")
    given: dict[str, Any] = {
        "horizon": _HORIZON.value,
        "variants": None if _VARIANTS.value is None else tuple(_VARIANTS.value),
        "num_sequences": _NUM_SEQUENCES.value,
        "note": _NOTE.value,
        "data": data_flags.values() or None,
    }
    given = {name: value for name, value in given.items() if value is not None}
    runtime.import_tensorflow()
    exporter = exporter_class(_FORMAT.value)()
    for name in sorted(given.keys() - exporter.reads):
        flag = {"data": "data_path and --skip_corrupt"}.get(name, name)
        raise UserError(f"--{flag} means nothing to --format={_FORMAT.value}: leave it out")
    exporter.export(
        pathlib.Path(_WORKDIR.value), pathlib.Path(_OUTPUT.value), ExportOptions(**given)
    )


def run() -> None:
    """The program."""
    cli.run(main)
