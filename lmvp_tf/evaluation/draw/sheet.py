"""A picture to put frames and words on, drawn pixel by pixel: no display is needed."""

from __future__ import annotations

import functools
import importlib.util
import os
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from lmvp_tf.evaluation.draw.colors import INK
from lmvp_tf.files import atomic_path
from lmvp_tf.metrics.pixel_errors import psnr


class Sheet:
    """A white picture, in pixels from its top left corner.

    Args:
      width, height: its size.
      smooth: enlarge frames smoothly, as suits natural video, instead of pixel by pixel.
    """

    def __init__(self, width: float, height: float, smooth: bool = False) -> None:
        self.smooth = smooth
        self.image = Image.new("RGB", (int(width), int(height)), "white")
        self._draw = ImageDraw.Draw(self.image)

    def frame(self, x: float, y: float, frame: npt.NDArray[np.floating], scale: int) -> None:
        """Pastes a frame [H, W, C] in [0, 1], `scale` times as large."""
        pixels = np.uint8(np.round(np.clip(frame, 0, 1) * 255))
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
        height, width, _ = pixels.shape
        how = Image.Resampling.BICUBIC if self.smooth else Image.Resampling.NEAREST
        picture = Image.fromarray(pixels).resize((width * scale, height * scale), how)
        self.image.paste(picture, (round(x), round(y)))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        color: str = INK,
        size: int = 22,
        anchor: str = "lm",
        bold: bool = False,
    ) -> None:
        """Writes a line; the anchor is Pillow's."""
        self._draw.text((x, y), text, fill=color, font=font(size, bold), anchor=anchor)

    def box(self, x: float, y: float, width: float, height: float, color: str) -> None:
        self._draw.rectangle((round(x), round(y), round(x + width) - 1, y + height - 1), color)

    def vertical(self, x: float, top: float, bottom: float, color: str) -> None:
        self._draw.line((x, top, x, bottom), color, width=3)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes it, as the suffix of the path says."""
        with atomic_path(path) as temporary:
            self.image.save(temporary)


@functools.cache
def font(size: int, bold: bool) -> Any:
    """The font of all pictures."""
    # matplotlib ships DejaVu Sans, so that pictures look the same on every machine. It is not
    # imported for it: that takes a third of a second.
    package = importlib.util.find_spec("matplotlib")
    assert package
    assert package.submodule_search_locations
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    fonts = pathlib.Path(package.submodule_search_locations[0], "mpl-data", "fonts", "ttf")
    return ImageFont.truetype(str(fonts / name), size)


def frame_psnr(truth: npt.NDArray[np.floating], prediction: npt.NDArray[np.floating]) -> float:
    """PSNR in dB of a frame in [0, 1]."""
    return float(psnr(np.mean(np.square(np.float64(truth) - prediction))))
