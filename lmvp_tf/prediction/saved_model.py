"""The Predictor of a SavedModel by run_export.py."""

from __future__ import annotations

import pathlib
from typing import Any

import msgspec
import tensorflow as tf
from absl import logging

from lmvp_tf import configs, manifest
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.errors import UserError
from lmvp_tf.files import LiteralName
from lmvp_tf.prediction import exported
from lmvp_tf.prediction.predictor import Frames, Predictor
from lmvp_tf.readers import read_json, reading

_ADVICE = "export the model again"
_EXPORT = "assets.extra/export.json"


class _Export(msgspec.Struct):
    """What is read of an export.json."""

    config: dict[str, Any]


def load(path: pathlib.Path) -> Predictor:
    """The Predictor of a SavedModel's endpoint serving_default: `frames` -> `predictions`.

    Args:
      path: the folder of a version, with saved_model.pb.

    Raises:
      UserError: it is none, cannot be loaded, or has no such endpoint.
    """
    if not (path / "saved_model.pb").is_file():
        versions = sorted(path.glob("*/saved_model.pb"), key=lambda file: (len(str(file)), file))
        hint = f": name a version, as {versions[-1].parent}" if versions else ""
        raise UserError(f"{path} is no SavedModel, it has no saved_model.pb{hint}")
    _check_whose(path)
    with reading(path, _ADVICE):  # of a damaged graph TensorFlow raises nearly anything
        loaded = tf.saved_model.load(str(LiteralName(path)))
        endpoint = loaded.signatures.get("serving_default")
        inputs = endpoint.structured_input_signature[1] if endpoint else {}
        outputs = endpoint.structured_outputs if endpoint else {}
    if inputs.keys() != {"frames"} or "predictions" not in outputs:
        raise UserError(
            f"{path} has no endpoint serving_default from frames to predictions: it is not from "
            "run_export.py"
        )

    def predict(frames: Frames) -> Frames:
        # By way of `loaded`, which has to live as long as its endpoints are used.
        endpoint = loaded.signatures["serving_default"]
        return endpoint(frames=tf.constant(frames))["predictions"].numpy()

    shapes = (inputs["frames"].shape, outputs["predictions"].shape)
    return exported.predictor(
        predict,
        path,
        *(tuple(shape) if shape.rank else () for shape in shapes),
        **_of_the_run(path / _EXPORT),
    )


def _check_whose(path: pathlib.Path) -> None:
    """Checks that the files are those that were exported; warns where nothing says so.

    A damaged one may end the process, and a strange one is a program: neither is opened unawares.
    """
    names = manifest.files(path) | (manifest.listed(path) - {manifest.FILE})
    read = {name for name in names if not name.startswith("assets.extra/") or name == _EXPORT}
    if not manifest.check(path, read, _ADVICE):
        logging.warning(
            "%s does not say by a %s that run_export.py wrote it: a SavedModel is a program, which "
            "may read and write files. Open it only if you trust who made it",
            path,
            manifest.FILE,
        )


def _of_the_run(path: pathlib.Path) -> dict[str, Any]:
    """What the export says of the run that it is from, for the Predictor."""
    try:
        values = read_json(path, _Export, _ADVICE).config
    except FileNotFoundError:
        return {}  # a SavedModel of another program
    config = configs.from_dict(values, where=str(path))
    return {
        "name": config.model_name,
        "options": config.data.film_options(),
        "smooth": dataset_class(config.dataset).smooth,
        "config": config,
    }
