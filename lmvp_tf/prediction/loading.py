"""Loads a trained model, whatever it is kept in."""

from __future__ import annotations

import importlib
import os
import pathlib
from typing import TYPE_CHECKING

from lmvp_tf.prediction import pretrained

if TYPE_CHECKING:
    from lmvp_tf.prediction.predictor import Predictor

# What a model may be kept in, and the module whose `load(path)` makes a Predictor of it. They are
# imported when they are asked for: on a small device either TensorFlow or the interpreter of
# .tflite files is there without the other.
KINDS = {
    "workdir": "lmvp_tf.prediction.workdir",
    "saved_model": "lmvp_tf.prediction.saved_model",
    "tflite": "lmvp_tf.prediction.tflite",
}


def load(path: str | os.PathLike[str]) -> Predictor:
    """Loads a Predictor. See lmvp_tf.load."""
    if str(path) in pretrained.PRETRAINED and not pathlib.Path(path).exists():
        path = pretrained.find(str(path))
    return load_kind(_kind(pathlib.Path(path)), path)


def load_kind(kind: str, path: str | os.PathLike[str]) -> Predictor:
    """Loads a Predictor from what is known to be of a kind: a key of `KINDS`.

    Raises:
      UserError: it is not of that kind, or cannot be read.
    """
    return importlib.import_module(KINDS[kind]).load(pathlib.Path(path))


def _kind(path: pathlib.Path) -> str:
    if path.suffix.lower() == ".tflite":
        return "tflite"
    pattern = "saved_model.pb"
    if [*path.glob(pattern), *path.glob(f"*/{pattern}")] and not (path / "config.json").is_file():
        return "saved_model"
    return "workdir"
