"""ConvLSTM: its patches."""

import numpy as np
import tensorflow as tf

from tests.models.tiny_baselines import built


def test_the_conv_lstms_patches_are_undone_exactly(tiny_video):
    model = built("conv_lstm")
    frame = tf.constant(np.random.default_rng(0).random((2, 32, 32, 3), np.float32))
    patches = model._to_patches(frame)
    assert patches.shape == (2, 8, 8, 48)
    np.testing.assert_array_equal(patches[1, 2, 3], np.ravel(frame[1, 8:12, 12:16]))
    np.testing.assert_array_equal(model._to_frame(patches), frame)
