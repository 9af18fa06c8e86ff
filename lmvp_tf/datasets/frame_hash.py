"""A hash of videos: two test sets with the same one are the same, pixel by pixel."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import tensorflow as tf


class FrameHash:
    """SHA-256 over the pixels as bytes (0 to 255), sequence by sequence, however batched."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def update(self, frames: tf.Tensor) -> None:
        """Adds float32 [B, T, H, W, C] in [0, 1]."""
        self._digest.update(tf.cast(tf.round(frames * 255), tf.uint8).numpy().data)

    def hexdigest(self) -> str:
        """Returns the hash of all frames so far."""
        return self._digest.hexdigest()


def data_hash(batches: Iterable[tf.Tensor]) -> str:
    """Returns the FrameHash of all `batches`, as a hex digest."""
    frame_hash = FrameHash()
    for frames in batches:
        frame_hash.update(frames)
    return frame_hash.hexdigest()
