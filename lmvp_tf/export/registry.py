"""The export targets by name. A new one is a file beside this one and a line here."""

from __future__ import annotations

import importlib

from lmvp_tf.errors import UserError
from lmvp_tf.export.exporter import Exporter

# Names of classes, imported when they are asked for: TensorFlow takes seconds.
EXPORTERS = {
    "saved_model": "lmvp_tf.export.saved_model.SavedModel",
    "tflite": "lmvp_tf.export.tflite.TFLite",
    "web": "lmvp_tf.export.web.Web",
    "keras": "lmvp_tf.export.keras_file.KerasFile",
    "weights": "lmvp_tf.export.weights.Weights",
    "record": "lmvp_tf.export.record.Record",
}


def exporter_class(name: str) -> type[Exporter]:
    """The Exporter of a name.

    Raises:
      UserError: there is no such export target.
    """
    if name not in EXPORTERS:
        raise UserError(f"--format must be one of {', '.join(EXPORTERS)}. Received: {name}")
    module, _, attribute = EXPORTERS[name].rpartition(".")
    return getattr(importlib.import_module(module), attribute)
