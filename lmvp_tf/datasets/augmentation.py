"""Random changes of training windows, so that a short drive is not soon known by heart.

A change is the same in every frame of a window, but for a camera that moves over it. What is drawn
depends on the seed and the batch's number alone, in tf.data and in a step compiled by XLA alike.
"""

from __future__ import annotations

import math
from typing import Any

import tensorflow as tf

_CAMERA = 0x5EED  # its numbers come from a stream of their own


def augmented(
    video: tf.Tensor, data: Any, seed: int, number: tf.Tensor, shard: tuple[int, int] = (1, 0)
) -> tf.Tensor:
    """Changes the windows of a batch, each in its own way.

    Args:
      video: [B, T, H', W', C] in [0, 1], at least as large as the result; with `random_stride` all
        frames of the longest window, T of (data.num_frames - 1) * random_stride + 1.
      data: settings; `random_stride`, `crop`, `camera`, `mirror`, `reverse`, and `contrast` say
        what may be changed.
      seed: of the run.
      number: of the batch, an int64 scalar.
      shard: (n, i), the batch is the i-th of n parts of a larger one.

    Returns:
      [B, data.num_frames, data.height, data.width, C] in [0, 1].
    """
    (workers, worker), size = shard, tf.shape(video)[0]
    draws = _uniform((8, workers * size, 1, 1, 1, 1), seed, number)
    draws = draws[:, worker * size : (worker + 1) * size]
    side, top, left, mirror, backwards, contrast, brightness, stride = tf.unstack(draws)
    if data.random_stride:
        stride = 1 + tf.cast(stride[:, 0, 0, 0] * data.random_stride, tf.int32)  # [B, 1]
        video = tf.gather(video, stride * tf.range(data.num_frames), batch_dims=1, axis=1)
    if data.crop < 1:
        side = data.crop + (1 - data.crop) * side
        if data.camera:
            numbers = _uniform((3, workers * size, 1, 1, 1, 1), seed ^ _CAMERA, number)
            numbers = numbers[:, worker * size : (worker + 1) * size]
            side, top, left = _glide(video, data, (side, top, left), tf.unstack(numbers))
        video = crop(video, (data.height, data.width), side, top, left)
    else:
        video = fit(video, data.height, data.width)
    if data.mirror:
        video = tf.where(mirror < 0.5, tf.reverse(video, axis=[3]), video)
    if data.reverse:
        video = tf.where(backwards < 0.5, tf.reverse(video, axis=[1]), video)
    if data.contrast:
        gain = 1 + data.contrast * (2 * contrast - 1)
        video = tf.clip_by_value(
            0.5 + gain * (video - 0.5) + data.contrast * (brightness - 0.5), 0.0, 1.0
        )
    return video


def fit(video: tf.Tensor, height: int, width: int) -> tf.Tensor:
    """Frames [B, T, H', W', C] as [B, T, H, W, C]: of another shape, the middle of them."""
    if tuple(video.shape[2:4]) == (height, width):
        return video
    middle = tf.fill((tf.shape(video)[0], 1, 1, 1, 1), 0.5)
    return crop(video, (height, width), tf.ones_like(middle), middle, middle)


def largest_part(height: int, width: int, size: tuple[int, int]) -> tuple[float, float]:
    """The largest part of a frame that has the aspect ratio of `size`, as shares of its sides."""
    tall, wide = size[0] * width, size[1] * height
    return (1.0, wide / tall) if tall > wide else (tall / wide, 1.0)


def _glide(
    video: tf.Tensor, data: Any, part: tuple[tf.Tensor, ...], draws: list[tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Side, top and left of a part that moves steadily, as if the camera did, [B, T, 1, 1, 1].

    It moves by up to `data.camera` pixels of the result a frame, most parts by far less, and closes
    in or draws back by as much at its edge. It goes no farther than the edge of the video.

    Args:
      video: [B, T, H', W', C].
      data: settings.
      part: (side, top, left) as `crop` takes them, each [B, 1, 1, 1, 1].
      draws: speed, direction and zoom, in [0, 1), each [B, 1, 1, 1, 1].
    """
    (side, *places), (speed, direction, zoom) = part, draws
    steps, time = data.num_frames - 1, tf.linspace(0.0, 1.0, data.num_frames)
    time = tf.reshape(time, (1, -1, 1, 1, 1))
    pixels = steps * data.camera * tf.square(speed)
    ways = pixels * tf.sin(math.tau * direction), pixels * tf.cos(math.tau * direction)
    closer = data.camera * (2 * zoom - 1) * tf.abs(2 * zoom - 1)
    growth = tf.pow(1 + 2 * closer / max(data.height, data.width), float(steps))
    last = tf.clip_by_value(side * growth, data.crop, 1.0)
    now = side + (last - side) * time
    shares = largest_part(video.shape[2], video.shape[3], (data.height, data.width))
    moving = []
    for place, way, share, length in zip(
        places, ways, shares, (data.height, data.width), strict=True
    ):
        start = place * (1 - side * share)
        middle = start + side * share / 2 + way * side * share / length
        end = tf.clip_by_value(middle - last * share / 2, 0.0, 1 - last * share)
        moving.append(tf.math.divide_no_nan(start + (end - start) * time, 1 - now * share))
    return now, *moving


def crop(
    video: tf.Tensor, size: tuple[int, int], side: tf.Tensor, top: tf.Tensor, left: tf.Tensor
) -> tf.Tensor:
    """Parts of a video in the aspect ratio of the result, averaged by area to fewer pixels.

    Args:
      video: [B, T, H', W', C].
      size: (H, W) of the result, at most those of the part.
      side: of each window's part, as a share of the largest that there is, [B, 1, 1, 1, 1], or
        [B, T, 1, 1, 1] where it differs from frame to frame.
      top, left: where each part lies: 0 at the frame's edge, 1 at the opposite one; same shape.

    Returns:
      [B, T, H, W, C].
    """
    high, wide = largest_part(video.shape[2], video.shape[3], size)
    rows = _shares(top * (1 - side * high), side * high, size[0], video.shape[2])
    columns = _shares(left * (1 - side * wide), side * wide, size[1], video.shape[3])
    if side.shape[1] == 1:
        return tf.einsum("bij,btjkc,blk->btilc", rows[:, 0], video, columns[:, 0])
    return tf.einsum("btij,btjkc,btlk->btilc", rows, video, columns)


def _shares(start: tf.Tensor, length: tf.Tensor, size: int, pixels: int) -> tf.Tensor:
    """What part of target pixel i source pixel j is, [B, T, size, pixels]; a row's sum is 1."""
    scale = (length * pixels / size)[..., 0]
    low = (start * pixels)[..., 0] + scale * tf.range(size, dtype=tf.float32)[:, None]
    source = tf.range(pixels, dtype=tf.float32)
    shared = tf.minimum(low + scale, source + 1) - tf.maximum(low, source)
    return tf.maximum(shared, 0.0) / scale


def _uniform(shape: tuple[Any, ...], seed: int, number: tf.Tensor) -> tf.Tensor:
    """Numbers in [0, 1), from integers, because XLA makes other floats of the same bits."""
    bits = tf.random.stateless_uniform(
        shape, (seed, number), minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    return tf.cast(tf.bitwise.right_shift(bits, 8), tf.float32) / 2.0**24
