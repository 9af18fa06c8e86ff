"""A gradient of one's own is right in and outside of graphs, and keeps no graph alive."""

import gc
import weakref

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.layers.adaptive_filter import adaptive_filter
from lmvp_tf.layers.conv_stack import leaky_relu
from lmvp_tf.layers.own_gradient import own_gradient

# Not 2 x: so that it is seen. It is taken from the result, the argument and what else there is.
_square = own_gradient(
    "test/square",
    lambda x: (x * x, 2.0 * x),
    lambda upstream, y, x, double: [upstream * (y / x + 4.5 * double)],
)


def _gradient(x):
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(_square(_square(x)))
    return tape.gradient(y, x)


def test_the_gradient_is_the_one_that_is_given():
    x = tf.constant([1.0, 2.0, -3.0])
    expected = 100.0 * np.array([1.0, 2.0, -3.0]) ** 3
    np.testing.assert_allclose(_gradient(x), expected)
    np.testing.assert_allclose(tf.function(_gradient)(x), expected)
    np.testing.assert_allclose(tf.function(_gradient, jit_compile=True)(x), expected)


@pytest.mark.parametrize(
    "function",
    [
        _square,
        leaky_relu,
        lambda x: adaptive_filter(x, tf.zeros((9, *x.shape[:3]))),
    ],
    ids=["own", "leaky_relu", "adaptive_filter"],
)
def test_graphs_are_freed(function):
    x = tf.ones((1, 4, 4, 1))

    def graph():
        made = tf.function(lambda x: function(x) + 1.0).get_concrete_function(x)
        return weakref.ref(made.graph)

    graph()  # the first one of all may be kept: what it calls was made in it
    found = graph()
    gc.collect()
    assert found() is None


def test_a_saved_model_predicts_and_refuses_gradients(tmp_path):
    module = tf.Module()
    module.f = tf.function(leaky_relu, input_signature=[tf.TensorSpec([None])])
    tf.saved_model.save(module, tmp_path / "saved")
    loaded = tf.saved_model.load(tmp_path / "saved")
    x = tf.constant([-1.0, 2.0])
    np.testing.assert_allclose(loaded.f(x), [-0.2, 2.0])
    with tf.GradientTape() as tape, pytest.raises(tf.errors.InvalidArgumentError, match="no grad"):
        tape.watch(x)
        tape.gradient(loaded.f(x), x)
