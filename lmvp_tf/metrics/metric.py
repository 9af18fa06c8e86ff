"""What every metric is: a number that says how good predictions are, and how it is shown.

A new metric is a subclass of `FrameMetric` or `DerivedMetric` and a line in
`lmvp_tf.metrics.registry`. Files, tables, reports and figures take all they need from there.
"""

from __future__ import annotations

import abc
from typing import Any

import tensorflow as tf

FrameShape = tuple[int, int, int]  # H, W, C


class Metric(abc.ABC):
    """A metric by itself: its words. One of the subclasses below says where its values are from.

    Attributes:
      title: heading of its column, such as "PSNR"; a space may become a line break.
      axis: what it is called at a curve, unit included.
      form: how a value is written, such as ".2f".
      higher_is_better: its direction.
      protocol: how it is computed, for those who compare with it.
      note: what stands of that under a table, a few words; "" for nothing.
    """

    title: str
    axis: str
    form: str
    higher_is_better: bool
    protocol: str
    note: str = ""


class FrameMetric(Metric):
    """A metric of each frame, whose value is the mean over frames.

    Attributes:
      of_probabilities: whether it makes sense only where pixels are probabilities, as in drawings.
      smallest_side: of the frames that it can be computed of, pixels.
    """

    of_probabilities: bool = False
    smallest_side: int = 1

    def applies(self, frame_shape: FrameShape, probabilities: bool) -> bool:
        """Whether it can be computed of such frames; where not, its value is None."""
        height, width, _ = frame_shape
        fits = min(height, width) >= self.smallest_side
        return fits and (probabilities or not self.of_probabilities)

    @abc.abstractmethod
    def of_frames(self, truth: tf.Tensor, prediction: tf.Tensor) -> tf.Tensor:
        """Its value of every frame, traced into one graph with all others.

        Args:
          truth: [B, S, H, W, C] float32 in [0, 1].
          prediction: the same.

        Returns:
          [B, S] float32.
        """


class DerivedMetric(Metric):
    """A metric that follows from the mean of another, so that it is never stored frame by frame.

    Attributes:
      source: name of the FrameMetric that it follows from.
      relative: whether it also needs that of the last input frame, repeated.
    """

    source: str
    relative: bool = False

    @abc.abstractmethod
    def of_mean(self, mean: Any, frame_shape: FrameShape, last_frame: Any) -> Any:
        """Its value or values.

        Args:
          mean: of `source`, a number or an array.
          frame_shape: (H, W, C).
          last_frame: the same of the last input frame; None unless `relative`.
        """


class CitedMetric(Metric):
    """A metric that others report and do not define: a column of theirs, never computed here."""
