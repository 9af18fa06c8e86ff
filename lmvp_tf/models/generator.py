"""The generator G, which predicts the next frame by one adaptive filter per pixel (Section 2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from lmvp_tf.layers import grid
from lmvp_tf.layers.adaptive_filter import AdaptiveFilter
from lmvp_tf.layers.conv_stack import ConvStack, leaky_relu

if TYPE_CHECKING:
    import tensorflow as tf


@keras.saving.register_keras_serializable(package="lmvp_tf")
class Generator(keras.Model):
    """G(x_t, m_t): spatial encoder(x_t) ++ temporal encoder(m_t) -> filter network -> filters *
    x_t.

    The filter network works at half the frame's size and, after doubling it, at full size.

    Args:
      kernel_size: k, odd.
      dynamic_bias: add one predicted bias per pixel and channel to the filtered frame.
      spatial_widths: channels of the spatial encoder; its second layer halves the picture.
      temporal_widths: channels of the temporal encoder, at the size of m_t.
      filter_widths: channels of the filter network at half size.
      pixel_widths: channels of the filter network at full size.
      projection_width: channels of a last 1x1 layer before the taps; 0 for none.
      identity_start: see AdaptiveFilter.
      motion_stride: s, pixels from one cell of m_t to the next: a power of two, 2 or more.

    Call arguments:
      frame: x_t, [B, H, W, C], values in [0, 1].
      motion: m_t, [B, h, w, K], with h = H / s and w = W / s, rounded up.

    Returns:
      The prediction of x_{t+1}, [B, H, W, C], float32. It stays within [0, 1] unless there is a
      dynamic bias.
    """

    def __init__(
        self,
        *,
        kernel_size: int,
        dynamic_bias: bool,
        spatial_widths: Sequence[int],
        temporal_widths: Sequence[int],
        filter_widths: Sequence[int],
        pixel_widths: Sequence[int],
        projection_width: int = 0,
        identity_start: bool = False,
        motion_stride: int = 4,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.settings: dict[str, Any] = {
            "kernel_size": kernel_size,
            "dynamic_bias": dynamic_bias,
            "spatial_widths": tuple(spatial_widths),
            "temporal_widths": tuple(temporal_widths),
            "filter_widths": tuple(filter_widths),
            "pixel_widths": tuple(pixel_widths),
            "projection_width": projection_width,
            "identity_start": identity_start,
            "motion_stride": motion_stride,
        }
        policy = self.dtype_policy
        strides = (1, 2) + (1,) * (len(spatial_widths) - 2)
        self.spatial_encoder = ConvStack(spatial_widths, strides, dtype=policy, name="spatial")
        self.temporal_encoder = ConvStack(temporal_widths, dtype=policy, name="temporal")
        self.filter_network = ConvStack(filter_widths, dtype=policy, name="filter")
        self.pixel_network = ConvStack(pixel_widths, dtype=policy, name="pixel")
        self.projection = None
        if projection_width:
            self.projection = keras.layers.Dense(projection_width, dtype=policy, name="projection")
        self.adaptive_filter = AdaptiveFilter(
            kernel_size, dynamic_bias, identity_start, dtype=policy, name="adaptive_filter"
        )

    def build(self, frame_shape: tuple[Any, ...], motion_shape: tuple[Any, ...]) -> None:
        self.spatial_encoder.build(frame_shape)
        self.temporal_encoder.build(motion_shape)
        spatial = self.spatial_encoder.compute_output_shape(frame_shape)
        temporal = self.temporal_encoder.compute_output_shape(motion_shape)
        shape = (*spatial[:-1], spatial[-1] + temporal[-1])
        self.filter_network.build(shape)
        width = self.filter_network.compute_output_shape(shape)[-1]
        shape = (*frame_shape[:-1], width)
        self.pixel_network.build(shape)
        shape = self.pixel_network.compute_output_shape(shape)
        if self.projection is not None:
            self.projection.build(shape)
            shape = (*shape[:-1], self.projection.units)
        self.adaptive_filter.build(frame_shape, shape)

    def call(self, frame: tf.Tensor, motion: tf.Tensor) -> tf.Tensor:
        return self.adaptive_filter(frame, self.filter_features(frame, motion))

    def filter_features(self, frame: tf.Tensor, motion: tf.Tensor) -> tf.Tensor:
        """All of G below the taps: [B, H, W, N] features; the filters are their projection."""
        stride = self.settings["motion_stride"]
        spatial = self.spatial_encoder(grid.pad(frame, stride))  # [B, s/2 h, s/2 w, .], f_t^s
        temporal = self.temporal_encoder(motion)  # [B, h, w, .], f_t^m
        factor = stride // 2
        if factor == 1:
            hidden = self.filter_network(ops.concatenate([spatial, temporal], axis=-1))
        else:
            hidden = self.filter_network(spatial, coarse=enlarge(temporal, factor // 2))
        hidden = grid.crop(self.pixel_network(None, coarse=hidden), frame)
        return hidden if self.projection is None else leaky_relu(self.projection(hidden))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), **self.settings}


def enlarge(maps: tf.Tensor, factor: int) -> tf.Tensor:
    """Repeats every cell of [B, h, w, K] in a factor x factor square (nearest neighbour)."""
    if factor == 1:
        return maps
    _, height, width, channels = maps.shape
    maps = ops.reshape(maps, (-1, height, 1, width, 1, channels))
    maps = ops.broadcast_to(maps, (ops.shape(maps)[0], height, factor, width, factor, channels))
    return ops.reshape(maps, (-1, height * factor, width * factor, channels))
