"""Which part of a picture becomes a frame, and what --crop and --size take."""

import pytest

from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions, parse_crop, parse_size


@pytest.mark.parametrize(
    ("size", "picture", "box"),
    [
        ((64, 64), (320, 180), (70, 0, 180, 180)),
        ((64, 64), (101, 100), (0, 0, 100, 100)),
        ((72, 128), (640, 360), (0, 0, 640, 360)),
        ((72, 128), (400, 300), (0, 37, 400, 225)),
        ((128, 72), (640, 360), (219, 0, 202, 360)),
    ],
)
def test_the_centre_is_the_largest_part_of_the_frames_aspect_ratio(size, picture, box):
    assert FrameOptions(*size).box(*picture, "film") == box


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (FrameOptions(), "48x48 pixels would be enlarged to 64x64"),
        (FrameOptions(16, 64), "64x16 pixels would be enlarged|60x15"),
        (FrameOptions(8, 8, (50, 0, 16, 16)), "--crop=50,0,16,16 leaves the 60x48 picture"),
        (FrameOptions(8, 8, (0, 0, 0, 16)), "leaves the 60x48 picture"),
    ],
)
def test_a_part_that_does_not_fit_is_refused(options, message):
    with pytest.raises(UserError, match=f"^film: .*({message})"):
        options.box(60, 48, "film")


def test_small_pictures_are_enlarged_on_request():
    assert FrameOptions(64, 64, "none", enlarge=True).box(60, 48, "film") == (0, 0, 60, 48)


def test_crops_and_sizes_are_parsed():
    assert parse_crop("none") == "none"
    assert parse_crop("1,2,30,40") == (1, 2, 30, 40)
    assert parse_size("72x128") == (72, 128)
    assert parse_size("64") == (64, 64)


@pytest.mark.parametrize("text", ["1,2,3", "center", "1,2,3,-4", "", "9999999999,0,1,1", "١,1,1,1"])
def test_other_crops_are_refused(text):
    with pytest.raises(UserError, match="--crop is centre, none or x,y,w,h"):
        parse_crop(text)


@pytest.mark.parametrize("text", ["0", "64x", "x64", "-3", "64x64x3", "64.5", "", "4097", "64x0"])
def test_other_sizes_are_refused(text):
    with pytest.raises(UserError, match="--size is HEIGHTxWIDTH"):
        parse_size(text)
