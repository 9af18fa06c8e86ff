"""A SavedModel is opened where it is the one that was exported; of others there is a warning."""

import shutil

import keras
import numpy as np
import pytest
import tensorflow as tf

import lmvp_tf
from lmvp_tf import configs, manifest
from lmvp_tf.errors import UserError
from lmvp_tf.export import about, saved_model
from lmvp_tf.export.endpoints import Exportable
from lmvp_tf.files import write_json
from lmvp_tf.training.checkpoint import build_model

VALUES = {"data.size": 32, "data.num_frames": 6, "data.num_inputs": 4, "model.units": (2,)}
DATA = "variables/variables.data-00000-of-00001"


@pytest.fixture(name="exported", scope="module")
def _exported(tmp_path_factory):
    keras.utils.set_random_seed(0)
    config = configs.replace(configs.create(model="conv_lstm"), VALUES)
    exportable = Exportable(build_model(config), config, 7, 2)
    folder = tmp_path_factory.mktemp("exported")
    saved_model.write(exportable, folder)
    write_json(folder / about.SAVED_MODEL_FILE, about.about(exportable))
    manifest.write(folder)
    return folder


@pytest.fixture(name="folder")
def _folder(exported, tmp_path):
    return shutil.copytree(exported, tmp_path / "1")


def _flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def test_ours_is_opened_without_a_word(folder, caplog):
    assert lmvp_tf.load(folder).config.model_name == "conv_lstm"
    assert not caplog.records


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: _flip(folder / DATA),
        lambda folder: _flip(folder / "saved_model.pb"),
        lambda folder: _flip(folder / about.SAVED_MODEL_FILE),
        lambda folder: (folder / DATA).unlink(),
        lambda folder: (folder / "saved_model.pbtxt").write_text("another graph"),
        lambda folder: (folder / "sha256.json").write_text("{}"),
    ],
)
def test_a_damaged_one_is_not_opened(folder, damage, monkeypatch):
    damage(folder)
    monkeypatch.setattr(tf.saved_model, "load", lambda _: pytest.fail("it was opened"))
    with pytest.raises(UserError, match=f"{folder}.*: export the model again") as caught:
        lmvp_tf.load(folder)
    assert "\n" not in str(caught.value)


def test_of_one_without_a_manifest_there_is_a_warning_in_a_line(folder, caplog):
    (folder / "sha256.json").unlink()
    predicted = lmvp_tf.load(folder).predict(np.zeros((4, 32, 32, 1), np.float32))
    assert predicted.shape == (2, 32, 32, 1)
    (record,) = caplog.records
    assert f"{folder} does not say by a sha256.json that run_export.py wrote it" in record.message
    assert "a SavedModel is a program" in record.message
    assert "\n" not in record.message


def test_whatever_tensorflow_raises_of_a_strange_one_is_a_line(folder):
    (folder / "sha256.json").unlink()
    _flip(folder / "saved_model.pb")
    (folder / "saved_model.pb").write_bytes((folder / "saved_model.pb").read_bytes()[:5000])
    with pytest.raises(UserError, match="is damaged|cannot be read"):
        lmvp_tf.load(folder)


def test_what_the_export_says_of_the_run_may_be_damaged(folder):
    (folder / "sha256.json").unlink()
    (folder / about.SAVED_MODEL_FILE).write_text('{"config": []}')
    with pytest.raises(UserError, match=r"export.json is damaged .* `object`, got `array`"):
        lmvp_tf.load(folder)
