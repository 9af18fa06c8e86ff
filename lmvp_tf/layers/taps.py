"""What is known of filters whose taps come first, [k*k, B, H, W]."""

from __future__ import annotations

import keras
from keras import KerasTensor


def kernel_size_of(taps_first: KerasTensor) -> int:
    """k of a tensor whose first axis holds k*k taps."""
    return round(taps_first.shape[0] ** 0.5)


def sum_dtype(frame: KerasTensor) -> str:
    """The dtype of softmax and sums: float32, or float64 where the frame is float64."""
    return keras.backend.result_type(frame.dtype, "float32")
