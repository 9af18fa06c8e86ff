"""The last frame, repeated: what a predictor has to beat."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras
from keras import ops

from lmvp_tf.models.predictor import Shape, State, VideoPredictor

if TYPE_CHECKING:
    import tensorflow as tf


@keras.saving.register_keras_serializable(package="lmvp_tf")
class LastFrame(VideoPredictor):
    """Predicts that nothing moves. It has nothing to train. See VideoPredictor."""

    def build(self, input_shape: tuple[Any, ...]) -> None:
        """No variables."""

    def call(self, inputs: tf.Tensor, *, num_predicted: int) -> tf.Tensor:
        return ops.repeat(inputs[:, -1:], num_predicted, axis=1)

    def state_shapes(self, input_shape: Sequence[int]) -> dict[str, Shape]:
        """Nothing to keep."""
        del input_shape
        return {}

    def step(self, frame: tf.Tensor, state: State) -> tuple[tf.Tensor, State]:
        return frame, state
