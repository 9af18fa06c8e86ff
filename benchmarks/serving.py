"""Prediction of ten frames from ten, one video at a time, in the forms a model is exported to."""

import functools
import os
import pathlib
import tempfile
import typing

import numpy as np
import tensorflow as tf

from benchmarks.common import Row, exponent, side_by_side
from lmvp_tf.export import saved_model, tflite, tflite_measure
from lmvp_tf.export.endpoints import Exportable, input_shape
from lmvp_tf.presets import named
from lmvp_tf.training.checkpoint import build_model


class Forms(typing.NamedTuple):
    """A model, and functions that predict with it as it is and from its SavedModel."""

    exportable: Exportable
    frames: np.ndarray  # [1, T0, H, W, C]
    bare: typing.Callable
    served: typing.Callable


def saved_model_latency(quick):
    """The SavedModel's endpoint beside a tf.function of the model as it was trained."""
    forms = _forms()
    functions = {"bare": forms.bare, "served": forms.served}
    seconds = side_by_side(functions, 10 if quick else 50)
    return Row(
        "saved_model_latency",
        1e3 * seconds["served"],
        "ms",
        "tf.function of the model",
        seconds["bare"] / seconds["served"],
    )


def tflite_latency(quick):
    """The float32 .tflite file, on all cores, beside the SavedModel."""
    forms = _forms()
    with tempfile.TemporaryDirectory() as folder:
        paths, _ = tflite.convert(forms.exportable, ("float32",), None, pathlib.Path(folder))
        light = tflite_measure.open_file(paths["float32"], os.cpu_count()).serve
        functions = {"light": lambda: light(frames=forms.frames), "served": forms.served}
        seconds = side_by_side(functions, 10 if quick else 50)
    return Row(
        "tflite_latency",
        1e3 * seconds["light"],
        "ms",
        "the SavedModel",
        seconds["served"] / seconds["light"],
    )


def dfn_paper_latency(quick):
    """DFN at its published widths, in a tf.function."""
    del quick
    config = named.get("moving_mnist", "paper", "dfn")
    predict = _graph(build_model(config), _frames(config), num_predicted=10)
    return Row("dfn_paper_latency", 1e3 * side_by_side({"dfn": predict}, 10)["dfn"], "ms")


def growth_horizon(quick):
    """LMVP over the number of predicted frames."""
    config = named.get("moving_mnist", "small_paper_recipe")
    model, frames = build_model(config), _frames(config)
    model.rolled = True  # as the endpoints are not: 40 frames at once would take a minute to trace
    sizes = (10, 20, 40)
    functions = {size: _graph(model, frames, num_predicted=size) for size in sizes}
    # Without what reading the input costs, and the first prediction with it.
    read = _graph(model, frames, num_predicted=1)
    seconds = side_by_side({**functions, 1: read}, 5 if quick else 20)
    lengths = [size - 1 for size in sizes]
    times = [seconds[size] - seconds[1] for size in sizes]
    return Row("growth_horizon", exponent(lengths, times), "exponent over S 10, 20, 40")


def _graph(model, frames, num_predicted):
    tensor = tf.constant(frames)
    graph = tf.function(lambda x: model(x, num_predicted=num_predicted), autograph=False)
    return lambda: graph(tensor).numpy()


def _frames(config):
    return np.random.default_rng(0).random((1, *input_shape(config)), np.float32)


@functools.cache
def _forms():
    config = named.get("moving_mnist", "small_paper_recipe")
    exportable = Exportable(build_model(config), config, step=0, horizon=10)
    frames = _frames(config)
    tensor = tf.constant(frames)
    bare = _graph(exportable.model, frames, exportable.horizon)
    bare()  # traced before the export changes the filters
    with tempfile.TemporaryDirectory() as folder:
        saved_model.write(exportable, pathlib.Path(folder))
        loaded = tf.saved_model.load(folder)
    return Forms(
        exportable,
        frames,
        bare,
        lambda: loaded.signatures["serve"](frames=tensor),
    )
