"""The last frame, repeated: what a predictor has to beat."""

import keras
from keras import ops

from lmvp_tf.models.predictor import VideoPredictor


@keras.saving.register_keras_serializable(package="lmvp_tf")
class LastFrame(VideoPredictor):
    """Predicts that nothing moves. It has nothing to train. See VideoPredictor."""

    def build(self, input_shape):
        """No variables."""

    def call(self, inputs, *, num_predicted):
        return ops.repeat(inputs[:, -1:], num_predicted, axis=1)

    def state_shapes(self, input_shape):
        """Nothing to keep."""
        del input_shape
        return {}

    def step(self, frame, state):
        return frame, state
