"""Folders of frames: one picture a file, in the order that their names say."""

from __future__ import annotations

import functools
import pathlib
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from lmvp_tf.errors import UserError
from lmvp_tf.films.film import Film, Timeline
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.films.picture import fit


class Pictures(Film):
    """A film of one file a frame."""

    def __init__(self, path: pathlib.Path, name: str, files: list[pathlib.Path]) -> None:
        super().__init__(path, name)
        key = lambda file: [int(x) for x in re.findall(r"\d+", file.stem)]  # noqa: E731
        self._files = sorted(files, key=key)

    @functools.cached_property
    def _first(self) -> npt.NDArray[np.uint8]:
        return self._picture(0)

    @property
    def width(self) -> int:
        return self._first.shape[1]

    @property
    def height(self) -> int:
        return self._first.shape[0]

    @property
    def channels(self) -> int:
        return self._first.shape[2]

    @property
    def timeline(self) -> Timeline:
        return Timeline.regular(len(self._files))

    def _picture(self, position: int) -> npt.NDArray[np.uint8]:
        path = self._files[position]
        try:
            with Image.open(path) as image:
                grey = image.mode in ("1", "L", "LA")
                pixels = np.asarray(image.convert("L" if grey else "RGB"))
        except OSError as error:
            raise UserError(f"{path}: damaged or not a picture ({error})") from error
        return pixels.reshape(*pixels.shape[:2], -1)

    def _decode(
        self, positions: npt.NDArray[np.int64], options: FrameOptions
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        for position in positions.tolist():
            yield position, fit(self._picture(position), options, str(self._files[position]))
