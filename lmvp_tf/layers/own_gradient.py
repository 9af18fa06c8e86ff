"""TensorFlow's functions with a gradient of their own, without the graphs that they keep for ever."""

from __future__ import annotations

import functools
from collections.abc import Callable

import tensorflow as tf


def own_gradient(
    function: Callable[..., tuple[tf.Tensor, Callable[..., object]]],
) -> Callable[..., tf.Tensor]:
    """`tf.custom_gradient` for what is called in many graphs.

    Inside a graph, `tf.custom_gradient` registers the gradient of each call anew and for the life
    of the process, and so keeps that graph alive. Here the call is a graph of its own, which is
    made, and registered, once for each kind of arguments.

    Args:
      function: of tensors; returns (a tensor, a function of the gradient by it that returns those
        by the arguments).

    Returns:
      A function of the same tensors that returns the first.
    """
    eager = tf.custom_gradient(function)
    graph = tf.function(eager, autograph=False)

    @functools.wraps(function)
    def call(*arguments: tf.Tensor) -> tf.Tensor:
        return (eager if tf.executing_eagerly() else graph)(*arguments)

    return call
