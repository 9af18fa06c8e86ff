"""One softmax filter per pixel, applied to the current frame: the last layer of G, and of DFN.

    out[b, y, x, c] = sum_{i, j} softmax(logits)[i * k + j, b, y, x] * frame[b, y+i-r, x+j-r, c]

with r = (k - 1) / 2 and zeros outside the frame (De Brabandere et al. 2016, "Dynamic Filter
Networks", Section 3.2: the dynamic local filtering layer). The channels share the filter. The taps
come first, [k*k, B, H, W]: each tap is then one contiguous picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf
from keras import KerasTensor, ops


def adaptive_filter_reference(frame: KerasTensor, logits: KerasTensor) -> KerasTensor:
    """The adaptive filter in plain `keras.ops`: differentiable, and exportable to TFLite builtins.

    Args:
      frame: [B, H, W, C], any float dtype. B may be dynamic.
      logits: [k*k, B, H, W], the unnormalised filter taps in row-major order, k odd.

    Returns:
      [B, H, W, C] in the dtype of `frame`. Softmax and sum are computed in float32 at least.
    """
    size, dtype = _kernel_size(logits), _sum_dtype(frame)
    _, height, width, channels = ops.shape(frame)
    # Not ops.softmax: over the first axis it transposes twice, which costs as much as all the rest.
    logits = ops.cast(logits, dtype)
    weights = ops.exp(logits - ops.stop_gradient(ops.max(logits, axis=0)))
    border = (size // 2, size // 2)
    frame_in_zeros = ops.pad(ops.cast(frame, dtype), ((0, 0), border, border, (0, 0)))
    columns = ops.stack([frame_in_zeros[:, :, j : j + width] for j in range(size)])
    shifts = ops.stack([columns[:, :, i : i + height] for i in range(size)])
    shifts = ops.reshape(shifts, (size * size, -1, height, width, channels))
    filtered = ops.sum(weights[..., None] * shifts, axis=0) / ops.sum(weights, axis=0)[..., None]
    return ops.cast(filtered, frame.dtype)


def adaptive_filter(frame: KerasTensor, logits: KerasTensor) -> KerasTensor:
    """The same as `adaptive_filter_reference`, made for training: 4 to 5 times as fast on a CPU.

    The forward pass and both gradients are small functions compiled by XLA; beside the logits and
    their gradient nothing of their size is made. It runs eagerly, in a `tf.function` and in a
    `tf.function(jit_compile=True)`, on CPU and GPU. It has first derivatives only: to a second tape
    its gradients are constants. Export with the reference, since functions compiled by XLA do not
    belong in a SavedModel or TFLite file.

    Args:
      frame: [B, H, W, C], any float dtype. B may be dynamic.
      logits: [k*k, B, H, W], the unnormalised filter taps in row-major order, k odd.

    Returns:
      [B, H, W, C] in the dtype of `frame`. On a Keras backend other than TensorFlow this is the
      reference itself.
    """
    if keras.backend.backend() != "tensorflow":
        return adaptive_filter_reference(frame, logits)
    return _filter_with_gradient(frame, logits)


def filter_flow(weights: KerasTensor) -> KerasTensor:
    """The centre of mass of each pixel's filter: how far away the pixel is fetched from.

    Args:
      weights: [k*k, B, H, W], filters that sum to one over the taps, in row-major order.

    Returns:
      [B, H, W, 2], (dy, dx) in pixels, in [-r, r]; 0 for the identity filter.
    """
    size = _kernel_size(weights)
    offsets = ops.arange(size, dtype=weights.dtype) - size // 2
    dy, dx = ops.repeat(offsets, size), ops.tile(offsets, size)
    return ops.einsum("kbhw,kd->bhwd", weights, ops.stack([dy, dx], axis=-1))


@keras.saving.register_keras_serializable(package="lmvp_tf")
class AdaptiveFilter(keras.layers.Layer):
    """Projects features to one k x k softmax filter per pixel, and applies it to the frame.

        logits = features . kernel + bias                                     [k*k, B, H, W]
        out    = adaptive_filter(frame, logits)                               [B, H, W, C]
        out   += features . content_kernel + content_bias                     if dynamic_bias

    Under a mixed policy the projections run in the compute dtype, the softmax and the sum over the
    taps in float32. The frame is not cast, because 8 bits of mantissa would lose grey levels, and
    the output is in its dtype.

    Args:
      kernel_size: k, odd.
      dynamic_bias: adds one bias per pixel and channel to the filtered frame, since a filter whose
        taps sum to one cannot make new content (DFN does so on the Highway data).
      identity_start: every filter begins half at its centre and half spread evenly, whatever the
        features, instead of at random: for video in which most pixels stay where they are.
      implementation: "fast" (`adaptive_filter`, for training) or "reference"
        (`adaptive_filter_reference`, for export). The attribute of this name may be set later: a
        model trained with one is exported with the other.

    Call arguments:
      frame: [B, H, W, C], the current frame.
      features: [B, H, W, N].

    Output shape:
      [B, H, W, C].

    Variables:
      kernel [N, k*k] and bias [k*k]; content_kernel [N, C] and content_bias [C] if dynamic_bias.

    Raises:
      ValueError: `kernel_size` is even or not positive, or `implementation` is not one of the two.
    """

    def __init__(
        self,
        kernel_size: int,
        dynamic_bias: bool = False,
        identity_start: bool = False,
        implementation: str = "fast",
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                "`kernel_size` must be odd and positive, so that the filter has a centre. "
                f"Received: kernel_size={kernel_size}"
            )
        self.kernel_size = kernel_size
        self.dynamic_bias = dynamic_bias
        self.identity_start = identity_start
        self.implementation = implementation

    @property
    def implementation(self) -> str:
        """Which of the two equal functions `call` uses: "fast" or "reference"."""
        return self._implementation

    @implementation.setter
    def implementation(self, name: str) -> None:
        if name not in _IMPLEMENTATIONS:
            raise ValueError(
                f"`implementation` must be one of {sorted(_IMPLEMENTATIONS)}. "
                f"Received: implementation={name!r}"
            )
        self._implementation = name

    def build(
        self, frame_shape: tuple[int | None, ...], features_shape: tuple[int | None, ...]
    ) -> None:
        features, taps, channels = features_shape[-1], self.kernel_size**2, frame_shape[-1]
        kernel: str
        bias: str | Callable[..., KerasTensor]
        kernel, bias = "glorot_uniform", "zeros"
        if self.identity_start:
            kernel, bias = "zeros", _half_at_the_centre
        self.kernel = self.add_weight(name="kernel", shape=(features, taps), initializer=kernel)
        self.bias = self.add_weight(name="bias", shape=(taps,), initializer=bias)
        if self.dynamic_bias:
            # Zero at first: random content would hide the filter from the loss.
            self.content_kernel = self.add_weight(
                name="content_kernel", shape=(features, channels), initializer="zeros"
            )
            self.content_bias = self.add_weight(
                name="content_bias", shape=(channels,), initializer="zeros"
            )

    def call(self, frame: KerasTensor, features: KerasTensor) -> KerasTensor:
        filtered = _IMPLEMENTATIONS[self.implementation](frame, self.logits(features))
        if self.dynamic_bias:
            features, kernel, bias = self._cast(features, self.content_kernel, self.content_bias)
            filtered += ops.cast(ops.matmul(features, kernel) + bias, filtered.dtype)
        return filtered

    def logits(self, features: KerasTensor) -> KerasTensor:
        """The unnormalised filters [k*k, B, H, W] of features [B, H, W, N]."""
        features, kernel, bias = self._cast(features, self.kernel, self.bias)
        # In this order of the operands the product comes out taps-first, with no big transpose.
        return ops.einsum("nk,bhwn->kbhw", kernel, features) + ops.reshape(bias, (-1, 1, 1, 1))

    def _cast(self, *tensors: KerasTensor) -> list[KerasTensor]:
        return [ops.cast(tensor, self.compute_dtype) for tensor in tensors]

    def filters(self, features: KerasTensor) -> KerasTensor:
        """The filters [k*k, B, H, W] of features [B, H, W, N], in float32; they sum to one."""
        return ops.softmax(ops.cast(self.logits(features), "float32"), axis=0)

    def compute_output_shape(
        self, frame_shape: tuple[int | None, ...], features_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return frame_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "dynamic_bias": self.dynamic_bias,
            "identity_start": self.identity_start,
            "implementation": self.implementation,
        }


_IMPLEMENTATIONS = {"fast": adaptive_filter, "reference": adaptive_filter_reference}


def _half_at_the_centre(shape: tuple[int], dtype: str | None = None) -> KerasTensor:
    """Logits [k*k] whose softmax is 1/2 at the centre and even elsewhere."""
    (taps,) = shape
    return math.log(max(taps - 1, 1)) * ops.one_hot(taps // 2, taps, dtype=dtype)


def _kernel_size(taps_first: KerasTensor) -> int:
    """k of a tensor whose first axis holds k*k taps."""
    return round(taps_first.shape[0] ** 0.5)


def _sum_dtype(frame: KerasTensor) -> str:
    """The dtype of softmax and sums: float32, or float64 where the frame is float64."""
    return keras.backend.result_type(frame.dtype, "float32")


# The fast path. With w_i = softmax(l)_i and x_i the frame shifted by tap i:
#
#     out = sum_i w_i x_i
#     dl_i = w_i sum_c g_c (x_ic - out_c)
#     dx[p] = sum_i (w_i g)[p - offset_i]
#
# Between the passes only the logits and log(sum_i exp(l_i)) are kept: to compute exp again costs
# less than to write it to fresh memory. The loops take one row of k taps per turn, which stays in
# the cache, and keeps k (not k*k) pictures open at once. Pictures are held as planes [C, B, H, W],
# so that the innermost loop runs along a row of pixels.


@tf.custom_gradient
def _filter_with_gradient(
    frame: tf.Tensor, logits: tf.Tensor
) -> tuple[tf.Tensor, Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]]:
    """`adaptive_filter` on the TensorFlow backend."""
    # A tape that is recording must not look into the compiled functions: XLA cannot hand out what
    # it would want to keep of their loops. The gradient below is all there is.
    frame, logits = tf.stop_gradient(frame), tf.stop_gradient(logits)
    out, log_total = _forward(frame, logits)

    def gradient(upstream: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        upstream = tf.stop_gradient(upstream)
        # Two functions: a graph that needs no gradient of the frame then drops that half.
        return (
            _frame_gradient(upstream, logits, log_total),
            _logits_gradient(upstream, frame, logits, out, log_total),
        )

    return tf.cast(out, frame.dtype), gradient


@tf.function(jit_compile=True, autograph=False)  # which takes seconds to start
def _forward(frame: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns out [B, H, W, C] and log(sum exp(logits)) [B, H, W], in the dtype of the sums."""
    size, dtype = _kernel_size(logits), _sum_dtype(frame)
    peak = tf.cast(tf.reduce_max(logits, axis=0), dtype)
    planes = _padded_planes(tf.cast(frame, dtype), size)
    batch, height, width, channels = ops.shape(frame)

    def add_row(
        i: tf.Tensor, filtered: tf.Tensor, total: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        weights = tf.unstack(tf.exp(tf.cast(_tap_row(logits, i), dtype) - peak))
        band = tf.slice(planes, (0, 0, i, 0), (channels, batch, height, width + size - 1))
        terms = [w * band[..., j : j + width] for j, w in enumerate(weights)]
        return i + 1, tf.add_n([filtered, *terms]), tf.add_n([total, *weights])

    zeros = tf.zeros((channels, batch, height, width), dtype)
    _, filtered, total = tf.while_loop(
        lambda i, *_: i < size, add_row, (tf.constant(0), zeros, tf.zeros_like(peak))
    )
    return tf.transpose(filtered / total, (1, 2, 3, 0)), peak + tf.math.log(total)


@tf.function(jit_compile=True, autograph=False)
def _logits_gradient(
    upstream: tf.Tensor, frame: tf.Tensor, logits: tf.Tensor, out: tf.Tensor, log_total: tf.Tensor
) -> tf.Tensor:
    """dl [k*k, B, H, W] of the upstream gradient [B, H, W, C] and what `_forward` returned."""
    size, dtype = _kernel_size(logits), out.dtype
    upstream = tf.cast(upstream, dtype)
    along_out = tf.reduce_sum(upstream * out, axis=-1)
    shifts = _all_shifts(_padded_planes(tf.cast(frame, dtype), size), size)
    slope = tf.reduce_sum(tf.transpose(upstream, (3, 0, 1, 2)) * shifts, axis=2) - along_out
    slope = tf.reshape(slope, ops.shape(logits))
    return tf.cast(slope * tf.exp(tf.cast(logits, dtype) - log_total), logits.dtype)


@tf.function(jit_compile=True, autograph=False)
def _frame_gradient(upstream: tf.Tensor, logits: tf.Tensor, log_total: tf.Tensor) -> tf.Tensor:
    """dx [B, H, W, C] of the upstream gradient [B, H, W, C] and what `_forward` returned.

    Each turn adds one row of taps: first shifted back along the columns, then along the rows. The
    column shift is a slice of the flattened weights. At the edges it reads a pixel of another row,
    a finite value that meets one of the zeros around the upstream gradient.
    """
    size, dtype = _kernel_size(logits), log_total.dtype
    radius = size // 2
    batch, height, width, channels = ops.shape(upstream)
    pixels = batch * height * width
    planes = _padded_planes(tf.cast(upstream, dtype), size)
    planes = planes[:, :, radius : radius + height]  # [C, B, H, W+2r]

    def add_row(i: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        weights = tf.exp(tf.cast(_tap_row(logits, i), dtype) - log_total)
        weights = tf.pad(tf.reshape(weights, (-1,)), ((radius, radius),))
        terms = []
        for j in range(size):
            start = j * pixels + 2 * radius - j
            shifted = tf.reshape(weights[start : start + pixels], (batch, height, width))
            terms.append(shifted * planes[..., size - 1 - j : size - 1 - j + width])
        moved = tf.pad(tf.add_n(terms), ((0, 0), (0, 0), (radius, radius), (0, 0)))
        moved = tf.slice(moved, (0, 0, size - 1 - i, 0), (channels, batch, height, width))
        return i + 1, total + moved

    zeros = tf.zeros((channels, batch, height, width), dtype)
    _, total = tf.while_loop(lambda i, _: i < size, add_row, (tf.constant(0), zeros))
    return tf.cast(tf.transpose(total, (1, 2, 3, 0)), upstream.dtype)


def _tap_row(logits: tf.Tensor, i: tf.Tensor) -> tf.Tensor:
    """Row i of the taps, [k, B, H, W], of logits [k*k, B, H, W]."""
    size = _kernel_size(logits)
    _, batch, height, width = ops.shape(logits)
    return tf.slice(logits, (i * size, 0, 0, 0), (size, batch, height, width))


def _padded_planes(frame: tf.Tensor, size: int) -> tf.Tensor:
    """[B, H, W, C] -> [C, B, H+2r, W+2r], zeros around each picture."""
    border = (size // 2, size // 2)
    return tf.pad(tf.transpose(frame, (3, 0, 1, 2)), ((0, 0), (0, 0), border, border))


def _all_shifts(planes: tf.Tensor, size: int) -> tf.Tensor:
    """Padded planes [C, B, H+2r, W+2r] -> their k x k shifts [k, k, C, B, H, W].

    The shifts by rows are a reshape, which XLA fuses where a stack of slices would be written out:
    k copies of the H+2r rows, read again as k blocks of H+2r+1 rows, begin one row later each.
    """
    channels, batch, rows, columns = ops.shape(planes)
    height, width = rows - size + 1, columns - size + 1
    shifts = tf.stack([planes[..., j : j + width] for j in range(size)])
    shifts = tf.broadcast_to(shifts[:, :, :, None], (size, channels, batch, size, rows, width))
    shifts = tf.reshape(shifts, (size, channels, batch, size * rows, width))
    shifts = tf.pad(shifts, ((0, 0), (0, 0), (0, 0), (0, size), (0, 0)))
    shifts = tf.reshape(shifts, (size, channels, batch, size, rows + 1, width))
    return tf.transpose(shifts[..., :height, :], (3, 0, 1, 2, 4, 5))
