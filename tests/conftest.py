"""What tests share: a config whose steps take a fraction of a second, and videos to feed it."""

import importlib
import os
import signal
import sys
import tempfile

import numpy as np
import pytest
from absl import flags

from lmvp_tf import configs, runtime

if "PYTEST_XDIST_WORKER" not in os.environ:
    # The filter is compiled in many tests, for few shapes: what XLA has made once all of them use,
    # also those of other processes of xdist, and the programs that they start.
    _COMPILED = tempfile.TemporaryDirectory(prefix="compiled-")
    os.environ["TF_XLA_FLAGS"] = f"--tf_xla_persistent_cache_directory={_COMPILED.name}"
else:
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")  # there is a process for each core
runtime.prepare()
runtime.import_tensorflow()
import tensorflow as tf  # noqa: E402

# A shell starts what runs in the background deaf to Ctrl-C, nohup what it runs to a terminal that
# goes, and so would be all that tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

TINY = {
    "data.size": 32,
    "data.num_frames": 7,
    "data.num_inputs": 4,
    "model.clip_length": 3,
    "model.kernel_size": 3,
    "model.feature_widths": (4, 4),
    "model.feature_channels": 4,
    "model.classifier_widths": (4,),
    "model.motion_units": 4,
    "model.spatial_widths": (4, 4),
    "model.temporal_widths": (4,),
    "model.filter_widths": (8,),
    "model.pixel_widths": (8,),
    "training.rolled": False,  # so few frames are traced sooner without a loop
    "training.batch_size": 2,
    "training.one_step_steps": 2,
    "training.pretrain_steps": 4,
    "training.max_steps": 6,
    "training.log_every": 1,
    "training.validate_every": 3,
    "training.validation_sequences": 2,
}


@pytest.fixture
def tiny_values():
    """What makes `tiny_config`: {path of a config field: value}."""
    return dict(TINY)


@pytest.fixture(scope="session")
def tiny_config():
    """A Config whose steps are fast."""
    return configs.validate(configs.replace(configs.create(), TINY))


@pytest.fixture(scope="session")
def fast_config(digits_file):
    """A Config of the model that is traced the soonest, for what any run does."""
    values = {
        "data.path": str(digits_file),
        "data.size": 32,
        "data.num_frames": 4,
        "data.num_inputs": 3,
        "model.encoder_widths": (4, 4),
        "model.decoder_widths": (4,),
        "model.pixel_widths": (4,),
        "model.kernel_size": 3,
        "training.rolled": False,
        "training.batch_size": 1,
        "training.max_steps": 4,
        "training.log_every": 1,
        "training.validation_sequences": 1,
    }
    return configs.validate(configs.replace(configs.create(model="dfn"), values))


@pytest.fixture(scope="module")
def eagerly():
    """A module's steps run as they are written: of the few that a test takes each is done in a
    tenth of the time that its graph would be traced in.
    """
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def traced(eagerly):
    """Graphs again, for a test of such a module that is about them."""
    tf.config.run_functions_eagerly(False)
    yield
    tf.config.run_functions_eagerly(True)


@pytest.fixture
def tiny_video():
    """Two videos in the format of `tiny_config`: [2, 7, 32, 32, 1] in [0, 1]."""
    return np.random.default_rng(0).random((2, 7, 32, 32, 1), np.float32)


@pytest.fixture(scope="session")
def digits_file(tmp_path_factory):
    """An mnist.npz of a few blobs that stand in for digits."""
    rng = np.random.default_rng(1)
    digits = np.zeros((20, 28, 28), np.uint8)
    digits[:, 6:22, 9:19] = rng.integers(100, 256, (20, 16, 10))
    path = tmp_path_factory.mktemp("digits") / "mnist.npz"
    np.savez(path, x_train=digits, x_test=digits[::-1])
    return path


@pytest.fixture(scope="module")
def load_command():
    """A function that imports a program of lmvp_tf.commands anew.

    Its flags are taken away again: programs share names of flags, and tests share a process.
    """
    before = set(flags.FLAGS)

    def forget():
        for name in set(flags.FLAGS) - before:
            delattr(flags.FLAGS, name)
        for name in [name for name in sys.modules if name.startswith("lmvp_tf.commands")]:
            del sys.modules[name]

    def load(name):
        forget()
        return importlib.import_module(f"lmvp_tf.commands.{name}")

    yield load
    forget()
