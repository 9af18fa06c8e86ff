"""Requests that TensorFlow Serving runs when it loads a version, before anyone waits for it."""

from __future__ import annotations

import pathlib
from typing import Any

import tensorflow as tf

from lmvp_tf.errors import RunError, one_line
from lmvp_tf.export.endpoints import Exportable, endpoints
from lmvp_tf.files import atomic_path
from lmvp_tf.serving import BATCH_SIZES


def write(folder: pathlib.Path, exportable: Exportable) -> bool:
    """Writes `assets.extra/tf_serving_warmup_requests`, if tensorflow-serving-api is installed.

    A request to every endpoint in every batch size that the server makes: the first run of each
    optimises a graph. The values make no difference to that, so each tensor is one number with a
    shape, and the file stays small.

    Args:
      folder: of the SavedModel.
      exportable: the Exportable that is in it.

    Returns:
      Whether it was written.

    Raises:
      RunError: it cannot be written.
    """
    try:
        from tensorflow_serving.apis.predict_pb2 import PredictRequest
        from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog, PredictLog
    except ImportError:
        return False
    by_name = endpoints(exportable)
    by_name["serving_default"] = by_name["serve"]
    try:
        with (
            atomic_path(folder / "assets.extra" / "tf_serving_warmup_requests") as path,
            tf.io.TFRecordWriter(str(path)) as writer,
        ):
            for name, endpoint in by_name.items():
                for batch_size in BATCH_SIZES:
                    request = PredictRequest()
                    request.model_spec.name = exportable.config.model_name
                    request.model_spec.signature_name = name
                    for spec in endpoint.specs:
                        request.inputs[spec.name].CopyFrom(_filled(spec, batch_size))
                    log = PredictionLog(predict_log=PredictLog(request=request))
                    writer.write(log.SerializeToString())
    except tf.errors.OpError as error:
        raise RunError(f"cannot write to {folder}: {one_line(error.message)}") from error
    return True


def _filled(spec: tf.TensorSpec, batch_size: int) -> Any:
    """A TensorProto of zeros, in a few bytes."""
    return tf.make_tensor_proto(0, spec.dtype, (batch_size, *spec.shape[1:]))
