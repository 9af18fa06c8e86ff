"""What the Predictors of exported models share: a function with shapes that are fixed."""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lmvp_tf.errors import RunError, UserError, one_line
from lmvp_tf.prediction.predictor import Frames, Predictor

Shape = Sequence[int | None]


def predictor(
    function: Callable[[Frames], Frames],
    path: pathlib.Path,
    input_shape: Shape,
    output_shape: Shape,
    **options: Any,
) -> Predictor:
    """The Predictor of an exported function.

    Args:
      function: of float32 [B, T0, H, W, C] to [B, S, H, W, C].
      path: what it is from, for errors.
      input_shape: (B, T0, H, W, C); B is None where any number of videos can be given, or 1.
      output_shape: (B, S, H, W, C).
      **options: the Predictor's.

    Raises:
      UserError: other shapes.
    """
    (batch, *inputs), (_, *outputs) = ((list(x) or [None]) for x in (input_shape, output_shape))
    if batch not in (None, 1) or any(len(x) != 4 or None in x for x in (inputs, outputs)):
        raise UserError(
            f"{path}: its input and output must be [B, T, H, W, C], B free or 1 and the rest "
            f"fixed. Received: {tuple(input_shape)} and {tuple(output_shape)}"
        )

    def predict(frames: Frames, horizon: int) -> Frames:
        del horizon  # it predicts as many frames as it was made for
        try:
            if batch is None:
                return function(frames)
            return np.concatenate([function(video[None]) for video in frames])
        except Exception as error:  # a graph raises whatever is in it
            raise RunError(f"{path} cannot predict: {one_line(error)}") from error

    num_inputs, height, width, channels = (int(n or 0) for n in inputs)
    most = int(outputs[0] or 0)
    shape = (num_inputs, height, width, channels)
    try:
        return Predictor(predict, shape, most, max_horizon=most, **options)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
