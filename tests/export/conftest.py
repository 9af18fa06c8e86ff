"""What the tests of .tflite files share."""

from unittest import mock

import keras
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.export import tflite
from lmvp_tf.export.endpoints import Exportable
from lmvp_tf.training.checkpoint import build_model
from tests.export.converted import DATA, MODELS, S, TrainingVideos


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """A function that converts a model once for all tests: (exportable, paths, failed)."""
    known = {}

    def make(name, tiny_config, variants=("float32",)):
        if name not in known:
            keras.utils.set_random_seed(0)
            base = tiny_config if name == "lmvp" else configs.create(model=name)
            config = configs.replace(base, {**DATA, **MODELS[name]})
            model = build_model(config)
            for variable in model.trainable_variables:  # biases of zero would hide a lost one
                noise = tf.random.stateless_normal(variable.shape, (1, 2), stddev=0.1)
                variable.assign_add(noise)
            exportable = Exportable(model, config, 0, S)
            folder = tmp_path_factory.mktemp(name)
            with mock.patch.object(tflite, "_CALIBRATION_VIDEOS", 4):
                files = tflite.convert(exportable, variants, TrainingVideos(), folder)
            known[name] = exportable, *files
        return known[name]

    return make


@pytest.fixture
def lmvp(made, tiny_config):
    """An LMVP's Exportable, its files in all variants, and those that could not be made."""
    return made("lmvp", tiny_config, tflite.VARIANTS)
