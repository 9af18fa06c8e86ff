"""Counting of steps and epochs."""

import gc

import tensorflow as tf
from tensorflow.python.framework.func_graph import FuncGraph

from lmvp_tf.datasets import pipeline


def test_the_counter_counts_on_and_makes_no_graph():
    def graphs():
        return sum(isinstance(thing, FuncGraph) for thing in gc.get_objects())

    before = graphs()
    numbers = pipeline.counter(2**40)
    assert graphs() == before
    assert numbers.element_spec == tf.TensorSpec((), tf.int64)
    assert [int(n) for n in numbers.take(3)] == [2**40, 2**40 + 1, 2**40 + 2]
