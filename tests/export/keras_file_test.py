"""A .keras file predicts the same on every backend of Keras, and needs no TensorFlow there."""

import importlib.util
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from lmvp_tf.export.exporter import ExportOptions
from lmvp_tf.export.keras_file import KerasFile
from lmvp_tf.prediction import loading
from lmvp_tf.prediction.pretrained import PRETRAINED

ROOT = pathlib.Path(__file__).parents[2]
PREDICT = """
import sys
import keras
import numpy as np
import lmvp_tf.models.lmvp

model = keras.saving.load_model(sys.argv[1])
frames = np.load(sys.argv[2])
np.save(sys.argv[3], keras.ops.convert_to_numpy(model(frames, num_predicted=3)))
assert ("tensorflow" in sys.modules) == (keras.backend.backend() == "tensorflow")
"""


@pytest.fixture(name="file", scope="module")
def _file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("keras")
    KerasFile().export(PRETRAINED["highway"], folder, ExportOptions())
    return folder / "lmvp.keras"


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_published_weights_predict_alike_on_every_backend(file, tmp_path, backend):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    frames = np.random.default_rng(0).random((2, 3, 64, 64, 1), np.float32)
    np.save(tmp_path / "frames.npy", frames)
    subprocess.run(
        [sys.executable, "-c", PREDICT, file, tmp_path / "frames.npy", tmp_path / "out.npy"],
        check=True,
        env={**os.environ, "KERAS_BACKEND": backend, "PYTHONPATH": str(ROOT)},
    )
    expected = loading.load("highway").predict(frames, 3)
    assert expected.std() > 0.05
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=1e-5)
