"""Runs .tflite files beside the model that they are from: what they predict, and how fast.

A file and a model look the same here: `Signatures`, functions of named NumPy arrays with a batch of
one video, see `lmvp_tf.export.endpoints`.
"""

import dataclasses
import functools
import time
import typing

import numpy as np
import tensorflow as tf

from lmvp_tf.evaluation.tables import text_table
from lmvp_tf.export.endpoints import endpoints
from lmvp_tf.metrics import MetricAccumulator

ALLOWED = 0.02  # a file's MSE may be above the model's by this part of it
THREADS = (1, 2)
_STREAMED = 8  # sequences that are predicted frame by frame too
_REPEATS = 9


class Signatures(typing.NamedTuple):
    """What can be asked of a model."""

    serve: typing.Callable  # frames -> {"predictions"}
    serve_step: typing.Callable  # frame and the parts of the state -> the same


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
        on all cores: its only key is None.
    """

    figures: dict
    failure: str = ""
    size: int | None = None
    seconds: dict = dataclasses.field(default_factory=dict)


def open_model(exportable):
    """The Signatures of an Exportable's model, run by TensorFlow."""
    by_name = endpoints(exportable, batch_size=1)

    def signature(name):
        graph = tf.function(
            by_name[name].function, input_signature=by_name[name].specs, autograph=False
        )
        names = [spec.name for spec in by_name[name].specs]

        def run(**inputs):
            outputs = graph(*(tf.constant(inputs[part]) for part in names))
            return {part: value.numpy() for part, value in outputs.items()}

        return run

    return Signatures(*map(signature, Signatures._fields))


def open_file(path, num_threads=1):
    """The Signatures of a .tflite file, each with an interpreter of its own.

    Raises:
      ValueError or RuntimeError: the interpreter cannot run it.
    """
    from ai_edge_litert.interpreter import Interpreter

    def signature(name):
        return Interpreter(str(path), num_threads=num_threads).get_signature_runner(name)

    return Signatures(*map(signature, Signatures._fields))


def stream(step, frames, state_shapes, horizon):
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
    num_inputs, frame, predictions = frames.shape[1], None, []
    for t in range(num_inputs - 1 + horizon):
        outputs = step(frame=frames[:, t] if t < num_inputs else frame, **state)
        frame, state = outputs["frame"], {name: outputs[name] for name in state_shapes}
        predictions.append(frame)
    return np.clip(np.stack(predictions[num_inputs - 1 :], axis=1), 0, 1)


def predict(signatures, videos, num_inputs, state_shapes):
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


def compare(predictions, expected, truth):
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
            worse = figures.mse_per_frame > (1 + ALLOWED) * model.mse_per_frame
            reason = (
                f"{name} has MSE per frame {figures.mse_per_frame:.2f}, the model "
                f"{model.mse_per_frame:.2f}: more than {ALLOWED:.0%} worse"
            )
        else:
            worse, reason = True, f"{name} predicts values that are not finite"
        measured.figures[name] = figures
        if worse and not measured.failure:
            measured.failure = reason
    return measured


def _figures(predicted, expected, truth):
    metrics = MetricAccumulator(with_bce=False)
    metrics.update(truth, predicted)
    means = metrics.result()["metrics"]
    difference = np.abs(predicted - expected).max()
    return Figures(means["mse_per_frame"], means["ssim_tf"], float(difference))


def time_in_turns(functions):
    """Times functions one after the other, again and again, so that what else the machine does
    slows all of them alike.

    Args:
      functions: {name: function without arguments}.

    Returns:
      {name: (median, minimum) of its seconds}.
    """
    seconds = {name: [] for name in functions}
    for i in range(_REPEATS + 1):
        for name, function in functions.items():
            started = time.perf_counter()
            function()
            if i:  # the first run makes what later ones find made
                seconds[name].append(time.perf_counter() - started)
    return {name: (float(np.median(x)), min(x)) for name, x in seconds.items()}


def add_latencies(measured, model, files, frames, state_shapes):
    """Times each signature of the model and of its files, and fills in `Measured.seconds`.

    Args:
      measured: {name: Measured} of the files, and of the model under `None`.
      model: its Signatures.
      files: {name: path} of the files to time.
      frames: [1, T0, H, W, C].
      state_shapes: see `stream`.
    """
    state = {name: np.zeros((1, *shape), np.float32) for name, shape in state_shapes.items()}
    inputs = {"serve": {"frames": frames}, "serve_step": {"frame": frames[:, 0], **state}}
    opened = {(None, None): model}
    opened |= {(name, n): open_file(path, n) for name, path in files.items() for n in THREADS}
    for part, asked in inputs.items():
        functions = {
            key: functools.partial(getattr(signatures, part), **asked)
            for key, signatures in opened.items()
        }
        for (name, threads), seconds in time_in_turns(functions).items():
            measured[name].seconds.setdefault(part, {})[threads] = seconds


def table(measured):
    """Lays out {name: Measured} of the files, and of the model under `None`, as aligned text."""
    header = ["", "kB", "MSE/frame", "SSIM tf", "max diff"]
    header += [f"ms, {n} thread{'s' * (n > 1)}" for n in THREADS]
    header += [f"step ms, {n}" for n in THREADS]
    rows = [_row(name or "model", one) for name, one in measured.items()]
    seconds = measured[None].seconds
    notes = [
        f"ms: median (minimum) of {_REPEATS} runs for a video, all in turns; step ms: for a frame.",
        f"The model itself, run by TensorFlow on all cores: {_ms(seconds['serve'][None])} ms and "
        f"{_ms(seconds['serve_step'][None])} ms.",
    ]
    failed = [f"{name} failed: {one.failure}" for name, one in measured.items() if one.failure]
    return "\n".join([text_table(header, rows), "", *notes, *failed])


def _row(name, one):
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


def _ms(seconds):
    median, minimum = (f"{1e3 * value:.3g}" for value in seconds)
    return f"{median} ({minimum})"
