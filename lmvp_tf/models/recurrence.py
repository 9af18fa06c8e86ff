"""Loops over time, unrolled or rolled."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import keras
from keras import ops, tree

if TYPE_CHECKING:
    import tensorflow as tf

Nest = Any  # tensors in tuples, lists and dicts
Step = Callable[[Nest, Nest], tuple[Nest, Nest]]


def recur(
    step: Step,
    state: Nest,
    inputs: Nest = None,
    length: int = 0,
    rolled: bool = False,
) -> tuple[Nest, Nest]:
    """Runs a step for every time step: state, y_t = step(state, x_t).

    Args:
      step: function of a state and x_t, both tensors or nests of them, that returns the next state
        and y_t, a nest of tensors too.
      state: the state before the first step.
      inputs: x_1..x_T, a tensor [B, T, ...] or a nest of them; None where a step reads nothing but
        the state.
      length: T, where there are no inputs.
      rolled: one `while` loop instead of T copies of the step. Its graph is T times smaller, sooner
        built and compiled. On a Keras backend other than TensorFlow the loop is never rolled.

    Returns:
      The state after the last step, and the nest of y_1..y_T, each [B, T, ...].
    """
    leaves = [] if inputs is None else tree.flatten(inputs)
    length = leaves[0].shape[1] if leaves else length

    def step_on(state: Nest, xs: list[tf.Tensor]) -> tuple[Nest, Nest]:
        return step(state, tree.pack_sequence_as(inputs, xs) if xs else None)

    if rolled and length > 1 and keras.backend.backend() == "tensorflow":
        return _while_loop(step_on, state, leaves, length)
    leaves = [ops.unstack(x, axis=1) for x in leaves]
    outputs = []
    for t in range(length):
        state, y = step_on(state, [parts[t] for parts in leaves])
        outputs.append(y)
    return state, tree.map_structure(lambda *ys: ops.stack(ys, axis=1), *outputs)


def _while_loop(step: Step, state: Nest, inputs: list[tf.Tensor], length: int) -> tuple[Nest, Nest]:
    """`recur` as a loop in the graph. The first step is run before it: y_1 tells what y_t are."""
    import tensorflow as tf

    arrays = [
        tf.TensorArray(x.dtype, length, element_shape=(x.shape[0], *x.shape[2:])).unstack(
            tf.experimental.numpy.moveaxis(x, 1, 0)
        )
        for x in inputs
    ]

    def read(t: int | tf.Tensor) -> list[tf.Tensor]:
        return [array.read(t) for array in arrays]

    state, first = step(state, read(0))
    outputs = [
        tf.TensorArray(y.dtype, length, element_shape=y.shape).write(0, y)
        for y in tree.flatten(first)
    ]

    def body(
        t: tf.Tensor, state: Nest, outputs: list[tf.TensorArray]
    ) -> tuple[tf.Tensor, Nest, list[tf.TensorArray]]:
        state, y = step(state, read(t))
        outputs = [array.write(t, y) for array, y in zip(outputs, tree.flatten(y), strict=True)]
        return t + 1, state, outputs

    _, state, outputs = tf.while_loop(
        lambda t, *_: t < length,
        body,
        (tf.constant(1), state, outputs),
        maximum_iterations=length - 1,
        parallel_iterations=2,  # more of them would hold more of what each needs in passing
    )
    stacked = [tf.experimental.numpy.moveaxis(array.stack(), 0, 1) for array in outputs]
    return state, tree.pack_sequence_as(first, stacked)
