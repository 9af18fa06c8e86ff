"""Which frames of a film are kept, and what is made of each picture."""

from __future__ import annotations

import dataclasses
import re

from lmvp_tf.errors import UserError

LARGEST = 4096  # pixels a side

Box = tuple[int, int, int, int]  # x, y, width, height


@dataclasses.dataclass(frozen=True)
class FrameOptions:
    """Which frames of a film are kept, and what is made of them.

    Attributes:
      height: of the kept frames, pixels.
      width: of the kept frames, pixels.
      crop: "centre" (the largest rectangle of the frames' aspect ratio, in the middle), "none" (the
        whole picture, squeezed), or (x, y, width, height) in pixels of the picture as it is shown.
      channels: 1 for luminance by ITU-R BT.601, 3 for RGB.
      stride: keep every stride-th frame.
      fps: keep so many frames per second instead, by their time stamps; None: use `stride`.
      rate: frames per second of what a model was trained on; 0: not known. A film for the model is
        read at the stride that comes nearest to it.
      enlarge: take pictures that are smaller than the frames too, which a data set should not hold.
    """

    height: int = 64
    width: int = 64
    crop: str | Box = "centre"
    channels: int = 1
    stride: int = 1
    fps: float | None = None
    rate: float = 0.0
    enlarge: bool = False

    def box(self, width: int, height: int, name: str) -> Box:
        """The part of a picture that becomes a frame.

        Args:
          width: of the picture as it is shown.
          height: of the picture as it is shown.
          name: what to call the film in errors.

        Returns:
          (x, y, width, height) in pixels of the picture.

        Raises:
          UserError: the crop leaves the picture, or the part would have to be enlarged.
        """
        x, y, w, h = 0, 0, width, height
        if self.crop == "centre":
            if width * self.height >= height * self.width:
                w = max(1, round(height * self.width / self.height))
            else:
                h = max(1, round(width * self.height / self.width))
            x, y = (width - w) // 2, (height - h) // 2
        elif not isinstance(self.crop, str):
            x, y, w, h = self.crop
            if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
                raise UserError(
                    f"{name}: --crop={x},{y},{w},{h} leaves the {width}x{height} picture"
                )
        if (w < self.width or h < self.height) and not self.enlarge:
            raise UserError(
                f"{name}: {w}x{h} pixels would be enlarged to {self.width}x{self.height}: "
                "give a smaller --size or another --crop"
            )
        return x, y, w, h


def parse_crop(text: str) -> str | Box:
    """A --crop flag as FrameOptions want it.

    Raises:
      UserError: it is neither a word that they know nor four numbers.
    """
    if text in ("centre", "none"):
        return text
    if not re.fullmatch(r"\d{1,6}(,\d{1,6}){3}", text, re.ASCII):
        raise UserError(f"--crop is centre, none or x,y,w,h in pixels. Received: {text!r}")
    x, y, width, height = map(int, text.split(","))
    return x, y, width, height


def parse_size(text: str) -> tuple[int, int]:
    """A --size flag, "72x128" or "64", as (height, width).

    Raises:
      UserError: it is neither, or no size of a picture.
    """
    match = re.fullmatch(r"(\d{1,6})(?:x(\d{1,6}))?", text.strip(), re.ASCII)
    height, width = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not (1 <= height <= LARGEST and 1 <= width <= LARGEST):
        raise UserError(
            f"--size is HEIGHTxWIDTH in pixels, as 72x128, or 64 for a square, up to {LARGEST}. "
            f"Received: {text!r}"
        )
    return height, width
