"""How much a film may unfold to: a few bytes of a file can stand for any number of pixels."""

from __future__ import annotations

import dataclasses
import os
import pathlib

from lmvp_tf.errors import UserError, printable

_RATIO = 100  # what a file may unfold to in any case, as a multiple of its own size


@dataclasses.dataclass
class Limits:
    """What is refused before it is decoded.

    Attributes:
      pixels: of one picture.
      bytes: of all the pictures of a file together, where that is more than a hundred times the
        file's own size. Videos, which are decoded by ffmpeg one picture at a time, have no such
        limit.
    """

    pixels: int = 2**26
    bytes: int = 2**30

    def check_size(self, path: str | os.PathLike[str], width: int, height: int) -> None:
        """Refuses pictures that are too large.

        Raises:
          UserError: with their size, and what to do.
        """
        if width * height > self.pixels:
            raise UserError(
                f"{printable(os.fspath(path))}: pictures of {width}x{height} are more than "
                f"{self.pixels} pixels: --max_pixels allows more"
            )

    def check_bytes(self, path: pathlib.Path, size: int) -> None:
        """Refuses a file that unfolds to too much.

        Raises:
          UserError: with its size, and what to do.
        """
        info = path.stat()
        there = min(info.st_size, 512 * getattr(info, "st_blocks", info.st_size))  # of holes, none
        if size > max(self.bytes, _RATIO * there):
            raise UserError(
                f"{printable(str(path))}: {there} bytes that unfold to {size} or more, above "
                f"{self.bytes}: --max_bytes allows more"
            )


LIMITS = Limits()  # of this process; programs set them by their flags
