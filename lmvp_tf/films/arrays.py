"""NumPy files as films."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from lmvp_tf.errors import UserError
from lmvp_tf.films.film import Film, Timeline
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.films.picture import fit


class Array(Film):
    """A film of an array [T, H, W, C]."""

    def __init__(self, path: pathlib.Path, name: str, array: npt.NDArray) -> None:
        super().__init__(path, name)
        self._array = array

    @property
    def width(self) -> int:
        return self._array.shape[2]

    @property
    def height(self) -> int:
        return self._array.shape[1]

    @property
    def channels(self) -> int:
        return self._array.shape[3]

    @property
    def timeline(self) -> Timeline:
        return Timeline.regular(len(self._array))

    def _decode(
        self, positions: npt.NDArray[np.int64], options: FrameOptions
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        for position in positions.tolist():
            frame = self._array[position]
            if frame.dtype != np.uint8:
                frame = np.rint(frame * 255.0).astype(np.uint8)
            yield position, fit(frame, options, str(self.path))


def open_array(path: pathlib.Path, name: str) -> list[Film]:
    """The films of an .npy file: [T, H, W(, C)] or [N, T, H, W(, C)]."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    if array.ndim not in (3, 4, 5):
        raise UserError(f"{path}: must be [T, H, W(, C)] or [N, T, H, W(, C)]: {array.shape}")
    if array.ndim in (3, 4) and array.shape[-1] not in (1, 3):
        array = array[..., None]
    if array.ndim == 4:
        return [Array(path, name, array)]
    digits = len(str(len(array) - 1))
    return [Array(path, f"{name}-{i:0{digits}}", part) for i, part in enumerate(array)]
