"""Optical flow, extrapolated: what can be predicted without learning anything."""

import warnings

import keras
import numpy as np
import tensorflow as tf

from lmvp_tf.errors import UserError
from lmvp_tf.models.predictor import VideoPredictor

_MISSING = (
    "--model=flow needs opencv-python-headless and tfa-nightly, which has wheels for Python 3.10 "
    "and 3.11 alone: pip install 'lmvp-tf[addons]' there"
)


@keras.saving.register_keras_serializable(package="lmvp_tf")
class Flow(VideoPredictor):
    """Dense optical flow of the last two inputs (Farnebäck 2003), continued at constant velocity.

    x̂_{T0+s}(p) = x_T0(p + s b(p)) with b the flow from x_T0 back to x_{T0-1}. OpenCV finds the flow
    and TensorFlow Addons warps. It has nothing to train. See VideoPredictor.

    Raises:
      UserError: the `[addons]` extra is not installed.
    """

    exportable = False  # OpenCV runs in Python

    def __init__(self, settings=None, **kwargs):
        super().__init__(settings, **kwargs)
        try:
            import cv2

            with warnings.catch_warnings():  # that it has ended is why it is an extra
                warnings.simplefilter("ignore")
                from tensorflow_addons.image import dense_image_warp
        except ImportError as error:
            raise UserError(f"{_MISSING} ({error})") from error
        self._cv2, self._warp = cv2, dense_image_warp

    def build(self, input_shape):
        """No variables."""

    def call(self, inputs, *, num_predicted):
        back = tf.numpy_function(self._flow_back, [inputs[:, -2], inputs[:, -1]], tf.float32)
        back = tf.ensure_shape(back, (*inputs[:, -1].shape[:-1], 2))
        frames = [self._warp(inputs[:, -1], -s * back) for s in range(1, num_predicted + 1)]
        return tf.stack(frames, axis=1)

    def _flow_back(self, before, now):
        """Flow from `now` to `before`, each [B, H, W, C]: (dy, dx) in pixels, [B, H, W, 2]."""
        grey = [np.uint8(np.rint(255 * np.mean(frames, axis=-1))) for frames in (now, before)]
        flow = [
            self._cv2.calcOpticalFlowFarneback(
                start, end, None, pyr_scale=0.5, levels=3, winsize=9, iterations=5, poly_n=5,
                poly_sigma=1.1, flags=0,
            )
            for start, end in zip(*grey, strict=True)
        ]  # fmt: skip
        return np.stack(flow)[..., ::-1].astype(np.float32)  # OpenCV gives (dx, dy)
