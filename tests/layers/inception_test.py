"""SimVP's Inception block against a transcription in NumPy."""

import keras
import numpy as np
import pytest

from lmvp_tf.layers.inception import InceptionBlock
from tests.layers.numpy_conv import conv


def group_norm(x, groups, scale, offset):
    grouped = x.reshape(x.shape[0], -1, groups, x.shape[-1] // groups)
    mean, variance = (f(grouped, axis=(1, 3), keepdims=True) for f in (np.mean, np.var))
    return ((grouped - mean) / np.sqrt(variance + 1e-5)).reshape(x.shape) * scale + offset


@pytest.mark.parametrize(("hidden", "width", "groups"), [(16, 24, 8), (6, 4, 2)])
def test_it_sums_kernels_of_four_sizes(hidden, width, groups):
    block = InceptionBlock(hidden, width)
    block.build((None, 6, 7, 5))
    rng = np.random.default_rng(0)
    for variable in block.weights:
        variable.assign(rng.normal(0, 0.3, variable.shape))
    x = rng.normal(size=(2, 6, 7, 5)).astype("float32")
    reduced = conv(x, *block.reduction.get_weights())
    expected = 0
    for size, convolution, norm in zip((3, 5, 7, 11), block.convolutions, block.norms, strict=True):
        assert convolution.kernel.shape == (size, size, hidden // groups, width)
        y = group_norm(
            conv(reduced, *convolution.get_weights(), groups=groups), groups, *norm.get_weights()
        )
        expected = expected + np.where(y > 0, y, 0.2 * y)
    np.testing.assert_allclose(keras.ops.convert_to_numpy(block(x)), expected, atol=2e-4)
