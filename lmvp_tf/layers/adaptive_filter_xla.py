"""The adaptive filter and its gradient as functions that XLA compiles, on TensorFlow's backend.

With w_i = softmax(l)_i and x_i the frame shifted by tap i:

    out = sum_i w_i x_i
    dl_i = w_i sum_c g_c (x_ic - out_c)
    dx[p] = sum_i (w_i g)[p - offset_i]

Between the passes only the logits and log(sum_i exp(l_i)) are kept: to compute exp again costs
less than to write it to fresh memory. The loops take one row of k taps per turn, which stays in
the cache, and keeps k (not k*k) pictures open at once. Pictures are held as planes [C, B, H, W],
so that the innermost loop runs along a row of pixels.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops

from lmvp_tf.layers.own_gradient import own_gradient
from lmvp_tf.layers.taps import kernel_size_of, sum_dtype


def _filter(frame: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, ...]:
    # A tape that is recording must not look into the compiled functions: XLA cannot hand out what
    # it would want to keep of their loops. The gradient below is all there is.
    frame, logits = tf.stop_gradient(frame), tf.stop_gradient(logits)
    out, log_total = _forward(frame, logits)
    return tf.cast(out, frame.dtype), out, log_total


def _gradient(
    upstream: tf.Tensor,
    result: tf.Tensor,
    frame: tf.Tensor,
    logits: tf.Tensor,
    out: tf.Tensor,
    log_total: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    del result  # out, in the dtype of the frame
    frame, logits, upstream = map(tf.stop_gradient, (frame, logits, upstream))
    # Two functions: a graph that needs no gradient of the frame then drops that half.
    return (
        _frame_gradient(upstream, logits, log_total),
        _logits_gradient(upstream, frame, logits, out, log_total),
    )


@tf.function(jit_compile=True, autograph=False)  # which takes seconds to start
def _forward(frame: tf.Tensor, logits: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns out [B, H, W, C] and log(sum exp(logits)) [B, H, W], in the dtype of the sums."""
    size, dtype = kernel_size_of(logits), sum_dtype(frame)
    # In this order: the maximum of bfloat16 takes XLA twice as long as all the rest does.
    peak = tf.reduce_max(tf.cast(logits, dtype), axis=0)
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
    size, dtype = kernel_size_of(logits), out.dtype
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
    size, dtype = kernel_size_of(logits), log_total.dtype
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
    size = kernel_size_of(logits)
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


# `adaptive_filter` on the TensorFlow backend.
filter_with_gradient = own_gradient("lmvp_tf/adaptive_filter", _filter, _gradient)
