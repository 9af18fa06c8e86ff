"""Grouped convolutions and their gradients against separate ones."""

import numpy as np
import tensorflow as tf

from lmvp_tf.layers.grouped_conv import GroupedConv2D
from tests.layers.numpy_conv import conv


def test_it_is_one_convolution_for_each_group():
    layer = GroupedConv2D(6, 5, groups=2, bias_initializer="random_normal")
    x = np.random.default_rng(0).normal(size=(2, 7, 4, 8)).astype("float32")
    outputs = layer(x)
    kernel, bias = layer.get_weights()
    assert kernel.shape == (5, 5, 4, 6)
    np.testing.assert_allclose(outputs, conv(x, kernel, bias, groups=2), atol=1e-5)


def test_its_gradients_are_those_of_separate_convolutions():
    layer = GroupedConv2D(4, 3, groups=2)
    x = tf.random.stateless_normal((1, 5, 6, 6), (1, 2))
    layer.build(x.shape)
    kernel = layer.kernel.value
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        parts = zip(tf.split(x, 2, -1), tf.split(kernel, 2, -1), strict=True)
        apart = tf.concat([tf.nn.conv2d(a, b, 1, "SAME") for a, b in parts], -1)
        losses = [tf.reduce_sum(y**3) for y in (layer(x), apart)]
    for variable in (x, kernel):
        one, other = (tape.gradient(loss, variable) for loss in losses)
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)
