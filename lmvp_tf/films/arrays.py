"""NumPy files as films: [T, H, W(, C)] is one, [N, T, H, W(, C)] are several.

What an array means is not written in it: it is guessed by shape and numbers, the guess is told in
`describe`, and what fits no film is refused.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import tempfile
import zipfile
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from absl import logging

from lmvp_tf import readers
from lmvp_tf.errors import UserError, one_line
from lmvp_tf.films import picture
from lmvp_tf.films.film import Film, Timeline, shown
from lmvp_tf.films.limits import LIMITS
from lmvp_tf.films.options import FrameOptions

_MAGIC = b"\x93NUMPY"  # how every .npy file begins

Array = npt.NDArray[np.generic]

_SMALLEST = 8  # pixels a side: what is smaller counts something else
_COLOURS = (1, 3, 4)  # grey, RGB, RGB with transparency
_SAMPLE = 64  # frames that tell how brightness is stored
_BLOCK_BYTES = 2**25  # read at a time
_ALIKE = 0.7  # frames that follow each other differ by less than this share of what others do
_OUTSIDE = 1e-3  # what rounding may put outside of [0, 1]


@dataclasses.dataclass(frozen=True)
class Frames:
    """The frames of one film, wherever they are.

    Attributes:
      shape: (T, H, W, C).
      layout: how the array was understood, in words; "" where that is no question.
      read: gives the frames from one position to another, [n, H, W, C]. Every call reads anew, so
        that what was read does not stay in memory.
      scale: gives the Scale of the numbers.
    """

    shape: tuple[int, int, int, int]
    layout: str
    read: Callable[[int, int], Array]
    scale: Callable[[], Scale]

    @classmethod
    def of(cls, array: npt.NDArray[np.uint8]) -> Frames:
        """Frames that are in memory, uint8 [T, H, W, C]."""
        count, height, width, channels = array.shape
        return cls(
            shape=(count, height, width, channels),
            layout="",
            read=lambda start, stop: array[start:stop],
            scale=lambda: Scale(255, "uint8"),
        )


class ArrayFilm(Film):
    """A film in an array."""

    def __init__(self, path: pathlib.Path, name: str, frames: Frames) -> None:
        super().__init__(path, name)
        self._frames = frames

    @property
    def width(self) -> int:
        return self._frames.shape[2]

    @property
    def height(self) -> int:
        return self._frames.shape[1]

    @property
    def channels(self) -> int:
        return 1 if self._frames.shape[3] == 1 else 3

    @property
    def timeline(self) -> Timeline:
        return Timeline.regular(self._frames.shape[0])

    def _notes(self) -> list[str]:
        over = [picture.OVER] if self._frames.shape[3] == 4 else []
        if not self._frames.layout:
            return over
        return [f"read as {self._frames.layout}, {self._frames.scale().words}", *over]

    def _decode(
        self, positions: npt.NDArray[np.int64], options: FrameOptions
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        scale, name = self._frames.scale(), shown(self.path)
        block = max(1, min(256, _BLOCK_BYTES // (8 * self._frames.shape[1] * self.width)))
        start, frames = 0, self._frames.read(0, 0)
        for position in positions.tolist():
            if position >= start + len(frames):
                start, stop = position, min(position + block, int(positions[-1]) + 1)
                frames = self._frames.read(start, stop)
            frame = picture.opaque(scale.levels(frames[position - start], name))
            yield position, picture.fit(frame, options, name)


@dataclasses.dataclass(frozen=True)
class Scale:
    """How an array stores brightness.

    Attributes:
      white: the number for white; black is 0.
      words: it, for the user.
    """

    white: float
    words: str

    @classmethod
    def of(cls, sample: Array, name: str) -> Scale:
        """Finds it by some of the frames.

        Raises:
          UserError: the numbers are no brightness.
        """
        if sample.dtype == bool:
            return cls(1, "bool")
        if sample.dtype == np.uint8:
            return cls(255, "uint8")
        if sample.dtype.kind not in "iuf":
            raise UserError(f"{name}: numbers of type {sample.dtype} are no brightness")
        low, high = float(sample.min()), float(sample.max())
        if sample.dtype.kind == "f" and low >= -_OUTSIDE and high <= 1 + _OUTSIDE:
            return cls(1, f"{sample.dtype} in [0, 1]")
        if low >= 0 and 2 <= high <= 255 + _OUTSIDE:
            return cls(255, f"{sample.dtype} in [0, 255]")
        if sample.dtype == np.uint16:
            return cls(65_535, f"{sample.dtype} in [0, 65535]")
        raise UserError(
            f"{name}: brightness is uint8, uint16, bool, or float in [0, 1] or [0, 255]. "
            f"Received: {sample.dtype} from {low:g} to {high:g}"
        )

    def levels(self, frame: Array, name: str) -> picture.Pixels:
        """A frame as uint8.

        Raises:
          UserError: it has numbers that do not fit the scale.
        """
        if frame.dtype == np.uint8 and self.white == 255:
            return frame.view(np.uint8)
        values = frame.astype(np.float64) / self.white
        low, high = values.min(), values.max()
        if not (low >= -_OUTSIDE and high <= 1 + _OUTSIDE):  # a NaN is not in the range either
            raise UserError(
                f"{name}: numbers must be from 0 to {self.white:g}, as in the rest of the film. "
                f"Received: {low * self.white:g} to {high * self.white:g}"
            )
        return np.rint(255 * values.clip(0, 1)).astype(np.uint8)


def open_npy(path: pathlib.Path, name: str) -> list[Film]:
    """The films in an .npy file.

    Raises:
      UserError: it is damaged, or its shape or type is not that of films.
    """
    return films_of(path, name, lambda: _load(path, path))


def open_npz(path: pathlib.Path, name: str) -> list[Film]:
    """The films in the array of an .npz file, or in the one that is named, as in file.npz:frames.

    Raises:
      UserError: it is damaged, holds several arrays, or their shape or type is not that of films.
    """
    file, key = path, ""
    if not path.exists():
        before, _, key = str(path).rpartition(":")
        file = pathlib.Path(before)
    if not file.exists():
        raise UserError(f"{shown(file)}: no such file")
    unpacked = tempfile.NamedTemporaryFile(suffix=".npy")  # noqa: SIM115 (it is read later)
    with (
        readers.reading(file),
        readers.open_file(file) as packed,
        zipfile.ZipFile(packed) as archive,
    ):
        names = [name.removesuffix(".npy") for name in archive.namelist()]
        if not names:
            raise UserError(f"{shown(file)}: holds no array")
        if key not in names and (key or len(names) != 1):
            raise UserError(
                f"{shown(file)}: holds the arrays {one_line(', '.join(names))}: name "
                f"one, as {shown(file)}:{names[0]}"
            )
        member_name = archive.namelist()[names.index(key) if key else 0]
        with readers.open_member(archive, member_name) as member:
            size = 0
            while block := member.read(_BLOCK_BYTES):
                size += len(block)
                LIMITS.check_bytes(file, size)
                unpacked.write(block)
        unpacked.flush()
    return films_of(path, name, lambda: _load(pathlib.Path(unpacked.name), path))


def _load(path: pathlib.Path, named: pathlib.Path) -> Array:
    """The array in an .npy file, mapped to memory: nothing of it is read yet."""
    with readers.reading(named), readers.open_file(path) as file:
        head = file.read(len(_MAGIC))
    if not head:
        raise UserError(f"{shown(named)}: the file is empty")
    if head != _MAGIC:
        raise UserError(f"{shown(named)}: damaged or no array of NumPy")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except Exception as error:  # of a damaged header NumPy raises whatever the parser ends in
        reason = str(error).replace(str(path), str(named)).split("\n")[0]
        if "pickle" in reason or "Python objects" in reason:
            reason = "objects of Python, which may run programs, are not read"
        raise UserError(f"{shown(named)}: damaged or no array ({reason})") from error
    LIMITS.check_bytes(path, array.nbytes)
    return array


def films_of(path: pathlib.Path, name: str, load: Callable[[], Array]) -> list[Film]:
    """The films in an array of [T, H, W], [T, H, W, C], [N, T, H, W] or [N, T, H, W, C].

    Args:
      path: of the file.
      name: of the film, or how the films' names begin.
      load: gives the array.

    Raises:
      UserError: the shape or the type is not that of films.
    """
    array = load()
    axes = _axes(array, shown(path))
    films, *shape = _in_order(array, axes).shape
    LIMITS.check_size(path, shape[2], shape[1])
    layout = f"[{', '.join(axes)}]"

    @functools.cache
    def scale() -> Scale:
        frames = _in_order(load(), axes)
        sample = np.linspace(0, films * shape[0] - 1, min(_SAMPLE, films * shape[0])).astype(int)
        return Scale.of(np.stack([frames[divmod(i, shape[0])] for i in sample]), shown(path))

    def film(n: int) -> Frames:
        def read(start: int, stop: int) -> Array:
            return np.array(_in_order(load(), axes)[n, start:stop])

        return Frames(tuple(shape), layout, read, scale)

    if "N" not in axes:
        return [ArrayFilm(path, name, film(0))]
    digits = len(str(films - 1))
    return [ArrayFilm(path, f"{name}-{n:0{digits}}", film(n)) for n in range(films)]


def _in_order(array: Array, axes: str) -> Array:
    """A view of an array as [N, T, H, W, C]."""
    array = array if "C" in axes else array[..., None]
    array = array if "N" in axes else array[None]
    return array.swapaxes(0, 1) if axes.startswith("TN") else array


def _axes(array: Array, name: str) -> str:
    """What the axes of an array are: "THW", "THWC", "NTHW", "TNHW" or "NTHWC"."""
    shape, refusal = array.shape, ""
    if not array.size:
        raise UserError(f"{name}: the array is empty, of shape {shape}")
    if array.ndim not in (3, 4, 5):
        refusal = "it is no film"
    elif array.ndim == 3 and shape[-1] in _COLOURS:
        refusal = "it looks like one picture, [H, W, C], and a film is several"
    elif shape[-1] in _COLOURS:
        axes = "THWC" if array.ndim == 4 else "NTHWC"
    elif array.ndim > 3 and shape[-3] in _COLOURS:
        order = "[T, C, H, W]" if array.ndim == 4 else "[N, T, C, H, W]"
        refusal = f"it looks like {order}, with the colours first: np.moveaxis(array, -3, -1) helps"
    elif array.ndim == 5:
        refusal = "the last axis of five is colour, 1, 3 or 4"
    else:
        axes = "THW" if array.ndim == 3 else "NTHW"
    if not refusal and min(_in_order(array, axes).shape[2:4]) < _SMALLEST:
        refusal = f"pictures have {_SMALLEST} pixels a side or more"
    if refusal:
        raise UserError(
            f"{name}: an array is [T, H, W], [T, H, W, C], [N, T, H, W] or [N, T, H, W, C]. "
            f"Received: {list(shape)}: {refusal}"
        )
    return _films_first(array, name) if axes == "NTHW" else axes


def _films_first(array: Array, name: str) -> str:
    """ "TNHW" for an array [T, N, H, W], as that of Moving MNIST is, else "NTHW".

    Frames of one film are more alike than frames of different films.
    """
    first, second = (np.linspace(0, size - 2, 8).astype(int) for size in array.shape[:2])
    if min(array.shape[:2]) < 2:
        return "NTHW"
    here = array[first, second].astype(np.float64)
    along_first = np.abs(array[first + 1, second] - here).mean()
    along_second = np.abs(array[first, second + 1] - here).mean()
    if not along_first < _ALIKE * along_second:
        return "NTHW"
    if array.shape[0] in _COLOURS:
        raise UserError(
            f"{name}: looks like [C, T, H, W], with the colours first: np.moveaxis(array, 0, -1) "
            f"helps. Received: {list(array.shape)}"
        )
    logging.warning(
        "%s: read as [T, N, H, W], %d films of %d frames: frames along the first axis are the more "
        "alike",
        name,
        array.shape[1],
        array.shape[0],
    )
    return "TNHW"
