"""The Predictor of a SavedModel by run_export.py."""

from __future__ import annotations

import json
import pathlib
from typing import Any

import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.errors import UserError
from lmvp_tf.prediction import exported
from lmvp_tf.prediction.predictor import Frames, Predictor


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
    try:
        loaded = tf.saved_model.load(str(path))
    except (tf.errors.OpError, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be loaded: {str(error).splitlines()[0]}") from error
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
        **_of_the_run(path / "assets.extra" / "export.json"),
    )


def _of_the_run(path: pathlib.Path) -> dict[str, Any]:
    """What the export says of the run that it is from, for the Predictor."""
    if not path.is_file():
        return {}  # a SavedModel of another program
    try:
        values = json.loads(path.read_text(encoding="utf-8"))["config"]
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}): export the model again") from error
    config = configs.from_dict(values, where=str(path))
    return {
        "name": config.model_name,
        "options": config.data.film_options(),
        "smooth": dataset_class(config.dataset).smooth,
        "config": config,
    }
