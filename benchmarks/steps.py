"""Training steps and their parts, as the benchmarks run them."""

import collections
import typing

import keras
import numpy as np
import tensorflow as tf

from lmvp_tf.training.checkpoint import TrainState
from lmvp_tf.training.graphs import traced_steps


class Operation(typing.NamedTuple):
    """A convolution, or the gradient of one, of a graph."""

    type: str  # Conv2D, Conv2DBackpropInput or Conv2DBackpropFilter
    inputs: tuple[tuple[int, ...], tuple[int, ...]]  # shapes of the two tensors it reads
    output: tuple[int, ...]  # shape
    strides: tuple[int, ...]
    padding: str


def training_step(config, phase):
    """The step of a phase, on noise, as a function without arguments that ends with its report."""
    step, video = step_and_video(config, phase)
    return lambda: {name: float(value) for name, value in step(video).items()}


def step_and_video(config, phase):
    """(tf.function of a batch, a batch of noise) for a new model of a config."""
    keras.utils.set_random_seed(0)
    data, batch_size = config.data, config.training.batch_size
    shape = (batch_size, data.num_frames, *data.frame_shape)
    video = tf.constant(np.random.default_rng(0).random(shape, np.float32))
    return traced_steps(TrainState(config))[phase], video


def convolutions(step, video):
    """The convolutions that a step has to run: a Counter of Operations.

    What no result depends on is left out, as TensorFlow leaves it out (the gradient with respect to
    the video, for example).

    Args:
      step: a tf.function whose loops over time are unrolled: a convolution in a rolled loop counts
        as none.
      video: its argument.
    """
    graph = step.get_concrete_function(video).graph
    found = collections.Counter()
    for operation in _needed(graph):
        if operation.type.startswith("Conv2D"):
            found[_operation(operation)] += 1
    return found


def _needed(graph):
    """The operations that outputs and effects of a graph depend on."""
    waiting = [tensor.op for tensor in graph.outputs] + list(graph.control_outputs)
    seen = set()
    while waiting:
        operation = waiting.pop()
        if operation not in seen:
            seen.add(operation)
            waiting += [tensor.op for tensor in operation.inputs] + operation.control_inputs
    return seen


def _operation(operation):
    # Gradients have a third input, of integers: the shape of what they give.
    inputs = [x for x in operation.inputs if x.dtype.is_floating]
    return Operation(
        operation.type,
        tuple(tuple(x.shape.as_list()) for x in inputs),
        tuple(operation.outputs[0].shape.as_list()),
        tuple(operation.get_attr("strides")),
        operation.get_attr("padding").decode(),
    )


def runner(operation):
    """A function that runs an Operation alone, through the graph, as the step does."""
    kind, (first, second), output, strides, padding = operation
    options = {"strides": list(strides), "padding": padding}
    ops = tf.raw_ops
    call = {
        "Conv2D": lambda x, w: ops.Conv2D(input=x, filter=w, **options),
        "Conv2DBackpropInput": lambda w, dy: ops.Conv2DBackpropInput(
            input_sizes=output, filter=w, out_backprop=dy, **options
        ),
        "Conv2DBackpropFilter": lambda x, dy: ops.Conv2DBackpropFilter(
            input=x, filter_sizes=output, out_backprop=dy, **options
        ),
    }[kind]
    function = tf.function(call)
    x, y = tf.random.normal(first), tf.random.normal(second)
    return lambda: function(x, y)
