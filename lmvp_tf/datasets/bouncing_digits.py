"""Moving MNIST, generated on the fly.

The procedure of Srivastava, Mansimov and Salakhutdinov, "Unsupervised Learning of Video
Representations using LSTMs" (ICML 2015), in the order draw -> trajectories -> render. In colour,
which the paper has not, every digit is tinted with a hue of its own.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf.datasets.pipeline import prepare_ahead
from lmvp_tf.errors import UserError

SIZE = 64  # height and width of the canvas
NUM_FRAMES = 20
NUM_DIGITS = 2
STEP = 0.1  # way per frame, where 1 is what a digit can go from edge to edge
SPLITS = {"train": 0, "validation": 1, "test": 2}  # one stream of random numbers each

Images = npt.NDArray[np.uint8]  # uint8 [N, 28, 28]; in a compiled step a tf.Tensor or tf.Variable


class Draw(NamedTuple):
    """The random numbers of B sequences of D digits.

    Attributes:
      digit: int32 [B, D], which digit.
      start: float64 [B, D, 2], the top left corner (y, x) before the first step, in (0, 1).
      angle: float64 [B, D], the direction in radians, in (0, 2 pi); y grows with its sine.
    """

    digit: tf.Tensor
    start: tf.Tensor
    angle: tf.Tensor


def draw(
    seed: tf.Tensor, batch_size: int, num_choices: int | tf.Tensor, num_digits: int = NUM_DIGITS
) -> Draw:
    """Draws B = `batch_size` sequences of D = `num_digits` out of `num_choices` digits.

    Each number is made of 32 random bits by integer and exact float64 operations, so that it is
    the same on every device. The intervals are open (bits count in halves), so that no digit
    starts on an edge or moves exactly along one.

    Args:
      seed: int32 or int64 [2].
      batch_size: B.
      num_choices: N.
      num_digits: D.

    Returns:
      Draw.
    """
    bits = tf.random.stateless_uniform(
        [batch_size, num_digits, 4], seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    digit = tf.cast(bits[..., 0], tf.uint64) * tf.cast(num_choices, tf.uint64) // 2**32
    unit = (tf.cast(bits[..., 1:], tf.float64) + 0.5) * 2.0**-32
    return Draw(tf.cast(digit, tf.int32), unit[..., :2], unit[..., 2] * (2 * math.pi))


def draw_tints(seed: tf.Tensor, batch_size: int, num_digits: int = NUM_DIGITS) -> tf.Tensor:
    """Draws a pure hue for every digit.

    Its random numbers are not those of `draw`: the same seed gives the same sequences in colour.

    Args:
      seed: int32 or int64 [2].
      batch_size: B.
      num_digits: D.

    Returns:
      uint8 [B, D, 3], RGB whose largest part is 255 and whose smallest is 0.
    """
    seed = tf.random.experimental.stateless_fold_in(seed, 1, alg="philox")
    bits = tf.random.stateless_uniform(
        [batch_size, num_digits], seed, minval=None, maxval=None, dtype=tf.uint32, alg="philox"
    )
    # The hue circle in 1,536 whole steps: floats would differ from device to device.
    hue = tf.cast(tf.cast(bits, tf.uint64) * 1536 // 2**32, tf.int32)[..., None]
    distance = tf.abs((hue - tf.constant([0, 512, 1024]) + 768) % 1536 - 768)  # from R, G, B
    return tf.cast(tf.clip_by_value(512 - distance, 0, 255), tf.uint8)


def trajectories(start: tf.Tensor, angle: tf.Tensor, num_frames: int = NUM_FRAMES) -> tf.Tensor:
    """Moves the digits: in each frame first a step, then at an edge a clamp and a turn.

    In closed form instead of frame by frame: as positions are clamped to the edge, every crossing
    after the first edge takes the same whole number of steps. In float64, because sine and cosine
    round differently on different devices, which must not reach the pixel.

    Args:
      start: float64 [B, D, 2], as in Draw.
      angle: float64 [B, D], as in Draw.
      num_frames: T.

    Returns:
      float64 [B, D, T, 2], the top left corners (y, x) in [0, 1].
    """
    velocity = STEP * tf.stack([tf.sin(angle), tf.cos(angle)], axis=-1)[..., None, :]
    start = start[..., None, :]  # [B, D, 1, 2]
    frame = tf.range(1, num_frames + 1, dtype=tf.float64)[:, None]  # [T, 1]
    forward, speed = velocity > 0, tf.abs(velocity)
    ahead = tf.where(forward, 1 - start, start)  # the way to the first edge
    since = frame - tf.math.ceil(ahead / speed)  # steps since that edge was hit
    crossing = tf.math.ceil(1 / speed)  # steps from edge to edge
    crossings = tf.floor(since / crossing)
    way = speed * (since - crossing * crossings)  # from the edge that was hit last
    left = tf.where(crossings % 2 == 0, way, 1 - way)  # the first edge and the other, in turn
    left = tf.where(since < 0, ahead - speed * frame, left)  # the way to the first edge
    return tf.where(forward, 1 - left, left)


def render(
    images: tf.Tensor, positions: tf.Tensor, size: int = SIZE, tints: tf.Tensor | None = None
) -> tf.Tensor:
    """Draws digits on their canvas; where they overlap the brighter pixel counts.

    Args:
      images: uint8 [B, D, h, w], h = w.
      positions: float64 [B, D, T, 2], top left corners (y, x) in [0, 1], where 1 is as far as a
        digit can go; fractions of a pixel are cut off.
      size: H = W.
      tints: uint8 [B, D, 3], what a digit's pixels are multiplied by, 255 for 1; None: grey. Where
        digits overlap the brighter one counts in each of R, G and B.

    Returns:
      uint8 [B, T, H, W, C], C = 3 with tints and else 1.
    """
    side = images.shape[2]
    if size < side:
        raise ValueError(f"the canvas must be as large as a digit ({side}). Received: size={size}")
    corners = tf.cast(positions * (size - side), tf.int32)  # [B, D, T, 2]
    digits = zip(tf.unstack(images, axis=1), tf.unstack(corners, axis=1), strict=True)
    placed = [_place(*digit, size)[..., None] for digit in digits]  # D of [B, T, H, W, 1]
    if tints is not None:
        placed = [_tinted(*digit) for digit in zip(placed, tf.unstack(tints, axis=1), strict=True)]
    return functools.reduce(tf.maximum, placed)


def _tinted(frames: tf.Tensor, tint: tf.Tensor) -> tf.Tensor:
    """uint8 [B, T, H, W, 1] in the colours uint8 [B, 3]: uint8 [B, T, H, W, 3], rounded."""
    product = tf.cast(frames, tf.int32) * tf.cast(tint, tf.int32)[:, None, None, None]
    return tf.cast((product + 127) // 255, tf.uint8)


def _place(images: tf.Tensor, corners: tf.Tensor, size: int) -> tf.Tensor:
    """Places uint8 [B, h, w] at int32 [B, T, 2] (y, x) on empty canvases: uint8 [B, T, H, W].

    Whole rows are copied from a table of the digit's rows at all x, which is fast, and exact.
    """
    side = images.shape[1]
    reach = size - side
    # Which row of a digit at y is seen in each row of the canvas; row number `side` is empty.
    row = np.arange(size) - np.arange(reach + 1)[:, None]  # [y, H]
    row = np.where((row >= 0) & (row < side), row, side)
    y, x = tf.unstack(corners, axis=-1)  # [B, T]
    rows = x[..., None] * (side + 1) + tf.gather(tf.constant(row, tf.int32), y)  # [B, T, H]
    return tf.gather(_shifted_rows(images, size), rows, batch_dims=1)


def _shifted_rows(images: tf.Tensor, size: int) -> tf.Tensor:
    """The rows of [B, h, w], and an empty one, at x = 0, 1, ...: [B, (W - w + 1) * (h + 1), W].

    A digit whose rows are as wide as the canvas is a line of n pixels. The line with one zero
    more, repeated and cut into pieces of n, moves one pixel to the right from piece to piece.
    """
    side = images.shape[1]
    reach = size - side
    n = (side + 1) * size
    line = tf.reshape(tf.pad(images, [[0, 0], [0, 1], [0, reach]]), [-1, n])
    line = tf.pad(line, [[0, 0], [0, 1]])
    lines = tf.concat([line] * reach + [line[:, : n - reach]], axis=1)
    return tf.reshape(lines, [-1, (reach + 1) * (side + 1), size])


def sequences(
    digits: Images | tf.Tensor,
    drawn: Draw,
    num_frames: int,
    size: int,
    tints: tf.Tensor | None = None,
) -> tf.Tensor:
    """The videos of a Draw, float32 [B, T, H, W, C] in [0, 1]."""
    if digits.dtype != tf.uint8:
        raise ValueError(f"digits must be uint8, 0 to 255. Received: {digits.dtype}")
    images = tf.gather(digits, drawn.digit)
    positions = trajectories(drawn.start, drawn.angle, num_frames)
    return to_float(render(images, positions, size, tints))


def to_float(frames: tf.Tensor) -> tf.Tensor:
    """uint8 [..., H, W, C] to float32 in [0, 1]."""
    # A product, because XLA and TensorFlow round a division by 255 differently.
    return tf.cast(frames, tf.float32) * (1 / 255)


def moving_mnist(
    digits: Images | tf.Tensor,
    seed: tf.Tensor,
    batch_size: int,
    num_frames: int = NUM_FRAMES,
    size: int = SIZE,
    num_digits: int = NUM_DIGITS,
    tinted: bool = False,
    shard: tuple[int, int] = (1, 0),
) -> tf.Tensor:
    """Draws a batch of sequences, a pure function of its arguments.

    It is the same bit for bit in eager mode, in tf.data, and compiled by XLA. In a compiled step
    `digits` should be a tf.Variable, because a constant becomes part of the program.

    Args:
      digits: uint8 [N, 28, 28], tensor or variable.
      seed: int32 or int64 [2].
      batch_size: B.
      num_frames: T.
      size: H = W.
      num_digits: digits per sequence.
      tinted: whether each digit has a colour.
      shard: (n, i): draw n * B sequences and return the i-th B of them.

    Returns:
      float32 [B, T, H, W, C] in [0, 1], C = 3 where tinted and else 1.
    """
    shards, index = shard
    part = slice(index * batch_size, (index + 1) * batch_size)
    drawn = draw(seed, shards * batch_size, tf.shape(digits)[0], num_digits)
    drawn = Draw(*(values[part] for values in drawn))
    tints = draw_tints(seed, shards * batch_size, num_digits)[part] if tinted else None
    return sequences(digits, drawn, num_frames, size, tints)


def batch_seed(seed: int, split: str, number: int | tf.Tensor) -> tf.Tensor:
    """Returns the seed, int64 [2], of batch `number` of a split's stream; no two share one."""
    number = tf.cast(number, tf.int64)
    return tf.stack([tf.constant(seed, tf.int64), number * len(SPLITS) + SPLITS[split]])


def dataset(
    digits: Images | tf.Tensor,
    seed: int,
    batch_size: int,
    split: str = "train",
    first_step: int = 0,
    shard: tuple[int, int] = (1, 0),
    num_frames: int = NUM_FRAMES,
    size: int = SIZE,
    num_digits: int = NUM_DIGITS,
    tinted: bool = False,
) -> tf.data.Dataset:
    """Returns batches without end; batch i depends on (digits, seed, split, i) alone.

    A run that is resumed with `first_step` = k sees what it would have seen without the break.
    "train" and "validation" are different streams of random numbers, whatever their seeds.

    Args:
      digits: uint8 [N, 28, 28].
      seed: int.
      batch_size: B.
      split: a key of SPLITS.
      first_step: number of batches that the run has already taken.
      shard: (n, i), worker i of n. The workers' batches of one step, put together, are the batch of
        a lone worker with batch size n * B.
      num_frames: T.
      size: H = W.
      num_digits: digits per sequence.
      tinted: whether each digit has a colour.

    Returns:
      tf.data.Dataset of float32 [B, T, H, W, C] in [0, 1].

    Raises:
      UserError: `batch_size` is not positive.
    """
    check_batch_size(batch_size)
    digits = tf.constant(digits)

    @tf.function(jit_compile=True, autograph=False)  # twice as fast
    def compiled(digits: tf.Tensor, number_seed: tf.Tensor) -> tf.Tensor:
        return moving_mnist(
            digits, number_seed, batch_size, num_frames, size, num_digits, tinted, shard
        )

    def batch(number: tf.Tensor) -> tf.Tensor:
        return compiled(digits, batch_seed(seed, split, number))

    return prepare_ahead(tf.data.Dataset.counter(first_step), batch)


def check_batch_size(batch_size: int) -> None:
    """Raises UserError where a batch would be empty."""
    if batch_size < 1:
        raise UserError(f"a batch has at least one sequence, not {batch_size}")
