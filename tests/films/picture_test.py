"""Pictures as a viewer shows them, and the frames that are made of them."""

import io
import struct
import zlib

import numpy as np
import PIL
import pytest
from PIL import Image, ImageCms

from lmvp_tf.errors import UserError
from lmvp_tf.films import picture
from lmvp_tf.films.options import FrameOptions

RNG = np.random.default_rng(0)


def means(pixels, height, width):
    """Area means by brute force: every pixel repeated, then whole blocks averaged."""
    rows, columns, channels = pixels.shape
    fine = pixels.astype(float).repeat(height, 0).repeat(width, 1)
    return fine.reshape(height, rows, width, columns, channels).mean((1, 3))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_pixel_of_a_frame_is_the_mean_of_what_it_covers(channels):
    pixels = RNG.integers(0, 256, (19, 30, channels), np.uint8)
    frame = picture.fit(pixels, FrameOptions(8, 9, "none", channels), "film")
    assert (frame.shape, frame.dtype) == ((8, 9, channels), np.uint8)
    assert np.abs(frame - means(pixels, 8, 9)).max() <= 1  # two roundings
    cut = picture.fit(pixels, FrameOptions(5, 6, (2, 1, 6, 5), channels), "film")
    np.testing.assert_array_equal(cut, pixels[1:6, 2:8])


def test_what_is_enlarged_is_interpolated():
    steps = np.array([[0, 100, 200]], np.uint8).repeat(3, 0)[..., None]
    frame = picture.fit(steps, FrameOptions(12, 12, enlarge=True), "film")
    assert (np.diff(frame[6, :, 0].astype(int)) >= 0).all()
    assert len(np.unique(frame)) > 6


def test_grey_is_luminance_by_bt601():
    colours = RNG.integers(0, 256, (1000, 3), np.uint8)
    grey = picture.recolour(colours, 1)[:, 0]
    assert np.abs(grey - colours @ np.array([0.299, 0.587, 0.114])).max() < 0.501
    np.testing.assert_array_equal(picture.recolour(grey[:, None], 3), grey[:, None].repeat(3, 1))


@pytest.mark.parametrize(
    ("mode", "value", "suffix", "expected"),
    [
        ("1", 1, "png", [255]),
        ("L", 77, "png", [77]),
        ("LA", (200, 128), "png", [100]),
        ("RGB", (1, 2, 3), "png", [1, 2, 3]),
        ("RGBA", (200, 100, 50, 128), "png", [100, 50, 25]),
        ("CMYK", (0, 255, 255, 0), "tif", [255, 0, 0]),
        ("YCbCr", (76, 85, 255), "tif", [254, 0, 0]),
        ("F", 0.5, "tif", [128]),
        ("I", 65535, "tif", [255]),
        ("I;16", 32896, "png", [128]),
    ],
)
def test_every_kind_of_pixel(tmp_path, mode, value, suffix, expected):
    if mode == "YCbCr" and int(PIL.__version__.split(".")[0]) < 13:
        pytest.skip("Pillow before 13 does not read what it writes")
    path = tmp_path / f"a.{suffix}"
    Image.new(mode, (12, 10), value).save(path)
    pixels, transparent = picture.read(path)
    assert pixels.shape == (10, 12, len(expected))
    assert (pixels == expected).all()
    assert transparent == (mode in ("LA", "RGBA"))


def test_integers_of_32_bits_with_levels_of_8_are_not_taken_for_black(tmp_path):
    Image.new("I", (12, 10), 200).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match="32 bits from 200 to 200, and white is 65535"):
        picture.read(tmp_path / "a.tif")
    Image.new("I", (12, 10), 0).save(tmp_path / "b.tif")
    assert not picture.read(tmp_path / "b.tif").pixels.any()


def test_palettes_and_transparent_colours(tmp_path):
    image = Image.new("P", (12, 10), 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    image.save(tmp_path / "palette.png")
    assert (picture.read(tmp_path / "palette.png").pixels == (10, 20, 30)).all()
    image.save(tmp_path / "hole.png", transparency=1)
    assert picture.read(tmp_path / "hole.png").transparent
    assert not picture.read(tmp_path / "hole.png").pixels.any()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_is_upright(tmp_path, orientation):
    """The oracle is the table of the EXIF standard: where row 0 and column 0 of the file belong."""
    upright = np.zeros((16, 32), np.uint8)
    upright[:8, :16] = 255
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: np.rot90(upright, 2).T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "a.jpg", exif=exif, quality=100)
    pixels = picture.read(tmp_path / "a.jpg").pixels[..., 0]
    assert pixels.shape == upright.shape
    assert np.abs(pixels.astype(int) - upright).max() < 10


def test_colours_are_those_of_a_screen_whatever_the_file_counts_in(tmp_path):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    Image.new("RGB", (12, 10), (200, 50, 50)).save(tmp_path / "odd.png", icc_profile=profile)
    assert picture.read(tmp_path / "odd.png").pixels.shape == (10, 12, 3)  # no profile of RGB
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (12, 10), (200, 50, 50)).save(tmp_path / "srgb.png", icc_profile=srgb)
    assert (picture.read(tmp_path / "srgb.png").pixels == (200, 50, 50)).all()


def png_chunk(kind, data):
    crc = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + crc


def png(width=4, height=4, kind=b"IDAT", data=b""):
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(kind, data) + png_chunk(b"IEND", b"")


def _png_of_photo(length):
    stream = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (20, 20, 3), np.uint8)).save(stream, "PNG")
    return stream.getvalue()[:length]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty"),
        (b"hello", "damaged or not a picture"),
        (png(40_000, 40_000), "more than 134217728 pixels: --max_pixels"),
        (png(data=b"no deflate stream"), "damaged or not a picture"),
        (png(kind=b"\1\2\3\4"), "damaged or not a picture"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\1XXXX", "damaged or not a picture"),
        (_png_of_photo(600), "damaged or not a picture"),
    ],
)
def test_what_is_no_picture_says_so_in_one_line(tmp_path, content, message):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        picture.read(path)
    assert str(error.value).startswith(f"{path}: {message}")
    assert "\n" not in str(error.value)


def test_numbers_that_are_no_brightness_are_refused(tmp_path):
    Image.new("F", (12, 10), 7.5).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif: has values from 7.5 to 7.5.* white 1"):
        picture.read(tmp_path / "a.tif")
