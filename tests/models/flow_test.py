"""Optical flow: a constant motion, and a missing package."""

import sys

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.errors import UserError
from lmvp_tf.models.registry import model_class


@pytest.mark.parametrize("package", ["cv2", "tensorflow_addons.image"])
def test_flow_names_the_extra_where_a_package_is_missing(monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)  # importing it raises ImportError
    with pytest.raises(
        UserError, match=r"Python 3.10 and 3.11 alone: pip install 'lmvp-tf\[addons"
    ):
        model_class("flow")()


def test_flow_continues_a_constant_motion():
    pytest.importorskip("tensorflow_addons")
    y, x = np.mgrid[:48, :48]
    blob = np.stack([np.exp(-((x - 14 - 2 * t) ** 2 + (y - 30 + t) ** 2) / 30) for t in range(6)])
    video = np.float32(blob)[None, ..., None]
    predicted = model_class("flow")()(tf.constant(video[:, :3]), num_predicted=3)
    still = np.mean((video[:, 3:] - video[:, 2:3]) ** 2)
    assert np.mean((predicted - video[:, 3:]) ** 2) < 0.1 * still
