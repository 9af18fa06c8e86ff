"""What an exported model says of itself: the run that it is from, and how to feed it films.

In a SavedModel it is the file `assets.extra/export.json`; in a .tflite file it is metadata, so that
the file alone is enough. Reading it needs no TensorFlow.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import pathlib
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from lmvp_tf import configs
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.films.options import LARGEST, FrameOptions
from lmvp_tf.readers import Count, read_bytes, reading

if TYPE_CHECKING:
    from lmvp_tf.export.endpoints import Exportable

SAVED_MODEL_FILE = "assets.extra/export.json"
_METADATA = "lmvp_tf"  # its name in a .tflite file
_SEALED = "sealed"  # in the document: its file ends with this, and 64 hex digits
_SEAL = b"lmvp_tf sha256 "
_MOST_BYTES = 2**31 + 2**10  # of a .tflite file: its tables are no larger
_ADVICE = "export the model again"
_Side = Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]


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


class _About(msgspec.Struct):
    """What a Predictor wants to know of a document."""

    model: Annotated[str, msgspec.Meta(max_length=100)]
    film: _Film
    smooth: bool


class _Film(msgspec.Struct):
    height: _Side
    width: _Side
    crop: Literal["centre", "none"] | tuple[Count, Count, _Side, _Side]
    channels: Literal[1, 3]
    stride: Annotated[int, msgspec.Meta(ge=1, le=2**20)]
    fps: Annotated[float, msgspec.Meta(gt=0, le=1e6)] | None
    enlarge: bool = False


def predictor_options(document: dict[str, Any], where: pathlib.Path) -> dict[str, Any]:
    """What a document says that `lmvp_tf.prediction.predictor.Predictor` wants to know.

    Raises:
      UserError: it is damaged.
    """
    with reading(where, _ADVICE):
        found = msgspec.convert(document, _About)
    options = FrameOptions(**msgspec.structs.asdict(found.film))
    return {"name": found.model, "options": options, "smooth": found.smooth}


def into_tflite(content: bytes, document: dict[str, Any]) -> bytes:
    """A .tflite file's content with the document in it, and the SHA-256 of all that at its end.

    What follows a file's tables is passed over by those who read them.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    buffer, entry = schema.BufferT(), schema.MetadataT()
    buffer.data = list(json.dumps({**document, _SEALED: True}).encode())
    entry.name, entry.buffer = _METADATA, len(model.buffers)
    model.buffers.append(buffer)
    model.metadata = [*(model.metadata or []), entry]
    content = bytes(flatbuffer_utils.convert_object_to_bytearray(model))
    return content + _SEAL + _sha256(content)


def of_tflite(path: pathlib.Path) -> dict[str, Any] | None:
    """The document in a .tflite file, which is then the file that was written.

    Returns:
      The document; None where it holds none, a file of another program.

    Raises:
      UserError: it is damaged.
    """
    from ai_edge_litert import schema_py_generated as schema

    with reading(path, _ADVICE):
        content = read_bytes(path, _MOST_BYTES)
        end = len(content) - len(_SEAL) - 2 * hashlib.sha256().digest_size
        sealed = end >= 0 and content[end:].startswith(_SEAL)
        if sealed and content[end + len(_SEAL) :] != _sha256(content[:end]):
            raise ValueError("its SHA-256 is not the one at its end")
        model = schema.Model.GetRootAsModel(content, 0)
        for i in range(model.MetadataLength()):
            entry = model.Metadata(i)
            if entry.Name() == _METADATA.encode():
                text = model.Buffers(entry.Buffer()).DataAsNumpy().tobytes()
                document = msgspec.json.decode(text, type=dict[str, Any])
                if document.pop(_SEALED, False) and not sealed:
                    raise ValueError("its end is missing")
                return document
        if sealed:
            raise ValueError("it does not say what it is made of")
    return None


def _sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
