"""Numbers that are handed to TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def uncached(number: float) -> npt.NDArray[Any]:
    """A number that is another one each time, for TensorFlow to forget.

    Of a Python number TensorFlow keeps the tensor for as long as the process lives, in case it
    comes again: a kilobyte each. It keeps none of an array.
    """
    return np.asarray(number)
