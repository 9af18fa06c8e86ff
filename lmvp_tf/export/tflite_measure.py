"""Runs .tflite files beside the model that they are from: what they predict, and how fast.

A file and a model look the same here: `Signatures`, functions of named NumPy arrays with a batch of
one video, see `lmvp_tf.export.endpoints`.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import time
import typing
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf.evaluation.tables import text_table
from lmvp_tf.export.endpoints import Exportable, endpoints
from lmvp_tf.metrics.accumulator import MetricAccumulator

ALLOWED = 0.02  # a file's MSE may be above the model's by this part of it
THREADS = (1, 2)
_STREAMED = 8  # sequences that are predicted frame by frame too
_REPEATS = 9

Array = npt.NDArray[Any]
Signature = Callable[..., dict[str, Array]]
Shapes = Mapping[str, tuple[int, ...]]  # of a state, see `VideoPredictor.state_shapes`
Seconds = tuple[float, float]  # median, minimum
ALL_CORES = 0  # as a number of threads


class Signatures(typing.NamedTuple):
    """What can be asked of a model."""

    serve: Signature  # frames -> {"predictions"}
    serve_step: Signature  # frame and the parts of the state -> the same


@dataclasses.dataclass
class Figures:
    """How well a file predicts by one signature."""

    mse_per_frame: float | None = None  # None where a value is not finite
    ssim_tf: float | None = None
    max_difference: float | None = None  # from what the model predicts


@dataclasses.dataclass
class Measured:
    """A file, or the model itself.

    Attributes:
      figures: {signature: Figures}; "serve_step" is measured on the first sequences alone.
      failure: why it must not be used; "" where it may.
      size: bytes; None for the model.
      seconds: {signature: {threads: (median, minimum)}} of a video and of a frame. The model runs
        on `ALL_CORES`.
    """

    figures: dict[str, Figures]
    failure: str = ""
    size: int | None = None
    seconds: dict[str, dict[int, Seconds]] = dataclasses.field(default_factory=dict)


class Comparison(typing.NamedTuple):
    """A model and its files, measured beside each other."""

    model: Measured
    files: dict[str, Measured]  # by variant


def open_model(exportable: Exportable) -> Signatures:
    """The Signatures of an Exportable's model, run by TensorFlow."""
    by_name = endpoints(exportable, batch_size=1)

    def signature(name: str) -> Signature:
        graph = tf.function(
            by_name[name].function, input_signature=by_name[name].specs, autograph=False
        )
        names = [spec.name for spec in by_name[name].specs]

        def run(**inputs: Array) -> dict[str, Array]:
            outputs = graph(*(tf.constant(inputs[part]) for part in names))
            return {part: value.numpy() for part, value in outputs.items()}

        return run

    return Signatures(*map(signature, Signatures._fields))


def open_file(path: pathlib.Path, num_threads: int | None = 1) -> Signatures:
    """The Signatures of a .tflite file, each with an interpreter of its own.

    Raises:
      ValueError or RuntimeError: the interpreter cannot run it.
    """
    from ai_edge_litert.interpreter import Interpreter

    def signature(name: str) -> Signature:
        return Interpreter(str(path), num_threads=num_threads).get_signature_runner(name)

    return Signatures(*map(signature, Signatures._fields))


def stream(step: Signature, frames: Array, state_shapes: Shapes, horizon: int) -> Array:
    """Predicts by "serve_step": reads T0 frames, then its own predictions.

    Args:
      step: a Signatures' `serve_step`.
      frames: [1, T0, H, W, C].
      state_shapes: {name: shape without the batch}, see `VideoPredictor.state_shapes`.
      horizon: S.

    Returns:
      [1, S, H, W, C], clipped to [0, 1].
    """
    state = {name: np.zeros((1, *shape), np.float32) for name, shape in state_shapes.items()}
    num_inputs, frame, predictions = frames.shape[1], frames[:, 0], []
    for t in range(num_inputs - 1 + horizon):
        outputs = step(frame=frames[:, t] if t < num_inputs else frame, **state)
        frame, state = outputs["frame"], {name: outputs[name] for name in state_shapes}
        predictions.append(frame)
    return np.clip(np.stack(predictions[num_inputs - 1 :], axis=1), 0, 1)


def predict(
    signatures: Signatures, videos: Array, num_inputs: int, state_shapes: Shapes
) -> dict[str, Array]:
    """What a model predicts of the videos.

    Args:
      signatures: a Signatures.
      videos: [N, T, H, W, C] float32.
      num_inputs: T0.
      state_shapes: see `stream`.

    Returns:
      {signature: [N, S, H, W, C]}, for "serve_step" of the first of the N videos.
    """
    inputs, horizon = videos[:, :num_inputs], videos.shape[1] - num_inputs
    known = [inputs[i : i + 1] for i in range(len(inputs))]
    return {
        "serve": np.concatenate([signatures.serve(frames=x)["predictions"] for x in known]),
        "serve_step": np.concatenate(
            [stream(signatures.serve_step, x, state_shapes, horizon) for x in known[:_STREAMED]]
        ),
    }


def compare(
    predictions: Mapping[str, Array], expected: Mapping[str, Array], truth: Array
) -> Measured:
    """Judges a file's predictions by the model's.

    Args:
      predictions: {signature: [N, S, H, W, C]}, the file's, as from `predict`.
      expected: the same of the model.
      truth: [N, S, H, W, C], the frames that came.

    Returns:
      Measured. It has failed where a value is not finite or the MSE is more than `ALLOWED` above
      the model's.
    """
    measured = Measured({})
    for name, predicted in predictions.items():
        came = truth[: len(predicted)]
        model, figures = _figures(expected[name], expected[name], came), Figures()
        if np.isfinite(predicted).all():
            figures = _figures(predicted, expected[name], came)
            error, allowed = figures.mse_per_frame or 0.0, model.mse_per_frame or 0.0
            worse = error > (1 + ALLOWED) * allowed
            reason = (
                f"{name} has MSE per frame {error:.2f}, the model {allowed:.2f}: more than "
                f"{ALLOWED:.0%} worse"
            )
        else:
            worse, reason = True, f"{name} predicts values that are not finite"
        measured.figures[name] = figures
        if worse and not measured.failure:
            measured.failure = reason
    return measured


def _figures(predicted: Array, expected: Array, truth: Array) -> Figures:
    metrics = MetricAccumulator(probabilities=False)
    metrics.update(truth, predicted)
    means = metrics.result()["metrics"]
    difference = np.abs(predicted - expected).max()
    return Figures(means["mse_per_frame"], means["ssim_tf"], float(difference))


def time_in_turns(functions: Mapping[Any, Callable[[], Any]]) -> dict[Any, Seconds]:
    """Times functions one after the other, again and again, so that what else the machine does
    slows all of them alike.

    Args:
      functions: {name: function without arguments}.

    Returns:
      {name: (median, minimum) of its seconds}.
    """
    seconds: dict[Any, list[float]] = {name: [] for name in functions}
    for i in range(_REPEATS + 1):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            if i:  # the first run makes what later ones find made
                seconds[name].append(time.perf_counter() - started)
    return {name: (float(np.median(x)), min(x)) for name, x in seconds.items()}


def add_latencies(
    compared: Comparison,
    model: Signatures,
    files: Mapping[str, pathlib.Path],
    frames: Array,
    state_shapes: Shapes,
) -> None:
    """Times each signature of the model and of its files, and fills in `Measured.seconds`.

    Args:
      compared: a Comparison.
      model: the model's Signatures.
      files: {variant: path} of the files to time.
      frames: [1, T0, H, W, C].
      state_shapes: see `stream`.
    """
    state = {name: np.zeros((1, *shape), np.float32) for name, shape in state_shapes.items()}
    inputs = {"serve": {"frames": frames}, "serve_step": {"frame": frames[:, 0], **state}}
    of_files = [(compared.files[name], path, n) for name, path in files.items() for n in THREADS]
    opened = [(compared.model, ALL_CORES, model)]
    opened += [(measured, n, open_file(path, n)) for measured, path, n in of_files]
    for part, asked in inputs.items():
        functions = {
            i: functools.partial(getattr(signatures, part), **asked)
            for i, (_, _, signatures) in enumerate(opened)
        }
        for i, seconds in time_in_turns(functions).items():
            measured, threads, _ = opened[i]
            measured.seconds.setdefault(part, {})[threads] = seconds


def table(compared: Comparison) -> str:
    """Lays out a Comparison as aligned text."""
    header = ["", "kB", "MSE/frame", "SSIM tf", "max diff"]
    header += [f"ms, {n} thread{'s' * (n > 1)}" for n in THREADS]
    header += [f"step ms, {n}" for n in THREADS]
    rows = [_row(name, one) for name, one in [("model", compared.model), *compared.files.items()]]
    seconds = compared.model.seconds
    notes = [
        f"ms: median (minimum) of {_REPEATS} runs for a video, all in turns; step ms: for a frame.",
        "The model itself, run by TensorFlow on all cores: "
        f"{' ms and '.join(_ms(seconds[part][ALL_CORES]) for part in Signatures._fields)} ms.",
    ]
    failed = [
        f"{name} failed: {one.failure}" for name, one in compared.files.items() if one.failure
    ]
    return "\n".join([text_table(header, rows), "", *notes, *failed])


def _row(name: str, one: Measured) -> list[str]:
    serve = one.figures["serve"]
    cells = [name, "-" if one.size is None else f"{one.size / 1e3:.0f}"]
    for value, form in [
        (serve.mse_per_frame, ".2f"),
        (serve.ssim_tf, ".4f"),
        (one.size and serve.max_difference, ".1e"),  # the model has none from itself
    ]:
        cells.append("-" if value is None else format(value, form))
    for part in Signatures._fields:
        timed = one.seconds.get(part, {})
        cells += [_ms(timed[n]) if n in timed else "-" for n in THREADS]
    return cells


def _ms(seconds: Seconds) -> str:
    median, minimum = (f"{1e3 * value:.3g}" for value in seconds)
    return f"{median} ({minimum})"
