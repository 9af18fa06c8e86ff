"""What an exported model says of itself: the run that it is from, and how to feed it films.

In a SavedModel it is the file `assets.extra/export.json`; in a .tflite file it is metadata, so that
the file alone is enough. Reading it needs no TensorFlow.
"""

from __future__ import annotations

import dataclasses
import json
import pathlib
from typing import TYPE_CHECKING, Any

from lmvp_tf import configs
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions

if TYPE_CHECKING:
    from lmvp_tf.export.endpoints import Exportable

SAVED_MODEL_FILE = "assets.extra/export.json"
_METADATA = "lmvp_tf"  # its name in a .tflite file


def about(exportable: Exportable) -> dict[str, Any]:
    """The document, ready for JSON.

    Returns:
      {"model": name, "step": trained for, "horizon": S, "film": fields of the FrameOptions that
      make a film like the training data, "smooth": whether its pictures are enlarged smoothly,
      "config": the whole config of the run}.
    """
    config = exportable.config
    return {
        "model": config.model_name,
        "step": exportable.step,
        "horizon": exportable.horizon,
        "film": dataclasses.asdict(config.data.film_options()),
        "smooth": dataset_class(config.dataset).smooth,
        "config": configs.to_dict(config),
    }


def predictor_options(document: dict[str, Any], where: pathlib.Path) -> dict[str, Any]:
    """What a document says that `lmvp_tf.prediction.predictor.Predictor` wants to know.

    Raises:
      UserError: it is damaged.
    """
    try:
        film = dict(document["film"])
        if not isinstance(film["crop"], str):
            film["crop"] = tuple(film["crop"])
        return {
            "name": str(document["model"]),
            "options": FrameOptions(**film),
            "smooth": bool(document["smooth"]),
        }
    except (LookupError, TypeError, ValueError) as error:
        raise UserError(
            f"{where} does not say what it is made of ({error!r}): export the model again"
        ) from error


def into_tflite(content: bytes, document: dict[str, Any]) -> bytes:
    """A .tflite file's content with the document in it."""
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(json.dumps(document).encode())
    entry.name, entry.buffer = _METADATA, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def of_tflite(path: pathlib.Path) -> dict[str, Any] | None:
    """The document in a .tflite file; None where it holds none, a file of another program.

    Raises:
      UserError: it is damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    content = path.read_bytes()
    try:
        model = schema.Model.GetRootAsModel(content, 0)
        for i in range(model.MetadataLength()):
            entry = model.Metadata(i)
            if entry.Name() == _METADATA.encode():
                document = json.loads(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
                return document if isinstance(document, dict) else {}
    except Exception as error:  # a damaged flatbuffer makes its reader raise nearly anything
        raise UserError(f"{path} is damaged ({error!r}): export the model again") from error
    return None
