"""A stack of convolutions: shapes, strides, and the activation in between."""

import keras
import numpy as np
import pytest

from lmvp_tf.layers.conv_stack import ConvStack, convolve_doubled


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


def doubled(maps):
    return maps.repeat(2, axis=1).repeat(2, axis=2)


def test_convolving_doubled_maps_is_doubling_then_convolving():
    rng = np.random.default_rng(0)
    maps = rng.normal(size=(2, 5, 7, 3)).astype("float32")
    kernel = rng.normal(size=(3, 3, 3, 4)).astype("float32")
    padded = np.pad(doubled(maps), ((0, 0), (1, 1), (1, 1), (0, 0)))
    expected = sum(
        padded[:, i : i + 10, j : j + 14] @ kernel[i, j] for i in range(3) for j in range(3)
    )
    np.testing.assert_allclose(convolve_doubled(maps, kernel), expected, atol=1e-5)


@pytest.mark.parametrize("channels", [0, 2])
def test_coarse_maps_are_seen_doubled_behind_the_inputs(channels):
    rng = np.random.default_rng(0)
    fine = rng.normal(size=(2, 8, 6, channels)).astype("float32")
    coarse = rng.normal(size=(2, 4, 3, 5)).astype("float32")
    stack = ConvStack((4, 3))
    stack.build((None, 8, 6, channels + 5))
    stack.convolutions[0].bias.assign([1.0, 2.0, 3.0, 4.0])
    expected = stack(np.concatenate([fine, doubled(coarse)], axis=-1))
    outputs = stack(fine if channels else None, coarse=coarse)
    np.testing.assert_allclose(outputs, expected, atol=1e-5)


def test_as_many_strides_as_widths():
    with pytest.raises(ValueError, match="shorter|longer"):
        ConvStack((4, 4), (2,))
