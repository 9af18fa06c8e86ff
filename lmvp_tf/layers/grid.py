"""Frames of any size on a network's grid: padded where a strided layer reads, cut where pixels are.

A network that halves its input n times has one cell for 2^n x 2^n pixels. A frame whose sides are
no multiples of that is continued below and to the right, so that cell (i, j) stays where it is
without padding, and what comes out at full size is cut again. All else (recurrence, losses, the
filter, what is fed back) sees frames of their own size: no made-up pixel enters a loss or another
prediction, and D has no border to tell real from fake by.

The continuation repeats the last row and column. Zeros would put an edge along two sides of every
bright frame, in the first layers' sight and in the statistics of F's normalisation. It is less than
a cell: each cell covers a pixel of the frame, and the means of Eq. 2 and Eq. 3 count no other.
"""

from __future__ import annotations

import tensorflow as tf
from keras import ops


def cells(pixels: int, multiple: int) -> int:
    """How many cells of `multiple` pixels cover a side of a frame."""
    return -(-pixels // multiple)


def pad(frames: tf.Tensor, multiple: int) -> tf.Tensor:
    """Continues frames to the next multiples: [..., H, W, C] -> [..., H', W', C].

    The same tensor where H and W are multiples already.
    """
    for axis in (-3, -2):
        side = frames.shape[axis]
        missing = cells(side, multiple) * multiple - side
        if missing:
            last = ops.take(frames, [side - 1], axis=axis)
            frames = ops.concatenate([frames, ops.repeat(last, missing, axis=axis)], axis=axis)
    return frames


def crop(maps: tf.Tensor, like: tf.Tensor) -> tf.Tensor:
    """Cuts what `pad` continued: [..., H', W', N] -> [..., H, W, N] as `like`, [..., H, W, C].

    The same tensor where there is nothing to cut.
    """
    height, width = like.shape[-3:-1]
    if tuple(maps.shape[-3:-1]) == (height, width):
        return maps
    return maps[..., :height, :width, :]
