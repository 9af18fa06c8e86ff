"""Published weights are those that were written, or are refused in one line."""

import json
import os
import pathlib
import shutil

import h5py
import numpy as np
import pytest

from lmvp_tf.errors import RunError, UserError
from lmvp_tf.training import weights
from lmvp_tf.training.checkpoint import build_model

ARRAY = "layers/dense/vars/1"  # of D: one number


@pytest.fixture(scope="module")
def model(tiny_config):
    return build_model(tiny_config)


@pytest.fixture(scope="module")
def written(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("written")
    weights.write(model, weights.Trained(3, 2.0, 1.0), folder)
    return folder


@pytest.fixture
def folder(written, tmp_path):
    return pathlib.Path(shutil.copytree(written, tmp_path / "copy"))


def without_hashes(folder):
    path = folder / "trained.json"
    values = json.loads(path.read_text())
    del values["sha256"]
    path.write_text(json.dumps(values))


def refused(model, folder, message):
    with pytest.raises(UserError, match=message) as caught:
        weights.read(model, folder)
    assert "\n" not in str(caught.value)


def test_any_flipped_bit_is_noticed(model, folder):
    path = folder / "G.weights.h5"
    content = path.read_bytes()
    for place in np.random.default_rng(0).integers(8 * len(content), size=20):
        damaged = bytearray(content)
        damaged[place // 8] ^= 1 << place % 8
        path.write_bytes(damaged)
        refused(model, folder, "G.weights.h5 (cannot be read|is damaged).*SHA-256")
    path.write_bytes(content)
    assert weights.read(model, folder) == (3, 2.0, 1.0)


def test_a_file_of_another_moment_is_noticed(model, tiny_config, folder, tmp_path):
    other = build_model(tiny_config)
    weights.write(other, weights.Trained(3, 2.0, 1.0), tmp_path / "other")
    shutil.copy(tmp_path / "other" / "M.weights.h5", folder)
    refused(model, folder, "M.weights.h5 (cannot be read|is damaged).*SHA-256")


def test_weights_of_before_there_were_hashes_are_read_with_a_warning(model, folder, caplog):
    expected = (folder / "trained.json").read_bytes()
    without_hashes(folder)
    assert weights.read(model, folder).step == 3
    assert "no SHA-256" in caplog.text
    weights.add_hashes(folder)
    assert (folder / "trained.json").read_bytes() == expected


def an_external_link(file, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as other:
        other["a"] = np.zeros(1, np.float32)
    file[ARRAY] = h5py.ExternalLink(str(tmp_path / "x.h5"), "a")


def external_storage(file, tmp_path):
    (tmp_path / "raw").write_bytes(bytes(4))
    file.create_dataset(ARRAY, (1,), np.float32, external=[(str(tmp_path / "raw"), 0, 4)])


def a_virtual_array(file, tmp_path):
    with h5py.File(tmp_path / "x.h5", "w") as other:
        other["a"] = np.zeros(1, np.float32)
    layout = h5py.VirtualLayout((1,), np.float32)
    layout[:] = h5py.VirtualSource(str(tmp_path / "x.h5"), "a", (1,))
    file.create_virtual_dataset(ARRAY, layout)


def a_declared_size(file, _):
    file.create_dataset(ARRAY, (25, 10**9), np.float32, chunks=(1, 1000))


def a_soft_link(file, _):
    file[ARRAY] = h5py.SoftLink("/layers/dense/vars/0")


def text(file, _):
    file[ARRAY] = "text"


def a_circle(file, _):
    file[ARRAY] = file["layers"]


def a_nan(file, _):
    file[ARRAY] = np.array([np.nan], np.float16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (an_external_link, "link to somewhere else"),
        (a_soft_link, "link to somewhere else"),
        (external_storage, "in another file"),
        (a_virtual_array, "in another file"),
        (a_declared_size, "declared as 100000000.* bytes"),
        (text, "no array of numbers"),
        (a_circle, "more than 10000 groups"),
        (a_nan, "NaN or an infinity"),
    ],
)
def test_what_no_weights_are_is_not_read(model, folder, tmp_path, change, message):
    without_hashes(folder)
    with h5py.File(folder / "D.weights.h5", "a") as file:
        del file[ARRAY]
        change(file, tmp_path)
    refused(model, folder, f"D.weights.h5 (cannot be read|is damaged).*{message}")


def test_a_pipe_is_not_waited_for(model, folder):
    (folder / "D.weights.h5").unlink()
    os.mkfifo(folder / "D.weights.h5")
    refused(model, folder, "D.weights.h5 (cannot be read|is damaged).*no regular file")


@pytest.mark.parametrize(
    "values",
    [{"step": -1}, {"step": 1.5}, {"step": "a"}, {"seconds": None}, {"sha256": {"a": "b"}}],
    ids=str,
)
def test_a_record_of_other_kinds_is_refused(model, folder, values):
    path = folder / "trained.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    refused(model, folder, f"trained.json is damaged or another file.*{next(iter(values))}")


def test_nothing_that_is_not_finite_is_written(tiny_config, tmp_path):
    model = build_model(tiny_config)
    model.variables[0].assign(np.full(model.variables[0].shape, np.inf))
    with pytest.raises(RunError, match="NaN or an infinity: no weights were written"):
        weights.write(model, weights.Trained(1, 2.0, 3.0), tmp_path)
    assert not (tmp_path / "trained.json").exists()
