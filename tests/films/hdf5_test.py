"""HDF5 files as the DFN authors write them."""

import h5py
import numpy as np
import pytest

from lmvp_tf.errors import UserError
from lmvp_tf.films.hdf5 import open_hdf5
from lmvp_tf.films.options import FrameOptions

LEVELS = np.random.default_rng(0).integers(0, 256, (6, 12, 16, 1), np.uint8)  # [N, H, W, C]
STORED = LEVELS.transpose(0, 3, 2, 1)


def write(path, data, name="highway_L"):
    with h5py.File(path, "w") as file:
        file[name] = data
    return path


@pytest.mark.parametrize("data", [STORED, np.float32(STORED / 255), np.float32(STORED)])
def test_the_last_two_axes_are_transposed(tmp_path, data):
    [film] = open_hdf5(write(tmp_path / "train.h5", data), "train")
    assert film.describe().startswith("6 frames of 16x12, grey; read as highway_L [N, C, W, H], ")
    frames = list(film.frames(FrameOptions(12, 16, stride=2)))
    np.testing.assert_array_equal([frame.pixels for frame in frames], LEVELS[::2])


@pytest.mark.parametrize(
    ("data", "name", "message"),
    [
        (STORED, "other", "no dataset 'highway_L'; it has .'other'."),
        (STORED[:, 0], "highway_L", r"\[N, 1, W, H\]. Received: \(6, 16, 12\)"),
        (STORED.astype(complex), "highway_L", "no array of numbers"),
    ],
)
def test_other_layouts_are_refused(tmp_path, data, name, message):
    path = write(tmp_path / "train.h5", data, name)
    with pytest.raises(UserError, match=rf"train\.h5.* .*{message}"):
        open_hdf5(path, "train")[0].describe()


def test_a_damaged_file_says_so(tmp_path):
    (tmp_path / "train.h5").write_text("no HDF5")
    with pytest.raises(UserError, match=r"train\.h5 cannot be read"):
        open_hdf5(tmp_path / "train.h5", "train")
