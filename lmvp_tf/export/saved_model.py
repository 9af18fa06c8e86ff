"""A trained model as a SavedModel, the way TensorFlow Serving reads it: `<output>/<version>/`."""

from __future__ import annotations

import errno
import pathlib
import typing
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf import manifest
from lmvp_tf.errors import RunError, one_line
from lmvp_tf.export import check, warmup
from lmvp_tf.export.about import SAVED_MODEL_FILE, about
from lmvp_tf.export.endpoints import Exportable, endpoints, load_exportable, use_filter
from lmvp_tf.export.exporter import Exporter, ExportOptions
from lmvp_tf.files import unseen_folder, write_json

TOLERANCE = 1e-5  # of a pixel or a part of the state, between the checkpoint and what was written


class SavedModel(Exporter):
    """`<output>/<version>/` for TensorFlow Serving: see `export`."""

    reads = frozenset({"horizon"})

    def export(self, workdir: pathlib.Path, output: pathlib.Path, options: ExportOptions) -> None:
        exported = export(workdir, output, options.horizon)
        print(
            f"{exported.folder}: {exported.size / 1e6:.1f} MB, at most "
            f"{exported.max_difference:.1e} from the checkpoint. Serve it: deploy/README.md"
        )
        if not exported.has_warmup:
            print(
                "No warm-up requests were written, so that a server's first answers will be slow: "
                "pip install 'lmvp-tf[serving]' and export again"
            )


class Exported(typing.NamedTuple):
    """What was written."""

    folder: pathlib.Path  # <output>/<version>
    size: int  # bytes
    max_difference: float  # from the checkpoint's model
    has_warmup: bool


def export(workdir: pathlib.Path, output: pathlib.Path, horizon: int | None = None) -> Exported:
    """Writes the model of a workdir to `<output>/<version>/`, the next free integer.

    The version appears when it is whole and was seen, in a process of its own, to predict what the
    checkpoint's model predicts; else nothing is left behind. Beside the model it has
    `assets.extra/export.json` (what it is), `assets.extra/tf_serving_warmup_requests` and
    sha256.json.

    Args:
      workdir: a pathlib.Path that run_train.py wrote.
      output: a pathlib.Path, the folder of all versions; made when it is missing.
      horizon: S, how many frames to predict; None for as many as in training.

    Returns:
      Exported.

    Raises:
      UserError: no such run, or a model that cannot be exported.
      RunError: the files cannot be written, or predict something else.
    """
    exportable = load_exportable(workdir, horizon)
    requests, answers = sample(exportable)
    with unseen_folder(output / "export") as folder:
        write(exportable, folder)
        difference = max_difference(answers, check.answers(folder, requests))
        if not difference < TOLERANCE:  # so that NaN fails too
            raise RunError(
                f"the SavedModel does not predict what the checkpoint of {workdir} predicts: they "
                f"differ by {difference:.1e} (allowed: {TOLERANCE:.0e}). It was removed"
            )
        has_warmup = warmup.write(folder, exportable)
        write_json(
            folder / SAVED_MODEL_FILE,
            {
                **about(exportable),
                "max_difference": difference,
                "tensorflow": tf.__version__,
            },
        )
        manifest.write(folder)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        return Exported(_publish(folder, output), size, difference, has_warmup)


def write(exportable: Exportable, folder: pathlib.Path) -> None:
    """Writes a SavedModel with the endpoints of `endpoints` and "serving_default", which is
    "serve".

    Args:
      exportable: an Exportable. Its model is left with the filters that are exported.
      folder: where to.
    """
    use_filter(exportable.model, "reference")
    archive = keras.export.ExportArchive()
    for name, endpoint in endpoints(exportable).items():
        archive.add_endpoint(name, endpoint.function, list(endpoint.specs))
    try:
        archive.write_out(str(folder), verbose=False)
    except tf.errors.OpError as error:
        raise RunError(f"cannot write to {folder}: {one_line(error.message)}") from error


def sample(exportable: Exportable) -> tuple[check.Tensors, check.Tensors]:
    """Requests to each endpoint, and what the checkpoint's model answers.

    Two videos of noise, and for "serve_step" one state that starts and one in mid-run.

    Returns:
      {endpoint: {name: array}}, the requests, and the same of the answers.
    """
    rng = np.random.default_rng(0)

    def noise(spec: tf.TensorSpec) -> npt.NDArray[Any]:
        if spec.dtype == tf.uint8:
            return rng.integers(0, 256, (2, *spec.shape[1:]), np.uint8)
        return rng.random((2, *spec.shape[1:]), np.float32)

    requests: check.Tensors = {}
    answers: check.Tensors = {}
    for name, endpoint in endpoints(exportable).items():
        inputs = {spec.name: noise(spec) for spec in endpoint.specs}
        for part in inputs.keys() - {"frame", "frames"}:
            inputs[part][0] = 0.0
        outputs = tf.function(endpoint.function, autograph=False)(
            *map(tf.constant, inputs.values())
        )
        requests[name] = inputs
        answers[name] = {part: value.numpy() for part, value in outputs.items()}
    return requests, answers


def max_difference(expected: check.Tensors, received: check.Tensors) -> float:
    """The largest absolute difference of two sets of answers; NaN where one has a NaN.

    One grey level of a uint8 picture does not count: a value between two levels may be rounded to
    either.
    """
    differences = []
    for name, outputs in expected.items():
        for part, value in outputs.items():
            difference = np.abs(np.float64(value) - np.float64(received[name][part]))
            if value.dtype == np.uint8:
                difference = np.maximum(difference - 1, 0) / 255
            differences.append(difference.max())
    return float(np.max(differences))


def _publish(folder: pathlib.Path, output: pathlib.Path) -> pathlib.Path:
    """Gives a folder the next free number in `output`; returns its new path."""
    version = 1 + max([int(path.name) for path in output.iterdir() if path.name.isdecimal()] or [0])
    while True:
        try:
            return folder.rename(output / str(version))
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
        version += 1  # another export has just taken that number
