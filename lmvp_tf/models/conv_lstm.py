"""ConvLSTM encoder-forecaster, a baseline (Shi et al. 2015, "Convolutional LSTM Network")."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
from keras import ops

from lmvp_tf.layers import grid
from lmvp_tf.layers.conv_lstm_cell import ConvLSTMCell
from lmvp_tf.models.predictor import Supervision, VideoPredictor, check_positive, over_time
from lmvp_tf.models.recurrence import recur

if TYPE_CHECKING:
    import tensorflow as tf

    from lmvp_tf.datasets.base import DataSettings

_Cells = Sequence[ConvLSTMCell]
_States = list[tuple["tf.Tensor", "tf.Tensor"]]


@dataclasses.dataclass(frozen=True)
class ConvLSTMSettings:
    """The encoder's and the forecaster's layers."""

    patch_size: int = 4  # p x p pixels become the channels of one cell
    units: tuple[int, ...] = (32, 16, 16)  # channels of the state, one number per layer
    kernel_size: int = 5

    def validate(self, data: DataSettings) -> None:
        """Refuses settings that cannot work.

        Raises:
          UserError: naming the field, what it holds, and what it may hold.
        """
        del data
        check_positive(self, "patch_size kernel_size")


_UNITS = {"demo": (24, 16), "small": (48, 24, 24), "paper": (128, 64, 64)}


@keras.saving.register_keras_serializable(package="lmvp_tf")
class ConvLSTM(VideoPredictor):
    """Layers of ConvLSTM read the input frames; as many, which start from their states and are fed
    nothing, unroll the prediction. A 1x1 convolution over all their hidden states gives a frame.

    With preset "paper" it is the largest of the paper's three-layer networks on Moving MNIST,
    128-64-64 with 5x5 kernels and 4x4 patches: 7,585,296 parameters. Args and call arguments: see
    VideoPredictor.
    """

    Settings = ConvLSTMSettings
    # Trained on the frames to be predicted alone, which it has to predict in open loop.
    training_defaults: ClassVar[Mapping[str, Any]] = {
        "training.one_step_steps": 0,
        "losses.gdl_weight": 0.0,
    }

    def __init__(self, settings: Any = None, **kwargs: Any) -> None:
        super().__init__(settings, **kwargs)
        policy = self.dtype_policy

        def cells(name: str) -> list[ConvLSTMCell]:
            return [
                ConvLSTMCell(
                    units,
                    self.settings.kernel_size,
                    peepholes=True,
                    dtype=policy,
                    name=f"{name}_{i}",
                )
                for i, units in enumerate(self.settings.units)
            ]

        self.encoder = cells("encoder")
        self.forecaster = cells("forecaster")

    @classmethod
    def sized(cls, size: str) -> ConvLSTMSettings:
        return ConvLSTMSettings(units=_UNITS[size])

    def build(self, input_shape: tuple[Any, ...]) -> None:
        *_, height, width, channels = input_shape
        patch = self.settings.patch_size
        shape = (None, grid.cells(height, patch), grid.cells(width, patch))
        pixels = patch * patch * channels
        below = (pixels, *self.settings.units[:-1])
        for cell, inputs in zip(self.encoder, below, strict=True):
            cell.build((*shape, inputs))
        for cell, inputs in zip(self.forecaster, (0, *below[1:]), strict=True):
            cell.build((*shape, inputs))
        self.head = keras.layers.Conv2D(pixels, 1, dtype=self.dtype_policy, name="head")
        self.head.build((*shape, sum(self.settings.units)))

    def call(self, inputs: tf.Tensor, *, num_predicted: int) -> tf.Tensor:
        batch, padded = ops.shape(inputs)[0], grid.pad(inputs, self.settings.patch_size)
        patches = over_time(self._to_patches, padded)
        states = [cell.initial_state(batch, *patches.shape[2:4]) for cell in self.encoder]
        states, _ = recur(self._read, states, patches, rolled=self.rolled)
        _, frames = recur(self._forecast, states, length=num_predicted, rolled=self.rolled)
        return grid.crop(frames, inputs)

    def _read(self, states: _States, patches: tf.Tensor) -> tuple[_States, tf.Tensor]:
        hidden, states = _step(self.encoder, patches, states)
        return states, hidden[-1]

    def _forecast(self, states: _States, _: None) -> tuple[_States, tf.Tensor]:
        hidden, states = _step(self.forecaster, None, states)
        logits = ops.cast(self.head(ops.concatenate(hidden, axis=-1)), "float32")
        return states, self._to_frame(ops.sigmoid(logits))

    def supervise(
        self, video: tf.Tensor, num_inputs: int, num_real: int, backprop: bool = True
    ) -> Supervision:
        del num_real, backprop  # nothing is fed back
        length = video.shape[1] - num_inputs
        predictions = self(video[:, :num_inputs], num_predicted=length)
        return Supervision(video[:, num_inputs:], predictions, num_inside=0)

    def _to_patches(self, frame: tf.Tensor) -> tf.Tensor:
        return grid.to_patches(frame, self.settings.patch_size)

    def _to_frame(self, patches: tf.Tensor) -> tf.Tensor:
        return grid.from_patches(patches, self.settings.patch_size)


def _step(
    cells: _Cells, inputs: tf.Tensor | None, states: _States
) -> tuple[list[tf.Tensor], _States]:
    """One time step of a stack of cells: (hidden states of all layers, new states)."""
    hidden: list[tf.Tensor] = []
    new: _States = []
    for cell, state in zip(cells, states, strict=True):
        new.append(cell(inputs, state))
        inputs = new[-1][0]
        hidden.append(inputs)
    return hidden, new
