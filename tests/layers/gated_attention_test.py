"""SimVP's gated attention against a transcription in NumPy."""

import math

import keras
import numpy as np

from lmvp_tf.layers.gated_attention import GatedAttentionBlock
from tests.layers.numpy_conv import conv, depthwise, sigmoid


def gelu(x):
    return x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2)))


def batch_norm(x, layer, mean=None, variance=None):
    scale, offset, moving_mean, moving_variance = layer.get_weights()
    mean = moving_mean if mean is None else mean
    variance = moving_variance if variance is None else variance
    return (x - mean) / np.sqrt(variance + 1e-5) * scale + offset


def numpy_block(block, x):
    y = batch_norm(x, block.attention_norm)
    z = gelu(conv(y, *block.projection.get_weights()))
    z = depthwise(z, *block.near.get_weights())
    z = depthwise(z, *block.far.get_weights(), dilation=3)
    value, gate = np.split(conv(z, *block.gates.get_weights()), 2, -1)
    attended = y + conv(value * sigmoid(gate), *block.attention_output.get_weights())
    x = x + block.attention_scale.numpy() * attended
    y = conv(batch_norm(x, block.mlp_norm), *block.expansion.get_weights())
    y = gelu(depthwise(y, *block.mixing.get_weights()))
    return x + block.mlp_scale.numpy() * conv(y, *block.mlp_output.get_weights())


def built():
    keras.utils.set_random_seed(0)
    block = GatedAttentionBlock(mlp_ratio=2)
    block.build((None, 9, 8, 3))
    rng = np.random.default_rng(0)
    for variable in block.weights:
        variable.assign(np.abs(rng.normal(0, 0.4, variable.shape)) + 0.1)
    return block, rng.normal(size=(2, 9, 8, 3)).astype("float32")


def test_it_equals_the_published_block():
    block, x = built()
    np.testing.assert_allclose(block(x), numpy_block(block, x), rtol=1e-3, atol=1e-3)


def test_in_training_it_is_normalised_by_the_batch_whose_averages_are_kept():
    block, x = built()
    before = block.attention_norm.moving_mean.numpy()
    block(x, training=True)
    mean = x.mean(axis=(0, 1, 2))
    kept = 0.9 * before + 0.1 * mean
    np.testing.assert_allclose(block.attention_norm.moving_mean, kept, rtol=1e-5)
    expected = batch_norm(x, block.attention_norm, mean, x.var(axis=(0, 1, 2)))
    np.testing.assert_allclose(block.attention_norm(x, training=True), expected, atol=1e-4)
