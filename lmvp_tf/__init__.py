"""LMVP, a video predictor with leaked motion information, in TensorFlow and Keras 3.

predictor = lmvp_tf.load("runs/mm")
predicted = predictor.predict(frames, horizon=10)
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmvp_tf.errors import RunError, UserError
    from lmvp_tf.prediction.predictor import Predictor

    __version__: str

__all__ = ["Predictor", "RunError", "UserError", "__version__", "load"]


def load(path: str | os.PathLike[str]) -> Predictor:
    """Loads a trained model to predict with.

    Args:
      path: a workdir of run_train.py, the folder of a SavedModel (with saved_model.pb), or a
        .tflite file; or the name of a data set, "moving_mnist" or "highway", for the weights that
        come with the repository.

    Returns:
      A Predictor.

    Raises:
      UserError: there is none of them, or it cannot be read.
    """
    return importlib.import_module("lmvp_tf.prediction.loading").load(path)


_HOMES = {
    "Predictor": "lmvp_tf.prediction.predictor",
    "RunError": "lmvp_tf.errors",
    "UserError": "lmvp_tf.errors",
}


def __getattr__(name: str) -> Any:
    """Imports what is asked for: `import lmvp_tf` takes no time, and Bazel sees no circle."""
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    if name == "__version__":
        return importlib.import_module("importlib.metadata").version("lmvp-tf")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
