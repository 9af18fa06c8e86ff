"""Animated GIF, WebP, PNG and AVIF, and TIFF stacks: many pictures in one file, read by Pillow."""

from __future__ import annotations

import functools
import pathlib
import sys
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from PIL import Image

from lmvp_tf.errors import UserError
from lmvp_tf.films import picture
from lmvp_tf.films.film import Film, Timeline, shown
from lmvp_tf.films.limits import LIMITS
from lmvp_tf.films.options import FrameOptions

_SHORTEST, _USUAL = 0.011, 0.1  # seconds: players show a picture of less time for the usual one


class Animation(Film):
    """A film of the pictures in one file."""

    @functools.cached_property
    def _first(self) -> picture.Picture:
        return picture.read(self.path)

    @property
    def width(self) -> int:
        return self._first.pixels.shape[1]

    @property
    def height(self) -> int:
        return self._first.pixels.shape[0]

    @property
    def channels(self) -> int:
        return self._first.pixels.shape[2]

    @functools.cached_property
    def timeline(self) -> Timeline:
        with picture.opened(self.path) as image:
            stack = image.format == "TIFF"  # which knows no time
            times = [0.0]
            for position in range(_count(image)):
                width, height = image.size
                LIMITS.check_bytes(self.path, 3 * width * height * (position + 1))
                try:
                    image.seek(position)
                    if not stack:
                        image.load()
                except Exception:  # of whatever kind: the rest of the file is damaged
                    self._warn(f"damaged: the pictures from number {position} on are left out")
                    break
                seconds = image.info.get("duration", 0) / 1000
                times.append(times[-1] + (seconds if seconds >= _SHORTEST else _USUAL))
            else:
                if image.format == "GIF" and self.path.read_bytes().rstrip(b"\0")[-1:] != b";":
                    self._warn("damaged: it ends too early, and pictures at its end are missing")
        count = len(times) - 1
        return Timeline.regular(count) if stack else Timeline.of_times(np.array(times[:count]))

    def _notes(self) -> list[str]:
        return [picture.OVER] if self._first.transparent else []

    def _decode(
        self, positions: npt.NDArray[np.int64], options: FrameOptions
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        with picture.opened(self.path) as image:
            for position in positions.tolist():
                try:
                    image.seek(position)
                    pixels = picture.to_pixels(image, shown(self.path)).pixels
                except UserError:
                    raise
                except Exception as error:  # of whatever kind: the picture is damaged
                    self._complain(str(error))
                    continue
                if pixels.shape[:2] != (self.height, self.width):
                    raise UserError(
                        f"{shown(self.path)}: picture {position} is {pixels.shape[1]}x"
                        f"{pixels.shape[0]}, the first is {self.width}x{self.height}: pictures of "
                        "a film are of one size"
                    )
                yield position, picture.fit(pixels, options, shown(self.path))


def is_animation(path: pathlib.Path) -> bool:
    """Whether a file of pictures holds several; False also where it cannot be read."""
    try:
        with picture.opened(path) as image:
            return _count(image) > 1
    except UserError:
        return False


def _count(image: Image.Image) -> int:
    """How many pictures there are; a great many where the file is damaged, until they are read."""
    try:
        return getattr(image, "n_frames", 1)
    except Exception:  # of whatever kind, as above
        return sys.maxsize
