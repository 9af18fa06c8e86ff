"""One picture: read as a viewer shows it, cut out, resampled by area, turned into grey or RGB."""

from __future__ import annotations

import contextlib
import functools
import io
import pathlib
import warnings
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, ImageOps

from lmvp_tf.errors import UserError, one_line
from lmvp_tf.films.film import shown
from lmvp_tf.films.limits import LIMITS
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.readers import check_regular

Pixels = npt.NDArray[np.uint8]

OVER = "transparent parts over black"
# Pillow knows more, and runs programs for some (PostScript).
_FORMATS = "AVIF BMP DIB GIF JPEG JPEG2000 PNG PPM TGA TIFF WEBP".split()
_TRANSPARENT = ("RGBA", "LA", "PA", "RGBa", "La")  # Pillow's modes


class Picture(NamedTuple):
    """A picture as a viewer shows it.

    Attributes:
      pixels: uint8 [H, W, C], C = 1 or 3.
      transparent: whether it may show what is behind it.
    """

    pixels: Pixels
    transparent: bool


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator[Image.Image]:
    """Opens a picture or an animation; whatever is wrong with it is a UserError of one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what comes of damage is said once, by the film
            check_regular(path)
            Image.MAX_IMAGE_PIXELS = LIMITS.pixels  # its own limit is another one
            with Image.open(path, formats=_formats()) as image:
                LIMITS.check_size(path, *image.size)
                yield image
    except UserError:
        raise
    except Exception as error:  # decoders raise whatever their parsing of damaged bytes ends in
        raise UserError(f"{shown(path)}: {_fault(path, error)}") from error


@functools.cache
def _formats() -> list[str]:
    """Those that this Pillow was built with."""
    Image.init()
    return [name for name in _FORMATS if name in Image.OPEN]


def _fault(path: pathlib.Path, error: Exception) -> str:
    if not path.is_file():
        return "no regular file" if path.exists() else "no such file"
    if not path.stat().st_size:
        return "the file is empty"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {2 * LIMITS.pixels} pixels: --max_pixels allows more"
    return f"damaged or not a picture ({one_line(str(error).replace(str(path), path.name))})"


def read(path: pathlib.Path) -> Picture:
    """The picture in a file.

    Raises:
      UserError: it cannot be read.
    """
    with opened(path) as image:
        return to_pixels(image, shown(path))


def to_pixels(image: Image.Image, name: str) -> Picture:
    """What a viewer shows of an open picture.

    It is upright, transparent parts are over black, and colours are those of sRGB. Of 16 bits the
    upper 8 count.

    Raises:
      UserError: the picture holds numbers that are no brightness.
    """
    LIMITS.check_size(name, *image.size)  # of a stack's later pictures, too
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith(("I", "F")):
        return Picture(_deep_to_pixels(image, name), transparent=False)
    grey = image.mode in ("1", "L", "LA", "La")
    transparent = image.mode in _TRANSPARENT or "transparency" in image.info
    if transparent:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), image)
        image = image.convert("L" if grey else "RGB")
    image = image.convert("L") if grey else _to_srgb(image)
    pixels = np.asarray(image)
    return Picture(pixels.reshape(*pixels.shape[:2], -1), transparent)


def _deep_to_pixels(image: Image.Image, name: str) -> Pixels:
    """Grey pictures of 16 bits, or of floats in [0, 1]."""
    values = np.asarray(image).astype(np.float64)
    white = 1 if image.mode == "F" else 65_535
    if not (values.min() >= 0 and values.max() <= white):
        raise UserError(
            f"{name}: has values from "
            f"{values.min():g} to {values.max():g}, and black is 0, white {white}: convert it"
        )
    if image.mode == "I" and 1 < values.max() <= 255:  # of 16 bits it would be black
        raise UserError(
            f"{name}: has integers of 32 bits from {values.min():g} to {values.max():g}, and white "
            "is 65535: convert it to 8 bits"
        )
    return np.rint(values * (255 / white)).astype(np.uint8)[..., None]


def _to_srgb(image: Image.Image) -> Image.Image:
    """An RGB picture in the colours of a common screen, if it says in which ones it is."""
    profile = image.info.get("icc_profile")
    if profile and image.mode in ("RGB", "CMYK"):
        with contextlib.suppress(ImageCms.PyCMSError, OSError):  # then the numbers as they are
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "sRGB" not in ImageCms.getProfileDescription(source):
                srgb = ImageCms.createProfile("sRGB")
                image = ImageCms.profileToProfile(image, source, srgb, outputMode="RGB") or image
    return image.convert("RGB")


def opaque(pixels: Pixels) -> Pixels:
    """uint8 [..., 4], RGB and opacity, over black as uint8 [..., 3]; others as they are."""
    if pixels.shape[-1] != 4:
        return pixels
    return np.rint(pixels[..., :3] * (pixels[..., 3:] / 255)).astype(np.uint8)


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
        rows, columns = _weights(h, options.height), _weights(w, options.width)
        planes = np.moveaxis(part, -1, 0).astype(np.float32)
        part = np.moveaxis(np.rint(rows @ planes @ columns.T), 0, -1).clip(0, 255).astype(np.uint8)
    return recolour(part, options.channels)


@functools.lru_cache(maxsize=8)
def _weights(source: int, target: int) -> npt.NDArray[np.float32]:
    """What each of `target` pixels takes of `source` pixels, [target, source]; rows sum to 1.

    Fewer pixels are means of what they cover, edges in part: Pillow's box filter
    takes whole pixels only. More pixels are interpolated linearly.
    """
    pixels = np.arange(source)
    if target > source:
        places = ((np.arange(target) + 0.5) * source / target - 0.5).clip(0, source - 1)
        return (1 - abs(places[:, None] - pixels)).clip(0).astype(np.float32)
    edges = np.arange(target + 1) * source / target
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (covered.clip(0, 1) * target / source).astype(np.float32)
