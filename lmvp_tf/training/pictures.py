"""Pictures of a video predictor at work, for TensorBoard."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import tensorflow as tf


def strip(rows: Sequence[npt.NDArray[np.floating]]) -> npt.NDArray[np.floating]:
    """Joins videos, each [S, H, W, 1 or 3] in [0, 1], to one picture [., ., 3], a row each."""
    length = max(len(row) for row in rows)
    lines = []
    for row in rows:
        row = np.broadcast_to(row, (*row.shape[:3], 3))
        blank = np.ones((length - len(row), *row.shape[1:]), row.dtype)
        frames = np.concatenate([blank, row])  # aligned at the right: the same moment, one column
        frames = np.pad(frames, [(0, 0), (1, 1), (1, 1), (0, 0)], constant_values=0.5)
        lines.append(np.concatenate(list(frames), axis=1))
    return np.clip(np.concatenate(lines, axis=0), 0.0, 1.0)


def flow_picture(
    flow: npt.NDArray[np.floating], frames: npt.NDArray[np.floating], radius: int
) -> npt.NDArray[np.floating]:
    """Colours where the filters point: the hue is the direction, the saturation the distance.

    Args:
      flow: centres of mass, (dy, dx) in pixels, [S, H, W, 2].
      frames: what the filters are applied to, [S, H, W, C]; dark where a filter has nothing to
        fetch.
      radius: r = (k - 1) / 2, the farthest that a filter can reach.

    Returns:
      [S, H, W, 3] in [0, 1].
    """
    angle = np.arctan2(flow[..., 0], flow[..., 1]) / (2 * np.pi) % 1.0
    distance = np.clip(np.linalg.norm(flow, axis=-1) / radius, 0.0, 1.0)
    size = 2 * radius + 1
    reach = tf.nn.max_pool2d(np.max(frames, axis=-1, keepdims=True), size, 1, "SAME")[..., 0]
    return tf.image.hsv_to_rgb(tf.stack([angle, distance, reach], axis=-1)).numpy()
