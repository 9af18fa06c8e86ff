"""The Predictor of a .tflite file by run_export.py. It does without TensorFlow."""

from __future__ import annotations

import os
import pathlib

import numpy as np
from absl import logging

from lmvp_tf.errors import UserError
from lmvp_tf.export import about
from lmvp_tf.prediction import exported
from lmvp_tf.prediction.predictor import Frames, Predictor
from lmvp_tf.readers import reading


def load(path: pathlib.Path) -> Predictor:
    """The Predictor of a .tflite file: one input, float32 [1, T0, H, W, C], and one output.

    Raises:
      UserError: there is no such file, it cannot be loaded, or is not from frames to predictions;
        or its interpreter is not installed.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UserError(
            f"{path}: .tflite files are run by ai-edge-litert, which is not installed: "
            "pip install ai-edge-litert"
        ) from error
    document = about.of_tflite(path)
    if document is None:
        logging.warning(
            "%s does not say that run_export.py wrote it: a damaged one may end the program. Open "
            "it only if it is what its author made",
            path,
        )
    with reading(path, "export the model again"):
        interpreter = Interpreter(str(path), num_threads=os.cpu_count())
        interpreter.allocate_tensors()
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1 or inputs[0]["dtype"] != np.float32:
        raise UserError(
            f"{path} is not from frames to predictions: it has {len(inputs)} inputs, the first of "
            f"{np.dtype(inputs[0]['dtype'])}, and {len(outputs)} outputs"
        )

    def predict(frames: Frames) -> Frames:
        interpreter.set_tensor(inputs[0]["index"], frames)
        interpreter.invoke()
        return interpreter.get_tensor(outputs[0]["index"])

    options = about.predictor_options(document, path) if document is not None else {}
    return exported.predictor(predict, path, inputs[0]["shape"], outputs[0]["shape"], **options)
