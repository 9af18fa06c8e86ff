"""One picture: its part is cut out, resampled by area, and turned into grey or RGB."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from lmvp_tf.films.options import FrameOptions

Pixels = npt.NDArray[np.uint8]


def luminance(rgb: Pixels) -> Pixels:
    """BT.601 luminance, 0.299 R + 0.587 G + 0.114 B, of uint8 [..., 3] as uint8 [..., 1]."""
    weights = np.array([19595, 38470, 7471], np.uint32)  # in 1/65536, so that it is exact
    return ((rgb @ weights + 32768) >> 16).astype(np.uint8)[..., None]


def recolour(pixels: Pixels, channels: int) -> Pixels:
    """uint8 [..., 1 or 3] as uint8 [..., channels]."""
    if pixels.shape[-1] == channels:
        return pixels
    return luminance(pixels) if channels == 1 else np.repeat(pixels, 3, axis=-1)


def fit(picture: Pixels, options: FrameOptions, name: str) -> Pixels:
    """Makes a frame of a picture.

    Each pixel of the frame is the mean of the piece of the picture that it covers; what has to be
    enlarged is interpolated linearly.

    Args:
      picture: uint8 [H, W, C], C = 1 or 3.
      options: FrameOptions.
      name: what to call the film in errors.

    Returns:
      uint8 [height, width, channels].

    Raises:
      UserError: the crop does not fit the picture.
    """
    x, y, w, h = options.box(picture.shape[1], picture.shape[0], name)
    part = picture[y : y + h, x : x + w]
    if (h, w) != (options.height, options.width):
        smaller = w >= options.width and h >= options.height
        method = Image.Resampling.BOX if smaller else Image.Resampling.BILINEAR
        image = Image.fromarray(part[..., 0] if part.shape[-1] == 1 else part)
        part = np.asarray(image.resize((options.width, options.height), method))
        part = part.reshape(options.height, options.width, -1)
    return recolour(part, options.channels)
