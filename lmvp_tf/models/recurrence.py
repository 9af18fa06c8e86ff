"""Loops over time, unrolled or rolled."""

import keras
import tensorflow as tf
from keras import ops, tree


def recur(step, state, inputs=None, length=None, rolled=False):
    """Runs a step for every time step: state, y_t = step(state, x_t).

    Args:
      step: function of a state and x_t, both tensors or nests of them, that returns the next state
        and y_t, a nest of tensors too.
      state: the state before the first step.
      inputs: x_1..x_T, a tensor [B, T, ...]; None where a step reads nothing but the state.
      length: T, where there are no inputs.
      rolled: one `while` loop instead of T copies of the step. Its graph is T times smaller, sooner
        built and compiled. On a Keras backend other than TensorFlow the loop is never rolled.

    Returns:
      The state after the last step, and the nest of y_1..y_T, each [B, T, ...].
    """
    length = length if inputs is None else inputs.shape[1]
    if rolled and length > 1 and keras.backend.backend() == "tensorflow":
        return _while_loop(step, state, inputs, length)
    outputs = []
    for x in [None] * length if inputs is None else ops.unstack(inputs, axis=1):
        state, y = step(state, x)
        outputs.append(y)
    return state, tree.map_structure(lambda *ys: ops.stack(ys, axis=1), *outputs)


def _while_loop(step, state, inputs, length):
    """`recur` as a loop in the graph. The first step is run before it: y_1 tells what y_t are."""
    if inputs is not None:
        shape = (inputs.shape[0], *inputs.shape[2:])
        inputs = tf.TensorArray(inputs.dtype, length, element_shape=shape).unstack(
            tf.experimental.numpy.moveaxis(inputs, 1, 0)
        )
    read = (lambda t: None) if inputs is None else inputs.read
    state, first = step(state, read(0))
    outputs = [
        tf.TensorArray(y.dtype, length, element_shape=y.shape).write(0, y)
        for y in tree.flatten(first)
    ]

    def body(t, state, outputs):
        state, y = step(state, read(t))
        outputs = [array.write(t, y) for array, y in zip(outputs, tree.flatten(y), strict=True)]
        return t + 1, state, outputs

    _, state, outputs = tf.while_loop(
        lambda t, *_: t < length,
        body,
        (tf.constant(1), state, outputs),
        maximum_iterations=length - 1,
    )
    stacked = [tf.experimental.numpy.moveaxis(array.stack(), 0, 1) for array in outputs]
    return state, tree.pack_sequence_as(first, stacked)
