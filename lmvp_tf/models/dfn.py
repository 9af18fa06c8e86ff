"""Dynamic Filter Network, the baseline that LMVP's G comes from (De Brabandere et al. 2016)."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
from keras import ops

from lmvp_tf.errors import UserError
from lmvp_tf.layers import grid
from lmvp_tf.layers.adaptive_filter import AdaptiveFilter, filter_flow
from lmvp_tf.layers.conv_stack import ConvStack, leaky_relu
from lmvp_tf.models.predictor import (
    Shape,
    State,
    Supervision,
    VideoPredictor,
    as_channels,
    check_positive,
    over_time,
    past_shapes,
    slide,
)
from lmvp_tf.models.recurrence import recur

if TYPE_CHECKING:
    import tensorflow as tf

    from lmvp_tf.datasets.base import DataSettings


@dataclasses.dataclass(frozen=True)
class DFNSettings:
    """Widths are numbers of channels, one per layer."""

    num_seen: int = 1  # frames that the network sees at a time, besides its state
    kernel_size: int = 9  # k, odd
    dynamic_bias: bool = False  # one predicted bias per pixel and channel, added before the filter
    identity_start: bool = False  # filters begin half at their centre instead of at random
    position_bias: bool = False  # the first layer has a bias for every pixel
    encoder_widths: tuple[int, ...] = (16, 16, 32, 48)  # the second layer halves; the last: state
    decoder_widths: tuple[int, ...] = (48, 32)  # at half size
    pixel_widths: tuple[int, ...] = (16,)  # at full size
    projection_width: int = 32  # a last 1x1 layer before the taps

    def validate(self, data: DataSettings) -> None:
        """Refuses settings that cannot work, by themselves or with a DataSettings.

        Raises:
          UserError: naming the field, what it holds, and what it may hold.
        """
        check_positive(self, "num_seen kernel_size projection_width")
        if self.kernel_size % 2 == 0:
            raise UserError(f"model.kernel_size (k) must be odd. Received: {self.kernel_size}")
        if self.num_seen > data.num_inputs:
            raise UserError(
                "model.num_seen must not be above data.num_inputs (T0). Received: "
                f"{self.num_seen}, T0 = {data.num_inputs}"
            )
        if len(self.encoder_widths) < 2:
            raise UserError(
                "model.encoder_widths needs two widths or more: the second layer halves the "
                f"picture. Received: {self.encoder_widths}"
            )


_WIDTHS: dict[str, dict[str, Any]] = {
    "demo": {
        "encoder_widths": (8, 16, 16, 32),
        "decoder_widths": (32, 32),
        "pixel_widths": (16,),
        "projection_width": 16,
    },
    "small": {
        "encoder_widths": (16, 32, 32, 64),
        "decoder_widths": (48, 32),
        "pixel_widths": (16,),
        "projection_width": 32,
    },
    # Their published network for Moving MNIST: 637,361 parameters.
    "paper": {
        "encoder_widths": (32, 32, 64, 64, 128),
        "decoder_widths": (64, 64),
        "pixel_widths": (64, 64),
        "projection_width": 128,
    },
}
_SLOPE = 0.01  # of its leaky ReLUs

_Chain = tuple["tf.Tensor", "tf.Tensor", "tf.Tensor"]


@keras.saving.register_keras_serializable(package="lmvp_tf")
class DFN(VideoPredictor):
    """A filter-generating network with a state, and the filter it generates for every pixel.

        state_t = encoder(x_{t-n+1:t}) + transition(state_{t-1}),    state_0 = 0
        x̂_{t+1} = filters(decoder(state_t)) * (x_t + bias(decoder(state_t)))

    The bias is there with `dynamic_bias`. Args and call arguments: see VideoPredictor.
    """

    Settings = DFNSettings
    recomputes = True
    # Open loop from the start, the loss on the predicted frames alone; Adam's rate halved every
    # 4,000 steps.
    training_defaults: ClassVar[Mapping[str, Any]] = {
        "training.one_step_steps": 0,
        "training.phase_warmup_steps": 0,
        "training.decay": "halve",
        "training.beta_2": 0.999,
        "losses.input_weight": 0.0,
        "losses.gdl_weight": 0.0,
    }

    def __init__(self, settings: Any = None, **kwargs: Any) -> None:
        super().__init__(settings, **kwargs)
        settings, policy = self.settings, self.dtype_policy

        def stack(widths: Sequence[int], name: str, **options: Any) -> ConvStack:
            return ConvStack(widths, negative_slope=_SLOPE, dtype=policy, name=name, **options)

        state_width = settings.encoder_widths[-1]
        self.encoder = stack(
            settings.encoder_widths,
            "encoder",
            strides=(1, 2) + (1,) * (len(settings.encoder_widths) - 2),
            position_bias=settings.position_bias,
        )
        self.transition = stack((state_width, state_width), "transition")
        self.decoder = stack(settings.decoder_widths, "decoder")
        self.pixel_network = stack(settings.pixel_widths, "pixel")
        self.projection = keras.layers.Dense(
            settings.projection_width, dtype=policy, name="projection"
        )
        self.adaptive_filter = AdaptiveFilter(
            settings.kernel_size,
            identity_start=settings.identity_start,
            dtype=policy,
            name="adaptive_filter",
        )
        self.dynamic_bias: keras.layers.Dense | None = None

    @classmethod
    def sized(cls, size: str) -> DFNSettings:
        return DFNSettings(**_WIDTHS[size])

    def build(self, input_shape: tuple[Any, ...]) -> None:
        *_, height, width, channels = input_shape
        height, width = (2 * grid.cells(side, 2) for side in (height, width))
        shape: tuple[Any, ...] = (None, height, width, channels * self.settings.num_seen)
        self.encoder.build(shape)
        shape = self.encoder.compute_output_shape(shape)
        self.transition.build(shape)
        self.decoder.build(shape)
        shape = (None, height, width, self.settings.decoder_widths[-1])
        self.pixel_network.build(shape)
        shape = self.pixel_network.compute_output_shape(shape)
        self.projection.build(shape)
        shape = (*shape[:-1], self.settings.projection_width)
        self.adaptive_filter.build((None, height, width, channels), shape)
        if self.settings.dynamic_bias:
            self.dynamic_bias = keras.layers.Dense(
                channels, kernel_initializer="zeros", dtype=self.dtype_policy, name="dynamic_bias"
            )
            self.dynamic_bias.build(shape)

    def call(self, inputs: tf.Tensor, *, num_predicted: int) -> tf.Tensor:
        return ops.clip(self.rollout(inputs, num_predicted, one_step=False), 0.0, 1.0)

    def supervise(
        self, video: tf.Tensor, num_inputs: int, num_real: int, backprop: bool = True
    ) -> Supervision:
        num_seen, length = self.settings.num_seen, video.shape[1]
        predictions = self.rollout(video[:, :num_real], length - num_real, backprop=backprop)
        return Supervision(video[:, num_seen:], predictions, num_inputs - num_seen)

    def state_shapes(self, input_shape: Sequence[int]) -> dict[str, Shape]:
        """state_t, and the frames that the network sees besides the next one."""
        _, height, width, channels = input_shape
        memory_size = grid.cells(height, 2), grid.cells(width, 2)
        memory = (*memory_size, self.settings.encoder_widths[-1])
        past = past_shapes(self.settings.num_seen - 1, (height, width, channels))
        return {**past, "memory": memory}

    def step(self, frame: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """See VideoPredictor. The first n - 1 predictions see x_1 in place of what came before."""
        memory, past = self._advance(frame, state)
        prediction = self._filtered(frame, memory)
        if past:  # state_t is 0 until n frames are there
            full = state["num_past"] >= self.settings.num_seen - 1
            memory = ops.where(ops.reshape(full, (-1, 1, 1, 1)), memory, 0.0)
        return prediction, {**past, "memory": memory}

    def step_flow(self, frame: tf.Tensor, state: State) -> tf.Tensor:
        memory, _ = self._advance(frame, state)
        return filter_flow(self.adaptive_filter.filters(self._features(frame, memory)))

    def _advance(self, frame: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        """state_t as if n frames were there, and the frames that are seen again."""
        seen, past = slide(frame, state)
        return self._encode(as_channels(seen)) + self._moved_on(state["memory"]), past

    def rollout(
        self, real: tf.Tensor, num_open: int, one_step: bool = True, backprop: bool = True
    ) -> tf.Tensor:
        """Predicts one frame from every real frame, then goes on from its own predictions.

        Args:
          real: x_1..x_R, [B, R, H, W, C].
          num_open: how many predictions the chain from x_R has, the first of them made from x_R.
          one_step: False leaves out the predictions made from earlier frames.
          backprop: False stops gradients where a prediction is fed back.

        Returns:
          x̂_{n+1}..x̂_{R+num_open} with n = num_seen (the last num_open without the one-step ones).
        """
        states = self._states(real)
        first = 0 if one_step else states.shape[1] - 1
        num_seen = self.settings.num_seen
        known = self.over_frames(self._filtered, real[:, num_seen - 1 + first :], states[:, first:])
        if num_open == 1:
            return known
        seen = as_channels(real[:, -num_seen:])
        _, following = recur(
            functools.partial(self._go_on, backprop=backprop),
            (seen, states[:, -1], known[:, -1]),
            length=num_open - 1,
            rolled=self.rolled,
        )
        return ops.concatenate([known, following], axis=1)

    def _go_on(self, state: _Chain, _: None, backprop: bool) -> tuple[_Chain, tf.Tensor]:
        """One step of the rollout on predictions; the state: what was seen, the memory, and x̂_t."""
        seen, memory, frame = state
        frame = frame if backprop else ops.stop_gradient(frame)
        seen = ops.concatenate([seen[..., frame.shape[-1] :], frame], axis=-1)
        memory = self._encode(seen) + self._moved_on(memory)
        prediction = self.recomputed(self._filtered)(frame, memory)
        return (seen, memory, prediction), prediction

    def filter_flow(self, video: tf.Tensor) -> tf.Tensor:
        states = self._states(video)
        missing = ops.zeros_like(states[:, : self.settings.num_seen - 1])
        states = ops.concatenate([missing, states], axis=1)
        features = over_time(self._features, video, states)
        return over_time(lambda x: filter_flow(self.adaptive_filter.filters(x)), features)

    def _states(self, real: tf.Tensor) -> tf.Tensor:
        """state_n..state_R of real frames, [B, R - n + 1, h, w, U]."""
        num_seen = self.settings.num_seen
        length = real.shape[1] - num_seen + 1
        seen = ops.concatenate([real[:, i : i + length] for i in range(num_seen)], axis=-1)
        encoded = over_time(self._encode, seen)

        def step(memory: tf.Tensor, encoding: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            memory = encoding + self._moved_on(memory)
            return memory, memory

        _, states = recur(step, ops.zeros_like(encoded[:, 0]), encoded, rolled=self.rolled)
        return states

    def _encode(self, seen: tf.Tensor) -> tf.Tensor:
        return ops.cast(self.encoder(grid.pad(seen, 2)), "float32")

    def _moved_on(self, state: tf.Tensor) -> tf.Tensor:
        return ops.cast(self.transition(state), "float32")

    def _features(self, frame: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        """All of the decoder below the taps, at the frame's size: [B, h, w, U] -> [B, H, W, N]."""
        features = grid.crop(self.pixel_network(None, coarse=self.decoder(state)), frame)
        return leaky_relu(self.projection(features), _SLOPE)

    def _filtered(self, frame: tf.Tensor, state: tf.Tensor) -> tf.Tensor:
        features = self._features(frame, state)
        if self.dynamic_bias is not None:
            frame = frame + ops.cast(self.dynamic_bias(features), "float32")
        return self.adaptive_filter(frame, features)
