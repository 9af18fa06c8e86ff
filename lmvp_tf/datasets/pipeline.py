"""How every dataset makes its batches ahead of the training step that takes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def prepare_ahead(elements: tf.data.Dataset, function: Callable[..., tf.Tensor]) -> tf.data.Dataset:
    """Maps a tf.data.Dataset by `function`, two elements at a time, and keeps two results ready.

    tf.data's autotuner is off, in whatever is made of the result too: an iterator that is dropped
    waits for the autotuner's thread, which at times sleeps on (TensorFlow 2.21), and a run that was
    stopped lived for more than half a minute after it had saved.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return mapped(elements, function, 2).prefetch(2).with_options(options)


def mapped(
    elements: tf.data.Dataset, function: Callable[..., Any], parallel: int | None = None
) -> tf.data.Dataset:
    """`elements.map(function)` without AutoGraph, which takes seconds to start.

    Args:
      elements, function: as for `tf.data.Dataset.map`.
      parallel: how many elements at a time; None: one.
    """
    function = tf.autograph.experimental.do_not_convert(function)
    return elements.map(function, num_parallel_calls=parallel)


def counter(first: int) -> tf.data.Dataset:
    """first, first + 1, and so on, int64: a range, which tf.data service splits among its workers.

    Of tf.data's own counter each worker counts for itself, and its graph is never freed.
    """
    return tf.data.Dataset.range(first, tf.int64.max)


def variable(value: Any, name: str) -> tf.Variable:
    """What keeps the data of a compiled step: a constant would become part of its program."""
    return tf.Variable(value, trainable=False, name=name)
