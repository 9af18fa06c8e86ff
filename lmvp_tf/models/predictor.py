"""What every system is: a Keras model that predicts the frames which follow some frames."""

from __future__ import annotations

import dataclasses
import math
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
from keras import ops

from lmvp_tf.errors import UserError
from lmvp_tf.models.recurrence import recur

if TYPE_CHECKING:
    import tensorflow as tf

    from lmvp_tf.datasets.base import DataSettings

Shape = tuple[int, ...]
State = dict[str, "tf.Tensor"]  # of `VideoPredictor.step`
Function = Callable[..., "tf.Tensor"]


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """The settings of a model that has none."""

    def validate(self, data: DataSettings) -> None:
        """Any data will do."""


class Supervision(typing.NamedTuple):
    """What a baseline's loss compares."""

    targets: tf.Tensor  # [B, S, H, W, C]
    predictions: tf.Tensor  # [B, S, H, W, C]
    num_inside: int  # the first so many of the S frames lie inside the input


class VideoPredictor(keras.Model):
    """A video predictor, as the training loop, the evaluation and the export know it.

    H and W may be any, C 1 or 3: a network that halves frames pads them for itself, see
    `lmvp_tf.layers.grid`.

    A subclass takes its settings as first argument (`settings`, or its fields as a dict), sets what
    it has under "Attributes", and implements `call(inputs, *, num_predicted)`: x_1..x_T0, [B, T0,
    H, W, C] in [0, 1] -> the S = num_predicted frames that follow, [B, S, H, W, C], float32 in
    [0, 1]. It computes in float32 whatever its layers' policy, and casts for itself.

    Attributes:
      Settings: class of the settings: a frozen dataclass, whose `validate(data)` raises UserError
        where they do not suit a DataSettings. Its fields are the config's `model.*`.
      procedure: how it is trained, a name in lmvp_tf.training.procedures.
      training_defaults: {path of a config field: value}, how its authors trained it, where that
        differs from a preset's way.
      exportable: whether it is made of TensorFlow operations alone.
      rolled: whether its loops over time are, see `lmvp_tf.models.recurrence.recur`. May be set.
      frames_together: whether G filters all real frames in one call. May be set.
      recomputes: whether `recompute` may be set: then what is large (filters, and what they are
        made from) is not kept for the backward pass but computed anew. Loops are then unrolled.
    """

    Settings: ClassVar[type] = NoSettings
    procedure: ClassVar[str] = "supervised"
    training_defaults: ClassVar[Mapping[str, Any]] = {}
    exportable: ClassVar[bool] = True
    recomputes: ClassVar[bool] = False
    rolled = False
    frames_together = True
    recompute = False

    def __init__(self, settings: Any = None, **kwargs: Any) -> None:
        if keras.config.image_data_format() != "channels_last":
            raise UserError(
                "Keras is set to channels_first, by ~/.keras/keras.json or by "
                "keras.config.set_image_data_format: set it to channels_last for these models"
            )
        super().__init__(autocast=False, **kwargs)
        if settings is None:
            settings = self.Settings()
        self.settings = self.Settings(**settings) if isinstance(settings, dict) else settings

    @classmethod
    def sized(cls, size: str) -> Any:
        """The settings of a size: "demo", "small" or "paper"."""
        del size
        return cls.Settings()

    @property
    def networks(self) -> dict[str, list[keras.Variable]]:
        """The trainable variables by network. A baseline is one network, G."""
        return {"G": self.trainable_variables} if self.trainable_variables else {}

    @property
    def statistics(self) -> list[keras.Variable]:
        """What a step moves without a gradient: the averages that a normalisation by batches is
        done with outside of training. None in a model without such layers.
        """
        return [v for v in self.non_trainable_variables if keras.backend.is_float_dtype(v.dtype)]

    def parts(self) -> dict[str, keras.Model]:
        """The Keras models that hold the networks, each weight in one of them."""
        return {"G": self}  # as a property it would be walked by Keras' saving, without end

    def parameter_counts(self) -> dict[str, int]:
        """Trainable parameters per network and in total."""
        counts = {
            name: sum(math.prod(variable.shape) for variable in variables)
            for name, variables in self.networks.items()
        }
        return {**counts, "total": sum(counts.values())}

    def supervise(
        self, video: tf.Tensor, num_inputs: int, num_real: int, backprop: bool = True
    ) -> Supervision:
        """Predicts what a baseline's loss compares with the truth.

        Args:
          video: x_1..x_T, [B, T, H, W, C] in [0, 1].
          num_inputs: T0.
          num_real: R, how many frames are real to the model; afterwards it reads its own
            predictions. A model that cannot read frames after T0 ignores it.
          backprop: False stops gradients where a prediction is fed back.

        Returns:
          Supervision.
        """
        raise NotImplementedError(f"{type(self).__name__} has nothing to train")

    def over_frames(self, function: Function, *tensors: tf.Tensor) -> tf.Tensor:
        """`over_time`; without `frames_together`, and with `recompute`, by one time step after the
        other, for the sake of memory.
        """
        if self.frames_together and not self.recompute:
            return over_time(function, *tensors)
        function = self.recomputed(function)
        _, outputs = recur(lambda _, xs: ((), function(*xs)), (), tensors, rolled=self.rolled)
        return outputs

    def recomputed(self, function: Function) -> Function:
        """The function itself; with `recompute` it keeps nothing but its inputs."""
        return keras.remat(function) if self.recompute else function

    def state_shapes(self, input_shape: Sequence[int]) -> dict[str, Shape]:
        """What `step` keeps from frame to frame, all of it float32.

        Args:
          input_shape: (T0, H, W, C).

        Returns:
          {name: shape of one video's part, without the batch}. Before x_1 all of it is zeros.
        """
        length, *frame_shape = input_shape
        return past_shapes(length - 1, frame_shape)

    def step(self, frame: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """Reads one more frame and predicts the one after it.

        Fed its own predictions from x_T0 on, a model that reads frame by frame predicts what `call`
        does, before `call` clips it. A model that does not, as here, predicts one frame from the
        last T0 each time.

        Args:
          frame: x_t, [B, H, W, C] in [0, 1], or a prediction.
          state: {name: [B, ...]}, see `state_shapes`.

        Returns:
          x̂_{t+1}, [B, H, W, C], float32, and the new state.
        """
        window, state = slide(frame, state)
        return self(window, num_predicted=1)[:, 0], state

    def step_flow(self, frame: tf.Tensor, state: State) -> tf.Tensor | None:
        """Where the adaptive filters of a `step` point, see `filter_flow`.

        In one graph with that `step` it shares all but the last operations.

        Args:
          frame, state: as `step` takes them.

        Returns:
          [B, H, W, 2], or None for a model without such filters.
        """
        del frame, state
        return None

    def filter_flow(self, video: tf.Tensor) -> tf.Tensor | None:
        """Where the adaptive filters point when every frame is real, (dy, dx) in pixels.

        Args:
          video: [B, T, H, W, C].

        Returns:
          [B, T, H, W, 2], or None for a model without such filters.
        """
        del video
        return None

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "settings": dataclasses.asdict(self.settings)}


def over_time(function: Function, *tensors: tf.Tensor) -> tf.Tensor:
    """Applies `function` to all time steps of [B, T, ...] tensors in one call, of batch B * T."""
    length = tensors[0].shape[1]
    result = function(*(ops.reshape(x, (-1, *x.shape[2:])) for x in tensors))
    return ops.reshape(result, (-1, length, *result.shape[1:]))


def as_channels(frames: tf.Tensor) -> tf.Tensor:
    """Frames one behind the other in the channels: [B, N, H, W, C] -> [B, H, W, N*C].

    By a transposition and no `unstack`: the converter of TensorFlow 2.21 makes of an unstack whose
    parts are all concatenated a reshape that scrambles them, and says nothing
    (tensorflow/tensorflow#116047).
    """
    height, width = frames.shape[2:4]
    channels = frames.shape[1] * frames.shape[4]
    return ops.reshape(ops.moveaxis(frames, 1, 3), (-1, height, width, channels))


def as_frames(maps: tf.Tensor, length: int) -> tf.Tensor:
    """The inverse of `as_channels`: [B, H, W, N*C] -> [B, N, H, W, C] with N = length."""
    *place, channels = maps.shape[1:]
    return ops.moveaxis(ops.reshape(maps, (-1, *place, length, channels // length)), 3, 1)


def past_shapes(length: int, frame_shape: Sequence[int]) -> dict[str, Shape]:
    """The state that `slide` needs to remember `length` frames; empty where that is none.

    Returns:
      {"past": the frames, oldest first, "num_past": how many of them were seen}, as shapes.
    """
    return {"past": (length, *frame_shape), "num_past": ()} if length else {}


def slide(frame: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
    """The last frames, one more included: before there are as many, the first one stands in.

    Args:
      frame: x_t, [B, H, W, C].
      state: {"past": [B, N, H, W, C], "num_past": [B]}, or without them where N = 0; zeros before
        x_1. What else is in it is ignored.

    Returns:
      x_{t-N}..x_t, [B, N + 1, H, W, C], and the two new parts of the state.
    """
    window = frame[:, None]
    if "past" not in state:
        return window, {}
    past, num_past = state["past"], state["num_past"]
    started = ops.reshape(num_past > 0, (-1, 1, 1, 1, 1))
    window = ops.concatenate([ops.where(started, past, window), window], axis=1)
    num_past = ops.minimum(num_past + 1.0, float(past.shape[1]))
    return window, {"past": window[:, 1:], "num_past": num_past}


def check_positive(settings: Any, names: str) -> None:
    """Refuses settings that are not above zero.

    Raises:
      UserError: naming the first of them.
    """
    for name in names.split():
        if not getattr(settings, name) > 0:
            raise UserError(f"model.{name} must be above 0. Received: {getattr(settings, name)}")
