"""Gradients of one's own, as `tf.custom_gradient` has them, that keep no graph alive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.eager import record


def own_gradient(
    name: str,
    forward: Callable[..., tuple[tf.Tensor, ...]],
    gradient: Callable[..., Sequence[tf.Tensor]],
) -> Callable[..., tf.Tensor]:
    """`tf.custom_gradient` that registers the gradient once.

    TensorFlow's own registers it anew at every call inside a graph, for the life of the process and
    with the whole graph: each evaluation, each export would leave one behind. Here what the
    gradient wants passes through an operation, as it does there, and is taken from its inputs.
    A SavedModel has no such gradient: who asks for it gets an InvalidArgumentError.

    Args:
      name: of the gradient, another for each call of this function.
      forward: of tensors; returns (the result, what else the gradient wants, ...).
      gradient: of (the gradient by the result, the result, the tensors, what else), returns those
        by the tensors.

    Returns:
      A function of the same tensors that returns the result.
    """

    @tf.custom_gradient
    def eager(*tensors: tf.Tensor) -> tuple[tf.Tensor, Callable[[tf.Tensor], Any]]:
        result, *others = forward(*tensors)
        return result, lambda upstream: gradient(upstream, result, *tensors, *others)

    def of_identity(held: Sequence[tf.Tensor], upstream: tf.Tensor) -> list[tf.Tensor | None]:
        found = gradient(upstream, *held)
        return [None, *found, *[None] * (len(held) - 1 - len(found))]

    @tf.RegisterGradient(name)
    def _registered(operation: tf.Operation | None, *upstream: tf.Tensor) -> Any:
        if operation is None:  # a SavedModel is written, of which each operation would be another
            return _fails(upstream)
        return of_identity(operation.inputs, upstream[0])

    def in_graph(*tensors: tf.Tensor) -> tf.Tensor:
        result, *others = forward(*tensors)
        held = [result, *tensors, *others]
        with tf.compat.v1.get_default_graph().gradient_override_map({"IdentityN": name}):
            passed = tf.identity_n(held)
        record.record_operation(name, passed, held, lambda up, *_: of_identity(held, up))
        return passed[0]

    def call(*tensors: tf.Tensor) -> tf.Tensor:
        return (eager if tf.executing_eagerly() else in_graph)(*tensors)

    return call


def _fails(tensors: Sequence[tf.Tensor]) -> list[tf.Tensor]:
    """Tensors like these of a function that fails where it is called."""
    failure = tf.debugging.Assert(False, ["a SavedModel predicts, it has no gradients"])
    with tf.control_dependencies([failure]):
        return [tf.identity(tensor) for tensor in tensors]
