"""MCnet, an adversarial baseline that knows motion as the difference of two frames (Villegas et al.
2017, "Decomposing Motion and Content for Natural Video Sequence Prediction").
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
from keras import ops

from lmvp_tf.errors import UserError
from lmvp_tf.layers import grid
from lmvp_tf.layers.conv_lstm_cell import ConvLSTMCell
from lmvp_tf.layers.conv_stack import leaky_relu
from lmvp_tf.models.predictor import (
    Shape,
    State,
    Supervision,
    VideoPredictor,
    as_channels,
    check_positive,
)
from lmvp_tf.models.recurrence import recur

if TYPE_CHECKING:
    import tensorflow as tf

    from lmvp_tf.datasets.base import DataSettings

_STRIDE = 8  # pixels along a side of a cell of the features
_LUMA = (0.299, 0.587, 0.114)  # of R, G and B in grey
_EPSILON = 1e-3  # of the normalisation in D


@dataclasses.dataclass(frozen=True)
class MCnetSettings:
    """The widths of both networks, and what D sees."""

    width: int = 16  # U: the generator's layers have U, 2 U and 4 U channels
    discriminator_width: int = 16  # U: D's layers have U, 2 U, 4 U and 8 U channels
    judged: int = 10  # predicted frames that D sees, the first ones, after the T0 of the input
    # Weight of D's verdict, beside a reconstruction in [0, 1]. The authors' 0.02 is beside one in
    # [-1, 1], which is four times as large.
    adversarial_weight: float = 0.005

    def validate(self, data: DataSettings) -> None:
        """Refuses settings that cannot work, by themselves or with a DataSettings.

        Raises:
          UserError: naming the field, what it holds, and what it may hold.
        """
        check_positive(self, "width discriminator_width judged")
        if self.judged > data.num_predicted:
            raise UserError(
                "model.judged must not be above the frames to be predicted, T - T0 = "
                f"{data.num_predicted}. Received: {self.judged}"
            )
        if data.num_inputs < 2:
            raise UserError(
                "--model=mcnet reads the differences of frames: data.num_inputs (T0) must be 2 or "
                f"more. Received: {data.num_inputs}"
            )


_SIZES = {
    "demo": MCnetSettings(width=8, discriminator_width=8),
    "small": MCnetSettings(),
    "paper": MCnetSettings(width=64, discriminator_width=64),
}

_Maps = list["tf.Tensor"]
_Recurrent = tuple["tf.Tensor", "tf.Tensor"]  # the ConvLSTM's hidden state and memory
_Chain = tuple[_Recurrent, "tf.Tensor", "tf.Tensor"]  # with x_{t-1} and x_t, each [B, H, W, C]


@keras.saving.register_keras_serializable(package="lmvp_tf")
class MCnet(VideoPredictor):
    """A generator G of the next frame, and a discriminator D of whole sequences for its training.

    With preset "paper" G has the widths of the authors' program: 14,093,953 parameters for frames
    in grey. Args and call arguments: see VideoPredictor.
    """

    Settings = MCnetSettings
    procedure = "adversarial"
    # The authors' for KTH, with their weights divided by 4: see `adversarial_weight`.
    training_defaults: ClassVar[Mapping[str, Any]] = {
        "training.batch_size": 8,
        "training.one_step_steps": 0,
        "training.horizons": (),
        "training.learning_rate": 1e-4,
        "training.discriminator_learning_rate": 1e-4,
        "training.learning_rate_floor": 0.0,
        "training.warmup_steps": 0,
        "training.decay": "none",
        "training.beta_1": 0.5,
        "training.beta_2": 0.999,
        "training.clip_norm": 0.0,
        "losses.reconstruction": "mse",
        "losses.gdl_weight": 0.25,
    }

    def __init__(self, settings: Any = None, **kwargs: Any) -> None:
        super().__init__(settings, **kwargs)
        settings, policy = self.settings, self.dtype_policy
        self.generator = MCnetGenerator(settings.width, dtype=policy, name="generator")
        self.discriminator = SequenceDiscriminator(
            settings.discriminator_width, dtype=policy, name="discriminator"
        )

    @classmethod
    def sized(cls, size: str) -> MCnetSettings:
        return _SIZES[size]

    def build(self, input_shape: tuple[Any, ...]) -> None:
        _, length, *place, channels = input_shape
        self.generator.build((None, *place, channels))
        self.discriminator.build((None, *place, (length + self.settings.judged) * channels))

    @property
    def networks(self) -> dict[str, list[keras.Variable]]:
        return {name: part.trainable_variables for name, part in self.parts().items()}

    def parts(self) -> dict[str, keras.Model]:
        return {"G": self.generator, "D": self.discriminator}

    def call(self, inputs: tf.Tensor, *, num_predicted: int) -> tf.Tensor:
        return self._rollout(inputs, inputs.shape[1], num_predicted)

    def supervise(
        self, video: tf.Tensor, num_inputs: int, num_real: int, backprop: bool = True
    ) -> Supervision:
        real, num_open = video[:, :num_real], video.shape[1] - num_real
        predictions = self._rollout(real, num_inputs, num_open, backprop)
        return Supervision(video[:, num_inputs:], predictions, num_inside=0)

    def judge(self, inputs: tf.Tensor, following: tf.Tensor) -> tf.Tensor:
        """D's logit of P(real) of x_1..x_T0 and what follows: twice [B, ., H, W, C] -> [B]."""
        judged = following[:, : self.settings.judged]
        return self.discriminator(as_channels(ops.concatenate([inputs, judged], axis=1)))

    def state_shapes(self, input_shape: Sequence[int]) -> dict[str, Shape]:
        """The frame before, whether there was one, and the ConvLSTM's two states."""
        _, height, width, channels = input_shape
        place = grid.cells(height, _STRIDE), grid.cells(width, _STRIDE)
        recurrent = dict.fromkeys(("hidden", "cell"), (*place, self.generator.recurrent.units))
        return {"before": (height, width, channels), "started": (), **recurrent}

    def step(self, frame: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """See VideoPredictor. From x_1 alone nothing is known of motion: its states stay zeros."""
        started = ops.reshape(state["started"] > 0, (-1, 1, 1, 1))
        before = ops.where(started, state["before"], frame)
        recurrent, motion = self.generator.listen((state["hidden"], state["cell"]), frame, before)
        hidden, cell = (ops.where(started, maps, 0.0) for maps in recurrent)
        prediction = self.generator.compose(hidden, motion, frame)
        new = {"before": frame, "started": ops.ones_like(state["started"])}
        return prediction, {**new, "hidden": hidden, "cell": cell}

    def _rollout(
        self, real: tf.Tensor, num_inputs: int, num_open: int, backprop: bool = True
    ) -> tf.Tensor:
        """x̂_{T0+1}..x̂_{R+num_open}, the first R - T0 + 1 of them from x_1..x_R."""
        recurrent = self.generator.recurrent.initial_state(
            ops.shape(real)[0], *(grid.cells(side, _STRIDE) for side in real.shape[2:4])
        )
        if num_inputs > 2:  # the difference of the last two comes with the first prediction
            pairs = real[:, 1 : num_inputs - 1], real[:, : num_inputs - 2]
            recurrent, _ = recur(self._hear, recurrent, pairs, rolled=self.rolled)
        state = recurrent, real[:, num_inputs - 2], real[:, num_inputs - 2]
        read = functools.partial(self._read, backprop=backprop)
        state, known = recur(read, state, real[:, num_inputs - 1 :], rolled=self.rolled)
        if num_open == 1:
            return known
        state = state[0], state[1], known[:, -1]
        _, following = recur(read, state, length=num_open - 1, rolled=self.rolled)
        return ops.concatenate([known, following], axis=1)

    def _hear(
        self, state: _Recurrent, pair: tuple[tf.Tensor, tf.Tensor]
    ) -> tuple[_Recurrent, tuple[()]]:
        return self.generator.listen(state, *pair)[0], ()

    def _read(
        self, state: _Chain, frame: tf.Tensor | None, backprop: bool
    ) -> tuple[_Chain, tf.Tensor]:
        """One time step on x_t, or on x̂_t (frame: None)."""
        recurrent, before, last = state
        if frame is None:
            frame = last if backprop else ops.stop_gradient(last)
        recurrent, motion = self.generator.listen(recurrent, frame, before)
        prediction = self.generator.compose(recurrent[0], motion, frame)
        return (recurrent, frame, prediction), prediction


@keras.saving.register_keras_serializable(package="lmvp_tf")
class MCnetGenerator(keras.Model):
    """The next frame from the last one, the content, and the differences up to it, the motion.

        h_t, c_t = ConvLSTM(motion_encoder(grey(x_t) - grey(x_{t-1})), h_{t-1}, c_{t-1})
        x̂_{t+1} = decoder(combination([h_t, content_encoder(x_t)]), residuals)

    Each encoder has three levels that end with pooling by 2. The residual of a level is made by two
    convolutions of both encoders' maps before their pooling; the decoder adds it after it has
    doubled its own.

    Args:
      width: U, of the first level; the others have 2 U and 4 U channels.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        widths = width, 2 * width, 4 * width

        def stack(name: str, *layers: int, size: int = 3) -> list[keras.layers.Layer]:
            return [
                keras.layers.Conv2D(
                    units, size, padding="same", dtype=self.dtype_policy, name=f"{name}_{i}"
                )
                for i, units in enumerate(layers)
            ]

        self.motion = [
            stack(f"motion_{i}", units, size=size)
            for i, (units, size) in enumerate(zip(widths, (5, 5, 7), strict=True))
        ]
        self.content = [
            stack(f"content_{i}", *[units] * number)
            for i, (units, number) in enumerate(zip(widths, (2, 2, 3), strict=True))
        ]
        self.recurrent = ConvLSTMCell(widths[2], 3, dtype=self.dtype_policy, name="recurrent")
        self.combination = stack("combination", widths[2], widths[1], widths[2])
        self.residuals = [stack(f"residual_{i}", units, units) for i, units in enumerate(widths)]
        self.decoder = [
            stack("decoder_0", widths[0]),
            stack("decoder_1", widths[1], widths[0]),
            stack("decoder_2", widths[2], widths[2], widths[1]),
        ]

    def build(self, input_shape: tuple[Any, ...]) -> None:
        *_, channels = input_shape
        widths = self.width, 2 * self.width, 4 * self.width
        for encoder, pixels in ((self.motion, 1), (self.content, channels)):
            for level, read in zip(encoder, (pixels, *widths[:-1]), strict=True):
                _build(level, read)
        self.recurrent.build((None, None, None, widths[-1]))
        _build(self.combination, 2 * widths[-1])
        for level, units in zip(self.residuals, widths, strict=True):
            _build(level, 2 * units)
        for level, units in zip(self.decoder, widths, strict=True):
            _build(level, units)
        self.head = keras.layers.Conv2D(
            channels, 3, padding="same", dtype=self.dtype_policy, name="head"
        )
        self.head.build((None, None, None, self.width))

    def listen(
        self, recurrent: _Recurrent, frame: tf.Tensor, before: tf.Tensor
    ) -> tuple[_Recurrent, _Maps]:
        """The new states of the ConvLSTM, and the motion encoder's maps, by x_t and x_{t-1}."""
        difference = _grey(frame) - _grey(before)
        pooled, maps = _encode(self.motion, grid.pad(difference, _STRIDE))
        return self.recurrent(pooled, recurrent), maps

    def compose(self, hidden: tf.Tensor, motion: _Maps, frame: tf.Tensor) -> tf.Tensor:
        """x̂_{t+1} in [0, 1], [B, H, W, C], from h_t, the motion encoder's maps, and x_t."""
        pooled, content = _encode(self.content, grid.pad(2.0 * frame - 1.0, _STRIDE))
        maps = ops.concatenate([ops.cast(hidden, pooled.dtype), pooled], axis=-1)
        for layer in self.combination:
            maps = ops.relu(layer(maps))
        for i in (2, 1, 0):
            first, second = self.residuals[i]
            both = ops.concatenate([motion[i], content[i]], axis=-1)
            residual = second(ops.relu(first(both)))
            maps = ops.relu(_doubled(maps) + residual)
            for layer in self.decoder[i]:
                maps = ops.relu(layer(maps))
        pixels = ops.tanh(ops.cast(self.head(maps), "float32"))
        return grid.crop(0.5 * (pixels + 1.0), frame)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


@keras.saving.register_keras_serializable(package="lmvp_tf")
class SequenceDiscriminator(keras.Model):
    """D: strided 5x5 convolutions over frames side by side, and one logit for all.

    Normalisation is by the batch at hand, that of all replicas: D is asked in training alone, and
    keeps no averages.

    Args:
      width: U; the four layers have U, 2 U, 4 U and 8 U channels.

    Input shape: [B, H, W, N * C], values in [0, 1]. Output shape: [B], float32.
    """

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.convolutions = [
            keras.layers.Conv2D(
                width * 2**i,
                5,
                strides=2,
                padding="same",
                dtype=self.dtype_policy,
                name=f"conv_{i}",
            )
            for i in range(4)
        ]
        self.logit = keras.layers.Dense(1, dtype=self.dtype_policy, name="logit")

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.norms = []
        for i, convolution in enumerate(self.convolutions):
            convolution.build(input_shape)
            input_shape = convolution.compute_output_shape(input_shape)
            if i:
                self.norms.append(
                    [
                        self.add_weight(
                            name=f"{name}_{i}", shape=input_shape[-1:], initializer=start
                        )
                        for name, start in (("scale", "ones"), ("offset", "zeros"))
                    ]
                )
        _, height, width, channels = input_shape
        self.logit.build((None, height * width * channels))

    def call(self, frames: tf.Tensor) -> tf.Tensor:
        first, *others = self.convolutions
        maps = leaky_relu(first(2.0 * frames - 1.0))
        for convolution, (scale, offset) in zip(others, self.norms, strict=True):
            maps = ops.cast(convolution(maps), "float32")
            mean, variance = ops.moments(maps, axes=(0, 1, 2), synchronized=True)
            maps = leaky_relu(
                ops.batch_normalization(maps, mean, variance, -1, offset, scale, _EPSILON)
            )
        flat = ops.reshape(maps, (-1, maps.shape[1] * maps.shape[2] * maps.shape[3]))
        return ops.cast(self.logit(flat)[:, 0], "float32")

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "width": self.width}


def _build(layers: Sequence[keras.layers.Layer], channels: int) -> None:
    """Builds layers that read one another, the first of them so many channels."""
    for layer in layers:
        layer.build((None, None, None, channels))
        channels = layer.filters


def _encode(
    levels: Sequence[Sequence[keras.layers.Layer]], maps: tf.Tensor
) -> tuple[tf.Tensor, _Maps]:
    """The pooled maps of the last level, and the maps of every level before its pooling."""
    kept = []
    for level in levels:
        for layer in level:
            maps = ops.relu(layer(maps))
        kept.append(maps)
        maps = ops.max_pool(maps, 2)
    return maps, kept


def _doubled(maps: tf.Tensor) -> tf.Tensor:
    """Each cell becomes 2x2 of which the first has its value and the others are 0."""
    _, height, width, channels = maps.shape
    maps = ops.concatenate([maps, ops.zeros_like(maps)], axis=-1)  # [B, h, w, 2 * C]
    maps = ops.reshape(maps, (-1, height, 2 * width, channels))
    maps = ops.concatenate([maps, ops.zeros_like(maps)], axis=2)  # [B, h, 4 * w, C]
    return ops.reshape(maps, (-1, 2 * height, 2 * width, channels))


def _grey(frame: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C] -> [B, H, W, 1]."""
    return frame if frame.shape[-1] == 1 else ops.sum(frame * _LUMA, axis=-1, keepdims=True)
