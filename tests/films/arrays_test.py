"""Arrays as films: what their axes and numbers mean, and what is no film."""

import numpy as np
import pytest

from lmvp_tf.errors import UserError
from lmvp_tf.films import arrays
from lmvp_tf.films.options import FrameOptions

LEVELS = np.random.default_rng(0).integers(0, 256, (6, 12, 16, 3), np.uint8)
COLOURS = FrameOptions(12, 16, channels=3)


def open_array(folder, array):
    np.save(folder / "a.npy", array)
    return arrays.open_npy(folder / "a.npy", "a")


def frames(film, options=COLOURS):
    return np.stack([frame.pixels for frame in film.frames(options)])


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (LEVELS, "uint8"),
        (np.asfortranarray(LEVELS), "uint8"),
        (LEVELS / 255, "float64 in [0, 1]"),
        (np.float32(LEVELS / 255) * (1 + 1e-6), "float32 in [0, 1]"),
        (np.float16(LEVELS), "float16 in [0, 255]"),
        (LEVELS.astype(np.int64), "int64 in [0, 255]"),
        (LEVELS.astype(">u2") * 257, "uint16 in [0, 65535]"),
        (LEVELS.astype(np.uint16), "uint16 in [0, 255]"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_numbers_are_brightness(tmp_path, array, words):
    [film] = open_array(tmp_path, array)
    assert film.describe() == f"6 frames of 16x12, RGB; read as [T, H, W, C], {words}"
    np.testing.assert_array_equal(frames(film), LEVELS)


def test_bool_is_black_and_white(tmp_path):
    [film] = open_array(tmp_path, LEVELS[..., 0] > 128)
    assert film.describe() == "6 frames of 16x12, grey; read as [T, H, W], bool"
    expected = np.where(LEVELS[..., :1] > 128, 255, 0)
    np.testing.assert_array_equal(frames(film, FrameOptions(12, 16)), expected)


@pytest.mark.parametrize(
    ("array", "count", "layout"),
    [
        (np.stack([LEVELS] * 11), 11, "[N, T, H, W, C]"),
        (
            np.stack([LEVELS[..., n % 3][::-1] for n in range(10)] + [LEVELS[..., 0]]),
            11,
            "[N, T, H, W]",
        ),
    ],
)
def test_an_array_may_hold_several_films(tmp_path, array, count, layout):
    found = open_array(tmp_path, array)
    assert [film.name for film in found] == [f"a-{n:02}" for n in range(count)]
    assert f"read as {layout}" in found[10].describe()
    np.testing.assert_array_equal(frames(found[10])[..., 0], LEVELS[..., 0])


def test_time_may_come_before_the_films_as_in_moving_mnist(tmp_path, caplog):
    rng = np.random.default_rng(0)
    films = np.cumsum(rng.normal(size=(30, 10, 12, 16)), axis=1)  # [N, T, H, W]
    films = np.uint8(255 * (films - films.min()) / np.ptp(films))
    found = open_array(tmp_path, films.swapaxes(0, 1))
    assert len(found) == 30
    np.testing.assert_array_equal(frames(found[7], FrameOptions(12, 16))[..., 0], films[7])
    assert "read as [T, N, H, W], 30 films of 10 frames" in caplog.text


def test_transparent_parts_are_over_black(tmp_path):
    opacity = np.full((6, 12, 16, 1), 128, np.uint8)
    [film] = open_array(tmp_path, np.concatenate([LEVELS, opacity], -1))
    assert film.describe().endswith("transparent parts over black")
    assert np.abs(frames(film) - LEVELS * (128 / 255)).max() <= 0.51


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((300, 451, 3), np.uint8), r"\[300, 451, 3\]: it looks like one picture"),
        (np.moveaxis(LEVELS, -1, 1), r"looks like \[T, C, H, W\].*np.moveaxis"),
        (np.moveaxis(LEVELS[None], -1, 2), r"looks like \[N, T, C, H, W\]"),
        (np.moveaxis(LEVELS[..., :1].repeat(3, -1), -1, 0), r"looks like \[C, T, H, W\]"),
        (np.zeros((2, 6, 12, 16, 5), np.uint8), "the last axis of five is colour"),
        (np.zeros((100, 5, 5), np.uint8), "8 pixels a side or more"),
        (np.zeros((12, 16), np.uint8), "it is no film"),
        (np.float32(3), "it is no film"),
        (np.zeros((0, 16, 16)), "is empty"),
        (np.full((3, 16, 16), np.nan), "float64 from nan to nan"),
        (LEVELS / 127.5 - 1, "Received: float64 from -1 to 1"),
        (LEVELS.astype(int) * 1000, "Received: int64 from 0 to 255000"),
        (LEVELS.astype(complex), "complex128 are no brightness"),
    ],
)
def test_what_is_no_film_says_why(tmp_path, array, message):
    with pytest.raises(UserError, match=rf"a\.npy: .*{message}"):
        open_array(tmp_path, array)[0].describe()


def test_numbers_that_leave_the_range_later_on_are_refused(tmp_path):
    array = np.zeros((500, 12, 16))
    array[250, 3, 3] = 7  # between the frames that were looked at
    [film] = open_array(tmp_path, array)
    with pytest.raises(UserError, match=r"a\.npy: numbers must be from 0 to 1.* 0 to 7"):
        frames(film)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "the file is empty"), (b"hello", "damaged or no array"), (b"\x93NUMPY", "damaged or")],
)
def test_damaged_files_say_so(tmp_path, content, message):
    (tmp_path / "a.npy").write_bytes(content)
    with pytest.raises(UserError, match=rf"a\.npy: {message}"):
        arrays.open_npy(tmp_path / "a.npy", "a")


def test_objects_are_not_unpickled(tmp_path):
    np.save(tmp_path / "a.npy", np.array([None, 1]), allow_pickle=True)
    with pytest.raises(UserError, match="objects of Python, which may run programs"):
        arrays.open_npy(tmp_path / "a.npy", "a")


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_npz_holds_one_array_or_a_named_one(tmp_path, save):
    save(tmp_path / "one.npz", LEVELS)
    np.testing.assert_array_equal(
        frames(*arrays.open_npz(tmp_path / "one.npz", "one")),
        LEVELS,
    )
    save(tmp_path / "none.npz")
    with pytest.raises(UserError, match=r"none\.npz: holds no array"):
        arrays.open_npz(tmp_path / "none.npz", "none")
    save(tmp_path / "two.npz", x=LEVELS, y=LEVELS[::-1])
    with pytest.raises(UserError, match=r"holds the arrays x, y: name one, as .*two\.npz:x"):
        arrays.open_npz(tmp_path / "two.npz", "two")
    np.testing.assert_array_equal(
        frames(*arrays.open_npz(tmp_path / "two.npz:y", "two")),
        LEVELS[::-1],
    )


def test_a_damaged_npz_says_so(tmp_path):
    np.savez(tmp_path / "a.npz", LEVELS)
    data = bytearray((tmp_path / "a.npz").read_bytes())
    data[2000] ^= 255
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(UserError, match=r"a\.npz is damaged"):
        arrays.open_npz(tmp_path / "a.npz", "a")
