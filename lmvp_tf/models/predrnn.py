"""PredRNN, a recurrent baseline (Wang et al. 2017, "PredRNN: Recurrent Neural Networks for
Predictive Learning Using Spatiotemporal LSTMs"; its second version, V2: Wang et al. 2021).
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

import keras
from keras import ops

from lmvp_tf.layers import grid
from lmvp_tf.layers.st_lstm_cell import STLSTMCell, STLSTMState
from lmvp_tf.models.predictor import Shape, State, Supervision, VideoPredictor, check_positive
from lmvp_tf.models.recurrence import recur
from lmvp_tf.settings import setting

if TYPE_CHECKING:
    import tensorflow as tf

    from lmvp_tf.datasets.base import DataSettings

_EPSILON = 1e-12  # below it a vector is no direction


@dataclasses.dataclass(frozen=True)
class PredRNNSettings:
    """The layers, and what the second version (V2) adds to the training of the first."""

    patch_size: int = 4  # p x p pixels become the channels of one cell
    units: int = 32  # channels of every layer's states, and of the memory that goes through them
    num_layers: int = setting(3, at_most=64)
    kernel_size: int = 5
    # Weight in the loss of how alike the two memories' increments are; V2: 0.1.
    decoupling_weight: float = 0.0
    # Which frames are real to the model, by chance: see lmvp_tf.training.scheduled_sampling. V2:
    # "reverse".
    sampling: str = setting("scheduled", choices=("scheduled", "reverse"))

    def validate(self, data: DataSettings) -> None:
        """Refuses settings that cannot work.

        Raises:
          UserError: naming the field, what it holds, and what it may hold.
        """
        del data
        check_positive(self, "patch_size units num_layers kernel_size")


_SIZES = {
    "demo": PredRNNSettings(units=16, num_layers=2),
    "small": PredRNNSettings(),
    "paper": PredRNNSettings(units=128, num_layers=4),
}


class Memory(NamedTuple):
    """What the layers keep from one time step to the next.

    Attributes:
      states: of each layer.
      memory: of the uppermost layer, which the lowest one reads next, [B, h, w, U].
    """

    states: list[STLSTMState]
    memory: tf.Tensor


class Sampled(NamedTuple):
    """What PredRNN is trained on.

    Attributes:
      predictions: x̂_2..x̂_T, [B, T-1, H, W, C].
      overlap: how alike the increments of the two memories are, in [0, 1]: the mean of
        |cos(W * i g, W * i' g')| over frames, layers and channels, with the cosine over places and
        a 1x1 convolution W that all layers share; [B, T-1]. None without `decoupling_weight`.
    """

    predictions: tf.Tensor
    overlap: tf.Tensor | None


_Written = Sequence[tuple["tf.Tensor", "tf.Tensor"]]  # of each layer, see STLSTMOutput
_Loop = tuple[Memory, "tf.Tensor"]  # with the last prediction, [B, H, W, C]
_Outputs = list["tf.Tensor"]  # x̂_{t+1} and, where it is asked for, the overlap


@keras.saving.register_keras_serializable(package="lmvp_tf")
class PredRNN(VideoPredictor):
    """Layers of spatiotemporal LSTMs that read frame after frame and predict the next each time.

    With preset "paper" it is the network of four layers with 128 units and 5x5 kernels: 23,838,720
    parameters, in the table of OpenSTL 23.8 million; 16,384 more with `decoupling_weight`, 23.9
    million ("PredRNN.V2"). Args and call arguments: see VideoPredictor.
    """

    Settings = PredRNNSettings
    procedure = "scheduled_sampling"
    # The authors' recipe for Moving MNIST. For V2 their rate is 1e-4.
    training_defaults: ClassVar[Mapping[str, Any]] = {
        "training.batch_size": 8,
        "training.one_step_steps": 0,
        "training.horizons": (),
        "training.learning_rate": 3e-4,
        "training.learning_rate_floor": 0.0,
        "training.warmup_steps": 0,
        "training.decay": "none",
        "training.beta_2": 0.999,
        "training.clip_norm": 0.0,
        "losses.reconstruction": "mse",
        "losses.gdl_weight": 0.0,
    }

    def __init__(self, settings: Any = None, **kwargs: Any) -> None:
        super().__init__(settings, **kwargs)
        settings, policy = self.settings, self.dtype_policy
        self.cells = [
            STLSTMCell(settings.units, settings.kernel_size, dtype=policy, name=f"cell_{i}")
            for i in range(settings.num_layers)
        ]
        self.adapter: keras.layers.Layer | None = None

    @classmethod
    def sized(cls, size: str) -> PredRNNSettings:
        return _SIZES[size]

    def build(self, input_shape: tuple[Any, ...]) -> None:
        *_, height, width, channels = input_shape
        settings, place = self.settings, (None, *self._places(height, width))
        pixels = settings.patch_size**2 * channels
        for i, cell in enumerate(self.cells):
            cell.build((*place, settings.units if i else pixels))

        def pointwise(name: str, units: int) -> keras.layers.Layer:
            layer = keras.layers.Conv2D(
                units, 1, use_bias=False, dtype=self.dtype_policy, name=name
            )
            layer.build((*place, settings.units))
            return layer

        self.head = pointwise("head", pixels)
        if settings.decoupling_weight:
            self.adapter = pointwise("adapter", settings.units)

    def call(self, inputs: tf.Tensor, *, num_predicted: int) -> tf.Tensor:
        first = inputs.shape[1] - 1
        return ops.clip(self._rollout(inputs, num_predicted)[0][:, first:], 0.0, 1.0)

    def supervise(
        self, video: tf.Tensor, num_inputs: int, num_real: int, backprop: bool = True
    ) -> Supervision:
        real, num_open = video[:, :num_real], video.shape[1] - num_real
        predictions, *_ = self._rollout(real, num_open, backprop)
        return Supervision(video[:, 1:], predictions, num_inputs - 1)

    def sample(self, video: tf.Tensor, is_real: tf.Tensor, backprop: bool = True) -> Sampled:
        """Predicts every frame but the first, from real frames and predictions as they come.

        Args:
          video: x_1..x_T, [B, T, H, W, C].
          is_real: whether the model reads x_t, for t = 1..T-1, or its own x̂_t in its place; bool,
            [B, T-1]. x_1 it reads in any case.
          backprop: False stops gradients where a prediction is fed back.
        """
        step = functools.partial(self._read, backprop=backprop, adapter=self.adapter)
        inputs = video[:, :-1], ops.cast(is_real, "float32")  # oneDNN moves no truth values
        _, outputs = recur(step, self._start(video), inputs, rolled=self.rolled)
        return Sampled(outputs[0], outputs[1] if self.adapter else None)

    def state_shapes(self, input_shape: Sequence[int]) -> dict[str, Shape]:
        """Every layer's states, and the memory that goes through the layers."""
        _, height, width, _ = input_shape
        shape = (*self._places(height, width), self.settings.units)
        names = [f"{part}_{i}" for i in range(len(self.cells)) for part in STLSTMState._fields]
        return dict.fromkeys([*names, "memory"], shape)

    def step(self, frame: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        states = [
            STLSTMState(*(state[f"{part}_{i}"] for part in STLSTMState._fields))
            for i in range(len(self.cells))
        ]
        memory, prediction, _ = self._advance(Memory(states, state["memory"]), frame)
        new = {
            f"{part}_{i}": maps
            for i, parts in enumerate(memory.states)
            for part, maps in parts._asdict().items()
        }
        return prediction, {**new, "memory": memory.memory}

    def _rollout(self, real: tf.Tensor, num_open: int, backprop: bool = True) -> _Outputs:
        """x̂_2..x̂_{R+num_open} from x_1..x_R, the last num_open - 1 of them from predictions."""
        read = functools.partial(self._read, backprop=backprop)
        state, outputs = recur(read, self._start(real), real, rolled=self.rolled)
        if num_open == 1:
            return outputs
        _, following = recur(read, state, length=num_open - 1, rolled=self.rolled)
        return [ops.concatenate(both, axis=1) for both in zip(outputs, following, strict=True)]

    def _start(self, video: tf.Tensor) -> _Loop:
        """Zeros. There is no prediction of x_1: x_1 itself stands for it."""
        shape = (ops.shape(video)[0], *self._places(*video.shape[2:4]), self.settings.units)
        zeros = ops.zeros(shape, "float32")
        return Memory([STLSTMState(zeros, zeros) for _ in self.cells], zeros), video[:, 0]

    def _read(
        self,
        state: _Loop,
        inputs: Any,
        backprop: bool,
        adapter: keras.layers.Layer | None = None,
    ) -> tuple[_Loop, _Outputs]:
        """One time step on x_t, on x̂_t (inputs: None), or on either of them (x_t and which); with
        the overlap where an adapter is given.
        """
        memory, last = state
        frame = last if backprop else ops.stop_gradient(last)
        if isinstance(inputs, tuple):
            real, is_real = inputs
            frame = ops.where(ops.reshape(is_real, (-1, 1, 1, 1)) > 0, real, frame)
        elif inputs is not None:
            frame = inputs
        memory, prediction, written = self._advance(memory, frame)
        outputs = [prediction, _overlap(adapter, written)] if adapter else [prediction]
        return (memory, prediction), outputs

    def _advance(self, memory: Memory, frame: tf.Tensor) -> tuple[Memory, tf.Tensor, _Written]:
        """The layers' new memory, x̂_{t+1}, and what each layer wrote, by x_t: [B, H, W, C]."""
        size = self.settings.patch_size
        maps, flowing = grid.to_patches(grid.pad(frame, size), size), memory.memory
        states, written = [], []
        for cell, state in zip(self.cells, memory.states, strict=True):
            output = cell(maps, state, flowing)
            maps, flowing = output.state.hidden, output.memory
            states.append(output.state)
            written.append(output.written)
        patches = ops.cast(self.head(maps), "float32")
        prediction = grid.crop(grid.from_patches(patches, size), frame)
        return Memory(states, flowing), prediction, written

    def _places(self, height: int, width: int) -> tuple[int, int]:
        size = self.settings.patch_size
        return grid.cells(height, size), grid.cells(width, size)


def _overlap(adapter: keras.layers.Layer, written: _Written) -> tf.Tensor:
    """See `Sampled`: [B], of one time step."""
    directions = []
    for maps in zip(*written, strict=True):
        adapted = ops.stack([ops.cast(adapter(x), "float32") for x in maps], axis=1)
        size = ops.sum(ops.square(adapted), axis=(2, 3), keepdims=True)
        directions.append(adapted * ops.rsqrt(ops.maximum(size, _EPSILON)))
    cosines = ops.sum(directions[0] * directions[1], axis=(2, 3))  # [B, layers, U]
    return ops.mean(ops.abs(cosines), axis=(1, 2))
