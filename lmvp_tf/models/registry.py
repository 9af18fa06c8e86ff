"""The systems by name. A new one is a file beside this one and a line here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from lmvp_tf.errors import UserError

if TYPE_CHECKING:
    from lmvp_tf.models.predictor import VideoPredictor

# Names of classes, imported when they are asked for: TensorFlow takes seconds.
MODELS = {
    "lmvp": "lmvp_tf.models.lmvp.LMVP",
    "dfn": "lmvp_tf.models.dfn.DFN",
    "conv_lstm": "lmvp_tf.models.conv_lstm.ConvLSTM",
    "fpm": "lmvp_tf.models.fpm.FPM",
    "simvp": "lmvp_tf.models.simvp.SimVP",
    "predrnn": "lmvp_tf.models.predrnn.PredRNN",
    "mcnet": "lmvp_tf.models.mcnet.MCnet",
    "last_frame": "lmvp_tf.models.last_frame.LastFrame",
    "flow": "lmvp_tf.models.flow.Flow",
}


def model_class(name: str) -> type[VideoPredictor]:
    """The VideoPredictor of a name.

    Raises:
      UserError: there is no such model.
    """
    if name not in MODELS:
        raise UserError(f"--model must be one of {', '.join(MODELS)}. Received: {name}")
    module, _, attribute = MODELS[name].rpartition(".")
    return getattr(importlib.import_module(module), attribute)
