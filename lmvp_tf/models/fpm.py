"""FPM, the LSTM future predictor, a baseline (Srivastava et al. 2015, "Unsupervised Learning of
Video Representations using LSTMs").
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
from keras import ops

from lmvp_tf.models.predictor import Supervision, VideoPredictor, check_positive
from lmvp_tf.models.recurrence import recur
from lmvp_tf.settings import setting

if TYPE_CHECKING:
    import tensorflow as tf

    from lmvp_tf.datasets.base import DataSettings

_Cells = Sequence[keras.layers.LSTMCell]
_States = list[list["tf.Tensor"]]


@dataclasses.dataclass(frozen=True)
class FPMSettings:
    """The three LSTMs, all of the same size."""

    units: int = 256  # of each layer
    num_layers: int = setting(1, at_most=64)

    def validate(self, data: DataSettings) -> None:
        """Refuses settings that cannot work.

        Raises:
          UserError: naming the field, what it holds, and what it may hold.
        """
        del data
        check_positive(self, "units num_layers")


_SIZES = {
    "demo": FPMSettings(units=128),
    "small": FPMSettings(units=512),
    "paper": FPMSettings(units=2048, num_layers=2),
}


@keras.saving.register_keras_serializable(package="lmvp_tf")
class FPM(VideoPredictor):
    """Their composite model with a conditional future predictor, the best of their table (BCE 341.2
    per frame).

    An LSTM reads the input frames as vectors. From its state two decoders start: one gives the
    input back in reverse order and is fed nothing, the other predicts the future and is fed the
    frame before. Args and call arguments: see VideoPredictor.
    """

    Settings = FPMSettings
    training_defaults: ClassVar[Mapping[str, Any]] = {"losses.gdl_weight": 0.0}

    def __init__(self, settings: Any = None, **kwargs: Any) -> None:
        super().__init__(settings, **kwargs)

        def lstm(name: str) -> list[keras.layers.LSTMCell]:
            return [
                keras.layers.LSTMCell(self.settings.units, dtype="float32", name=f"{name}_{i}")
                for i in range(self.settings.num_layers)
            ]

        self.encoder = lstm("encoder")
        self.reconstructor = lstm("reconstructor")
        self.predictor = lstm("predictor")

    @classmethod
    def sized(cls, size: str) -> FPMSettings:
        return _SIZES[size]

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.frame_shape: tuple[int, ...] = tuple(input_shape[2:])
        pixels = math.prod(self.frame_shape)
        for cells, width in (
            (self.encoder, pixels),
            (self.reconstructor, 1),  # it is fed nothing: a zero
            (self.predictor, pixels),
        ):
            for i, cell in enumerate(cells):
                cell.build((None, self.settings.units if i else width))
        self.reconstruction_head = keras.layers.Dense(pixels, "sigmoid", dtype="float32")
        self.prediction_head = keras.layers.Dense(pixels, "sigmoid", dtype="float32")
        for head in (self.reconstruction_head, self.prediction_head):
            head.build((None, self.settings.units))

    def call(self, inputs: tf.Tensor, *, num_predicted: int) -> tf.Tensor:
        return self._predict(inputs, self._encode(inputs), num_predicted)

    def supervise(
        self, video: tf.Tensor, num_inputs: int, num_real: int, backprop: bool = True
    ) -> Supervision:
        """The future, and the input in reverse order."""
        inputs, length = video[:, :num_inputs], video.shape[1]
        states = self._encode(inputs)
        known = video[:, num_inputs:num_real]
        future = self._predict(inputs, states, length - num_inputs, known, backprop)
        past = self._reconstruct(inputs, states)
        targets = ops.concatenate([ops.flip(inputs, axis=1), video[:, num_inputs:]], axis=1)
        return Supervision(targets, ops.concatenate([past, future], axis=1), num_inputs)

    def _encode(self, inputs: tf.Tensor) -> _States:
        """The state after x_1..x_T0."""

        def step(states: _States, frame: tf.Tensor) -> tuple[_States, tf.Tensor]:
            hidden, states = _step(self.encoder, self._vector(frame), states)
            return states, hidden

        states = [cell.get_initial_state(ops.shape(inputs)[0]) for cell in self.encoder]
        return recur(step, states, inputs, rolled=self.rolled)[0]

    def _predict(
        self,
        inputs: tf.Tensor,
        states: _States,
        length: int,
        known: tf.Tensor | None = None,
        backprop: bool = True,
    ) -> tf.Tensor:
        """The future, [B, length, H, W, C], fed the `known` frames of it and then its own."""

        def step(
            state: tuple[_States, tf.Tensor], frame: tf.Tensor | None
        ) -> tuple[tuple[_States, tf.Tensor], tf.Tensor]:
            states, last = state
            last = last if frame is None else frame
            hidden, states = _step(self.predictor, self._vector(last), states)
            prediction = self._frame(self.prediction_head(hidden))
            fed = prediction if backprop else ops.stop_gradient(prediction)
            return (states, fed), prediction

        state = states, inputs[:, -1]
        known = inputs[:, -1:] if known is None else ops.concatenate([inputs[:, -1:], known], 1)
        num_fed = min(known.shape[1], length)
        state, first = recur(step, state, known[:, :num_fed], rolled=self.rolled)
        if num_fed == length:
            return first
        _, rest = recur(step, state, length=length - num_fed, rolled=self.rolled)
        return ops.concatenate([first, rest], axis=1)

    def _reconstruct(self, inputs: tf.Tensor, states: _States) -> tf.Tensor:
        """x̂_T0..x̂_1, [B, T0, H, W, C]."""
        nothing = ops.zeros((ops.shape(inputs)[0], 1))

        def step(states: _States, _: None) -> tuple[_States, tf.Tensor]:
            hidden, states = _step(self.reconstructor, nothing, states)
            return states, self._frame(self.reconstruction_head(hidden))

        return recur(step, states, length=inputs.shape[1], rolled=self.rolled)[1]

    def _vector(self, frame: tf.Tensor) -> tf.Tensor:
        return ops.reshape(frame, (-1, math.prod(self.frame_shape)))

    def _frame(self, vector: tf.Tensor) -> tf.Tensor:
        return ops.reshape(vector, (-1, *self.frame_shape))


def _step(cells: _Cells, inputs: tf.Tensor, states: _States) -> tuple[tf.Tensor, _States]:
    """One time step of a stack of cells: (output of the last layer, new states)."""
    new: _States = []
    for cell, state in zip(cells, states, strict=True):
        inputs, state = cell(inputs, state)
        new.append(state)
    return inputs, new
