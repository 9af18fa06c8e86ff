"""LMVP, a video predictor with leaked motion information, in TensorFlow and Keras 3.

predictor = lmvp_tf.load("runs/mm")
predicted = predictor.predict(frames, horizon=10)

model = lmvp_tf.build_model("moving_mnist", "small")  # untrained, a keras.Model
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lmvp_tf.errors import RunError, UserError
    from lmvp_tf.models.predictor import VideoPredictor
    from lmvp_tf.prediction.predictor import Predictor

    __version__: str

__all__ = ["Predictor", "RunError", "UserError", "__version__", "build_model", "load"]


def load(path: str | os.PathLike[str]) -> Predictor:
    """Loads a trained model to predict with.

    Args:
      path: a workdir of run_train.py, the folder of a SavedModel (with saved_model.pb), or a
        .tflite file; or a name of weights that come with the program: "driving" (roads, 72x128 in
        colour), "highway" (one drive, 64x64 in grey) or "moving_mnist".

    Returns:
      A Predictor.

    Raises:
      UserError: there is none of them, or it cannot be read.
    """
    return importlib.import_module("lmvp_tf.prediction.loading").load(path)


def build_model(
    dataset: str = "moving_mnist", preset: str = "small", model: str = "lmvp", **settings: Any
) -> VideoPredictor:
    """Makes an untrained model, as `run_train.py` does at a run's beginning.

    Args:
      dataset: a key of lmvp_tf.datasets.registry.DATASETS.
      preset: as --preset.
      model: a key of lmvp_tf.models.registry.MODELS.
      **settings: fields of the config, two underscores for the dot: data__height=72.

    Returns:
      A built keras.Model: [B, T0, H, W, C] in [0, 1] -> [B, S, H, W, C] by
      `model(frames, num_predicted=S)`.

    Raises:
      UserError: an unknown name, or settings that cannot work.
    """
    configs = importlib.import_module("lmvp_tf.configs")
    named = importlib.import_module("lmvp_tf.presets.named")
    checkpoint = importlib.import_module("lmvp_tf.training.checkpoint")
    values = {name.replace("__", "."): value for name, value in settings.items()}
    config = configs.replace(named.get(dataset, preset, model), values)
    return checkpoint.build_model(configs.validate(config))


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
