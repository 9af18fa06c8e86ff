"""A stack of convolutions: shapes, strides, and the activation in between."""

import keras
import numpy as np
import pytest

from lmvp_tf.layers.conv_stack import ConvStack


def test_strides_divide_the_picture():
    stack = ConvStack((4, 6, 5), (1, 2, 2))
    outputs = stack(np.zeros((2, 16, 12, 3), "float32"))
    assert outputs.shape == (2, 4, 3, 5)
    assert stack.compute_output_shape((None, 16, 12, 3)) == (None, 4, 3, 5)


def test_it_equals_the_same_layers_by_hand():
    stack = ConvStack((4, 3))
    inputs = np.random.default_rng(0).normal(size=(1, 5, 5, 2)).astype("float32")
    hidden = inputs
    stack.build(inputs.shape)
    for kernel, bias in zip(stack.weights[::2], stack.weights[1::2], strict=True):
        hidden = keras.ops.conv(hidden, kernel, padding="same") + bias
        hidden = np.where(hidden > 0, hidden, 0.2 * hidden)
    np.testing.assert_allclose(stack(inputs), hidden, atol=1e-5)


def test_as_many_strides_as_widths():
    with pytest.raises(ValueError, match="shorter|longer"):
        ConvStack((4, 4), (2,))
