"""What an exported model is asked for: functions of named tensors, all with a leading batch."""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import typing
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.layers.adaptive_filter import AdaptiveFilter
from lmvp_tf.models.predictor import VideoPredictor
from lmvp_tf.models.registry import model_class
from lmvp_tf.training import memory
from lmvp_tf.training.checkpoint import load_trained


class Endpoint(typing.NamedTuple):
    """A function of tensors that returns a dict of tensors, and the tensors it takes."""

    function: Callable[..., dict[str, tf.Tensor]]
    specs: tuple[tf.TensorSpec, ...]


@dataclasses.dataclass(frozen=True)
class Exportable:
    """The trained model of a workdir, ready to be written."""

    model: VideoPredictor
    config: configs.Config
    step: int  # steps it was trained
    horizon: int  # S, frames that it predicts at a time


def load_exportable(workdir: pathlib.Path, horizon: int | None = None) -> Exportable:
    """Loads the model of a workdir, in float32 whatever precision it was trained in.

    Args:
      workdir: a pathlib.Path that run_train.py wrote.
      horizon: S, how many frames to predict; None for as many as in training.

    Returns:
      Exportable.

    Raises:
      UserError: no such run, no checkpoint, or a model that has no TensorFlow graph.
    """
    config = configs.load(workdir / "config.json")
    if not model_class(config.model_name).exportable:
        raise UserError(
            f"--model={config.model_name} runs Python and OpenCV and cannot be exported: "
            "export another model"
        )
    # A TFLite file cannot hold rolled loops.
    plain = {"rolled": False, "recompute": False}
    config = configs.replace(config, {f"training.{name}": plain[name] for name in plain})
    if horizon:
        memory.check(configs.replace(config, {"data.num_frames": config.data.num_inputs + horizon}))
    model, trained = load_trained(workdir, config)
    return Exportable(
        model, config, trained.step, horizon or config.data.num_frames - input_shape(config)[0]
    )


def input_shape(config: configs.Config) -> tuple[int, int, int, int]:
    """(T0, H, W, C)."""
    data = config.data
    return data.num_inputs, *data.frame_shape


def endpoints(exportable: Exportable, batch_size: int | None = None) -> dict[str, Endpoint]:
    """The endpoints of a model by name.

    - "serve": frames [B, T0, H, W, C], float32 in [0, 1] -> predictions [B, S, H, W, C], the same.
    - "serve_uint8": both in uint8, 0 to 255.
    - "serve_step": frame [B, H, W, C] and the parts of the state -> the next frame and the new
      parts, under the same names, so that what comes out goes in again. It starts from zeros. See
      `VideoPredictor.step`; the frame that comes out is not clipped to [0, 1].

    An empty batch is refused: oneDNN's kernels, let run on it, fail with a message about something
    else. Values out of range are not: an assertion would fail every request that the server
    happened to put into the same batch.

    Args:
      exportable: an Exportable.
      batch_size: B; None for a batch of any size.
    """
    model, horizon = exportable.model, exportable.horizon
    shape = input_shape(exportable.config)
    spec = functools.partial(_spec, batch_size)

    # One graph in the file for both below.
    @tf.function(input_signature=[spec("frames", shape)], autograph=False)
    def predict(frames: tf.Tensor) -> tf.Tensor:
        return model(frames, num_predicted=horizon)

    def serve(frames: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"predictions": predict(_not_empty(frames))}

    def serve_uint8(frames: tf.Tensor) -> dict[str, tf.Tensor]:
        predictions = predict(tf.cast(_not_empty(frames), tf.float32) / 255.0)
        return {"predictions": tf.cast(tf.round(255.0 * predictions), tf.uint8)}

    return {
        "serve": Endpoint(serve, (spec("frames", shape),)),
        "serve_uint8": Endpoint(serve_uint8, (spec("frames", shape, tf.uint8),)),
        "serve_step": step_endpoint(exportable, batch_size),
    }


def step_endpoint(
    exportable: Exportable, batch_size: int | None = None, with_flow: bool = False
) -> Endpoint:
    """The endpoint "serve_step", see `endpoints`.

    Args:
      exportable: an Exportable.
      batch_size: B; None for a batch of any size.
      with_flow: "flow" comes out too, [B, H, W, 2], of a model that has it: where each pixel is
        fetched from, (dy, dx) in pixels. See `VideoPredictor.step_flow`.
    """
    model, shape = exportable.model, input_shape(exportable.config)
    state_shapes = model.state_shapes(shape)

    def serve_step(frame: tf.Tensor, *parts: tf.Tensor) -> dict[str, tf.Tensor]:
        frame, state = _not_empty(frame), dict(zip(state_shapes, parts, strict=True))
        flow = model.step_flow(frame, state) if with_flow else None
        frame, state = model.step(frame, state)
        return {"frame": frame, **state, **({} if flow is None else {"flow": flow})}

    shapes = {"frame": shape[1:], **state_shapes}
    return Endpoint(serve_step, tuple(_spec(batch_size, *item) for item in shapes.items()))


def use_filter(model: keras.Layer, implementation: str) -> None:
    """Sets the implementation of every adaptive filter: "reference" is the one to export."""
    for layer in _with_sublayers(model):
        if isinstance(layer, AdaptiveFilter):
            layer.implementation = implementation


def _spec(
    batch_size: int | None, name: str, shape: tuple[int, ...], dtype: tf.DType = tf.float32
) -> tf.TensorSpec:
    return tf.TensorSpec((batch_size, *shape), dtype, name)


def _not_empty(frames: tf.Tensor) -> tf.Tensor:
    """The same tensor, once it is known to have a batch."""
    some = tf.debugging.assert_positive(tf.shape(frames)[0], message="the batch is empty")
    with tf.control_dependencies([some] if some is not None else []):  # None in eager mode
        return tf.identity(frames)


def _with_sublayers(layer: keras.Layer) -> Iterator[keras.Layer]:
    yield layer
    for part in getattr(layer, "layers", ()):
        yield from _with_sublayers(part)
