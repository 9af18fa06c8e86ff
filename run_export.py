"""Exports a trained run, so that other programs can run the model.

    python run_export.py --workdir=runs/mm --format=saved_model --output=serving/lmvp

saved_model: serving/lmvp/<version>/ for TensorFlow Serving, with the endpoints serve (also
serving_default), serve_uint8 and serve_step. deploy/README.md shows how to serve it.
"""

import pathlib

from absl import flags

from lmvp_tf import cli

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run, written by run_train.py.")
_OUTPUT = flags.DEFINE_string(
    "output", None, "Where to; for a SavedModel the folder that keeps the model's versions."
)
_HORIZON = flags.DEFINE_integer(
    "horizon", None, "Frames that the model predicts at a time; as many as in training.", 1
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


EXPORTERS = {"saved_model": saved_model}
_FORMAT = flags.DEFINE_enum("format", "saved_model", list(EXPORTERS), "What to write.")


def main(argv):
    del argv
    if not _WORKDIR.value:
        raise cli.UserError("--workdir is missing: the folder of a run by run_train.py")
    if not _OUTPUT.value:
        raise cli.UserError("--output is missing: the folder to write to")
    workdir, output = pathlib.Path(_WORKDIR.value), pathlib.Path(_OUTPUT.value)
    EXPORTERS[_FORMAT.value](workdir, output, _HORIZON.value)


if __name__ == "__main__":
    cli.run(main)
