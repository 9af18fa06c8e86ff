"""SimVP, a baseline without recurrence (Gao et al. 2022, "SimVP: Simpler yet Better Video
Prediction"; Tan et al. 2022, "SimVP: Towards Simple yet Powerful Spatiotemporal Predictive
Learning").
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import tensorflow as tf
from keras import KerasTensor, ops

from lmvp_tf.errors import UserError
from lmvp_tf.layers import grid
from lmvp_tf.layers.gated_attention import GatedAttentionBlock
from lmvp_tf.layers.inception import InceptionBlock
from lmvp_tf.models.predictor import (
    Supervision,
    VideoPredictor,
    as_channels,
    as_frames,
    check_positive,
    over_time,
)
from lmvp_tf.settings import setting

if TYPE_CHECKING:
    from lmvp_tf.datasets.base import DataSettings


@dataclasses.dataclass(frozen=True)
class SimVPSettings:
    """The encoder and decoder of a frame, and the translator between them, of all frames."""

    # "inception": a U-Net of Inception blocks. "gsta": gated attention by large kernels.
    translator: str = setting("inception", choices=("inception", "gsta"))
    frame_width: int = 16  # channels of a frame's features
    halvings: int = setting(2, at_most=8)  # of the frame's sides
    width: int = 128  # channels inside the translator
    num_blocks: int = setting(4, at_most=64)  # of the translator; "inception" has them twice
    mlp_ratio: int = 8  # "gsta": channels inside a block's MLP, as a multiple

    def validate(self, data: DataSettings) -> None:
        """Refuses settings that cannot work.

        Raises:
          UserError: naming the field, what it holds, and what it may hold.
        """
        del data
        check_positive(self, "frame_width halvings width num_blocks mlp_ratio")
        if self.frame_width % 2 or self.width % 2:
            raise UserError(
                "model.frame_width and model.width must be even: they are normalised, and reduced, "
                f"by halves. Received: {self.frame_width} and {self.width}"
            )
        if self.num_blocks < 2:
            raise UserError(
                "model.num_blocks must be 2 or more: the first and the last change the number of "
                f"channels. Received: {self.num_blocks}"
            )


_SIZES = {
    "demo": SimVPSettings(frame_width=8, width=64, num_blocks=2),
    "small": SimVPSettings(),
    "paper": SimVPSettings(frame_width=64, width=512, num_blocks=8),
}


@keras.saving.register_keras_serializable(package="lmvp_tf")
class SimVP(VideoPredictor):
    """Convolutions alone: an encoder of each frame, a translator of all of them together, whose
    channels are T0 times a frame's, and a decoder that makes of each of T0 features a frame.

    The decoder of x̂_{T0+t} also reads the first features of x_t. More frames than T0 are predicted
    from predictions, fewer are the first of T0.

    The networks are those of OpenSTL, whose table for Moving MNIST gives 58.0 million parameters
    ("SimVP+IncepU") and 46.8 million ("SimVP+gSTA"). Args and call arguments: see VideoPredictor.
    """

    Settings = SimVPSettings
    # OpenSTL's: Adam, one cycle of its rate, the squared error of the predicted frames.
    training_defaults: ClassVar[Mapping[str, Any]] = {
        "training.batch_size": 16,
        "training.one_step_steps": 0,
        "training.horizons": (),
        "training.learning_rate": 1e-3,
        "training.learning_rate_floor": 0.0,
        "training.warmup_steps": 0,
        "training.decay": "one_cycle",
        "training.beta_2": 0.999,
        "training.clip_norm": 0.0,
        "losses.reconstruction": "mse",
        "losses.gdl_weight": 0.0,
    }

    def __init__(self, settings: Any = None, **kwargs: Any) -> None:
        super().__init__(settings, **kwargs)
        settings, policy = self.settings, self.dtype_policy

        def units(name: str, changes: Sequence[str]) -> list[_SpatialUnit]:
            return [
                _SpatialUnit(settings.frame_width, change, dtype=policy, name=f"{name}_{i}")
                for i, change in enumerate(changes * settings.halvings)
            ]

        self.encoder = units("encoder", ("", "halve"))
        self.decoder = units("decoder", ("double", ""))

    @classmethod
    def sized(cls, size: str) -> SimVPSettings:
        return _SIZES[size]

    def build(self, input_shape: tuple[Any, ...]) -> None:
        _, length, height, width, channels = input_shape
        settings, policy = self.settings, self.dtype_policy
        for i, unit in enumerate(self.encoder):
            unit.build((None, None, None, settings.frame_width if i else channels))
        for unit in self.decoder:
            unit.build((None, None, None, settings.frame_width))
        self.readout = keras.layers.Conv2D(channels, 1, dtype=policy, name="readout")
        self.readout.build((None, None, None, settings.frame_width))
        gated = settings.translator == "gsta"
        translator: Any = _AttentionTranslator if gated else _InceptionTranslator
        self.translator = translator(settings, dtype=policy, name="translator")
        rows, columns = (grid.cells(side, self._cell) for side in (height, width))
        self.translator.build((None, rows, columns, length * settings.frame_width))

    def call(self, inputs: tf.Tensor, *, num_predicted: int) -> tf.Tensor:
        return ops.clip(self._predict(inputs, num_predicted), 0.0, 1.0)

    def supervise(
        self, video: tf.Tensor, num_inputs: int, num_real: int, backprop: bool = True
    ) -> Supervision:
        del num_real  # it reads no frame after T0
        inputs, targets = video[:, :num_inputs], video[:, num_inputs:]
        predictions = self._predict(inputs, targets.shape[1], training=True, backprop=backprop)
        return Supervision(targets, predictions, num_inside=0)

    @property
    def _cell(self) -> int:
        """Pixels along a side of a cell of the translator."""
        return 2**self.settings.halvings

    def _predict(
        self, inputs: tf.Tensor, length: int, training: bool = False, backprop: bool = True
    ) -> tf.Tensor:
        """The frames that follow, not clipped, by T0 at a time: [B, length, H, W, C]."""
        # Frames are flattened first: nothing else in a graph would notice that there is no batch.
        inputs = tf.ensure_shape(inputs, inputs.shape)
        parts = []
        for _ in range(grid.cells(length, inputs.shape[1])):
            parts.append(self._next_frames(inputs, training))
            inputs = parts[-1] if backprop else ops.stop_gradient(parts[-1])
        return ops.concatenate(parts, axis=1)[:, :length]

    def _next_frames(self, inputs: tf.Tensor, training: bool) -> tf.Tensor:
        """[B, T0, H, W, C] -> [B, T0, H, W, C]."""
        first = over_time(self.encoder[0], grid.pad(inputs, self._cell))
        features = first
        for unit in self.encoder[1:]:
            features = over_time(unit, features)
        together = self.translator(as_channels(features), training=training)
        features = as_frames(together, inputs.shape[1])
        for unit in self.decoder[:-1]:
            features = over_time(unit, features)
        features = over_time(self.decoder[-1], features + first)
        frames = ops.cast(over_time(self.readout, features), "float32")
        return grid.crop(frames, inputs)


class _SpatialUnit(keras.layers.Layer):
    """A 3x3 convolution, normalisation of two groups of channels, and SiLU.

    Args:
      width: U, channels that come out.
      change: of the maps' sides: "halve", by a stride; "double", by four times the channels, laid
        out as 2x2 cells; "": none.

    Input shape: [B, H, W, C]. Output shape: [B, H', W', U].
    """

    def __init__(self, width: int, change: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.change = change
        self.convolution = keras.layers.Conv2D(
            4 * width if change == "double" else width,
            3,
            strides=2 if change == "halve" else 1,
            padding="same",
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=0.02),
            dtype=self.dtype_policy,
            name="convolution",
        )
        self.norm = keras.layers.GroupNormalization(
            2, epsilon=1e-5, dtype=self.dtype_policy, name="norm"
        )

    def build(self, input_shape: tuple[Any, ...]) -> None:
        self.convolution.build(input_shape)
        self.norm.build((None, None, None, self.width))

    def call(self, inputs: KerasTensor) -> KerasTensor:
        maps = self.convolution(inputs)
        if self.change == "double":
            maps = tf.nn.depth_to_space(maps, 2)
        return ops.silu(self.norm(maps))


class _InceptionTranslator(keras.layers.Layer):
    """A U-Net of Inception blocks at one resolution: num_blocks down, as many up.

    Each block up but the first also reads what the block down beside it made. Shapes: [B, h, w,
    T0 * U] in and out, U being `frame_width`.
    """

    def __init__(self, settings: SimVPSettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings

    def build(self, input_shape: tuple[Any, ...]) -> None:
        *place, channels = input_shape
        width, number = self.settings.width, self.settings.num_blocks

        def blocks(name: str, inside: Sequence[int], last: int) -> list[InceptionBlock]:
            """Blocks that read so many channels each; the last one gives `last`."""
            made = []
            for i, read in enumerate(inside):
                given = last if i == len(inside) - 1 else width
                block = InceptionBlock(
                    width // 2, given, dtype=self.dtype_policy, name=f"{name}_{i}"
                )
                block.build((*place, read))
                made.append(block)
            return made

        self.down = blocks("down", [channels] + [width] * (number - 1), width)
        self.up = blocks("up", [width] + [2 * width] * (number - 1), channels)

    def call(self, inputs: KerasTensor, training: bool = False) -> KerasTensor:
        del training
        maps, skipped = inputs, []
        for block in self.down:
            maps = block(maps)
            skipped.append(maps)
        maps = self.up[0](skipped.pop())
        for block in self.up[1:]:
            maps = block(ops.concatenate([maps, skipped.pop()], axis=-1))
        return maps


class _AttentionTranslator(keras.layers.Layer):
    """Blocks of gated attention, and 1x1 convolutions after the first and the last of them.

    Shapes: [B, h, w, T0 * U] in and out, U being `frame_width`.
    """

    def __init__(self, settings: SimVPSettings, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.settings = settings

    def build(self, input_shape: tuple[Any, ...]) -> None:
        *place, channels = input_shape
        width, number = self.settings.width, self.settings.num_blocks
        self.blocks = [
            GatedAttentionBlock(self.settings.mlp_ratio, dtype=self.dtype_policy, name=f"block_{i}")
            for i in range(number)
        ]
        for i, block in enumerate(self.blocks):
            block.build((*place, width if i else channels))
        self.enter, self.leave = (
            keras.layers.Conv2D(units, 1, dtype=self.dtype_policy, name=name)
            for units, name in ((width, "enter"), (channels, "leave"))
        )
        self.enter.build((*place, channels))
        self.leave.build((*place, width))

    def call(self, inputs: KerasTensor, training: bool = False) -> KerasTensor:
        maps = self.enter(self.blocks[0](inputs, training=training))
        for block in self.blocks[1:]:
            maps = block(maps, training=training)
        return self.leave(maps)
