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

from typing import TYPE_CHECKING

from keras import ops

if TYPE_CHECKING:
    import tensorflow as tf


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


def to_patches(frame: tf.Tensor, size: int) -> tf.Tensor:
    """Blocks of p x p pixels become the channels of one cell, row by row.

    [B, H, W, C] -> [B, H/p, W/p, p*p*C] with p = size, which H and W are multiples of.
    """
    _, height, width, channels = frame.shape
    blocks = ops.reshape(frame, (-1, height // size, size, width // size, size * channels))
    blocks = ops.transpose(blocks, (0, 1, 3, 2, 4))
    return ops.reshape(blocks, (-1, height // size, width // size, size**2 * channels))


def from_patches(patches: tf.Tensor, size: int) -> tf.Tensor:
    """The inverse of `to_patches`: [B, h, w, p*p*C] -> [B, h*p, w*p, C]."""
    _, rows, columns, pixels = patches.shape
    channels = pixels // size**2
    blocks = ops.reshape(patches, (-1, rows, columns, size, size * channels))
    blocks = ops.transpose(blocks, (0, 1, 3, 2, 4))
    return ops.reshape(blocks, (-1, rows * size, columns * size, channels))
