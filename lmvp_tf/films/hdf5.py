"""HDF5 files of the DFN authors: `highway_L`, [N, C, W, H], uint8 or float."""

from __future__ import annotations

import contextlib
import functools
import math
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from lmvp_tf import hdf5
from lmvp_tf.errors import UserError, one_line
from lmvp_tf.films.arrays import Array, ArrayFilm, Frames, Scale
from lmvp_tf.films.film import Film, shown
from lmvp_tf.films.limits import LIMITS

if TYPE_CHECKING:
    import h5py

DATASET = "highway_L"
_SAMPLE = 64  # frames that tell how brightness is stored


def open_hdf5(path: pathlib.Path, name: str) -> list[Film]:
    """The film in a file. Its authors' loader transposes the last two axes too.

    Raises:
      UserError: it is damaged, or of another layout.
    """
    shape = _shape(path)
    count, channels, width, height = shape

    @functools.cache
    def scale() -> Scale:
        return Scale.of(_read(path, slice(0, count, -(-count // _SAMPLE))), shown(path))

    frames = Frames(
        shape=(count, height, width, channels),
        layout=f"{DATASET} [N, C, W, H]",
        read=lambda start, stop: _read(path, slice(start, stop)),
        scale=scale,
    )
    return [ArrayFilm(path, name, frames)]


def _shape(path: pathlib.Path) -> tuple[int, int, int, int]:
    with _opened(path) as file:
        if DATASET not in file:
            raise UserError(
                f"{shown(path)}: no dataset {DATASET!r}; it has {one_line(sorted(file))}"
            )
        array = hdf5.array(file, DATASET)
        shape, itemsize = tuple(array.shape or ()), array.dtype.itemsize
        chunk = math.prod(array.chunks or ()) * itemsize  # what is unpacked to read one number
    if len(shape) != 4 or shape[1] not in (1, 3) or not all(shape):
        raise UserError(f"{shown(path)}: {DATASET} must be [N, 1, W, H]. Received: {shape}")
    LIMITS.check_size(path, shape[2], shape[3])
    LIMITS.check_bytes(path, max(chunk, math.prod(shape) * itemsize))
    return shape[0], shape[1], shape[2], shape[3]


def _read(path: pathlib.Path, part: slice) -> Array:
    """Frames as [n, H, W, C]."""
    with _opened(path) as file:
        return np.asarray(hdf5.array(file, DATASET)[part]).transpose(0, 3, 2, 1)


@contextlib.contextmanager
def _opened(path: pathlib.Path) -> Iterator[h5py.File]:
    try:
        with hdf5.opened(path) as file:
            yield file
    except FileNotFoundError as error:
        raise UserError(f"{shown(path)}: no such file") from error
