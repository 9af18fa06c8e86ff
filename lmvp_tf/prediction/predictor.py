"""A trained model, ready to predict the frames that follow some frames.

It knows arrays alone. What makes one of a workdir, a SavedModel or a .tflite file stands in the
modules beside this one; TensorFlow is imported only by those that need it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lmvp_tf.errors import RunError, UserError
from lmvp_tf.films.options import Box, FrameOptions
from lmvp_tf.films.picture import fit

if TYPE_CHECKING:
    from lmvp_tf.configs import Config

Frames = npt.NDArray[np.float32]
Function = Callable[[Frames, int], Frames]

_BATCH = 16  # videos predicted at a time
_ROUNDING = 1e-3  # floats may lie so far outside [0, 1]


class Predictor:
    """Predicts the frames that follow some frames.

    Attributes:
      name: of the model: a key of lmvp_tf.models.registry.MODELS, or "prediction" where the file
        does not say.
      num_inputs: T0, how many frames it reads.
      frame_shape: (H, W, C) of its frames; C is 1 (grey) or 3 (RGB).
      horizon: S, how many frames it predicts when not told.
      max_horizon: the most that it can; None: any number.
      options: how its training data were made of films: the FrameOptions that suit a user's film.
      smooth: whether its pictures are enlarged smoothly, as a camera's are.
      config: the run's Config; None where the file does not hold it.
    """

    def __init__(
        self,
        function: Function,
        input_shape: tuple[int, int, int, int],
        horizon: int,
        *,
        max_horizon: int | None = None,
        name: str = "prediction",
        options: FrameOptions | None = None,
        smooth: bool = True,
        config: Config | None = None,
    ) -> None:
        """Wraps `function(frames [B, T0, H, W, C], S) -> [B, S or more, H, W, C]`.

        Args:
          function: of float32 frames in [0, 1], for any B.
          input_shape: (T0, H, W, C).
          horizon, max_horizon, name, smooth, config: see the class.
          options: FrameOptions, of which the size and the channels are replaced by the model's;
            None: whole films, cut to the model's aspect ratio.

        Raises:
          UserError: frames that are neither grey nor RGB.
        """
        self.num_inputs, height, width, channels = input_shape
        if channels not in (1, 3):
            raise UserError(
                f"a model wants frames of 1 or 3 channels. Received: {height}x{width}x{channels}"
            )
        self.frame_shape = height, width, channels
        self.horizon, self.max_horizon = horizon, max_horizon
        self.name, self.smooth, self.config = name, smooth, config
        self.options = dataclasses.replace(
            options or FrameOptions(), height=height, width=width, channels=channels, enlarge=True
        )
        self._function = function

    def predict(
        self, frames: npt.ArrayLike, horizon: int | None = None, crop: str | Box | None = None
    ) -> Frames:
        """Predicts the frames that follow the last T0 of these.

        Frames of another size are cropped, resampled and made grey or RGB as the training data
        were; they are rounded to the 256 levels of a film on their way.

        Args:
          frames: [T, H, W], [T, H, W, C] or [B, T, H, W, C], T >= T0; uint8, or float in [0, 1].
          horizon: S, how many frames; None: `self.horizon`.
          crop: "centre" (the largest part of the model's aspect ratio, in the middle), "none" (the
            whole picture, squeezed) or (x, y, width, height); None: as the training data were.

        Returns:
          float32 [S, H, W, C] in [0, 1] in the model's frame_shape, or [B, S, H, W, C].

        Raises:
          UserError: frames or a horizon that the model cannot take.
          RunError: the prediction is not finite.
        """
        horizon = self.check_horizon(horizon)
        frames = np.asarray(frames)
        if frames.ndim not in (3, 4, 5):
            raise UserError(
                "frames: must be [T, H, W], [T, H, W, C] or [B, T, H, W, C]. "
                f"Received: {frames.shape}"
            )
        videos = frames if frames.ndim == 5 else frames[None]
        if not len(videos) or videos.shape[1] < self.num_inputs:
            raise UserError(
                f"frames: at least one video of {self.num_inputs} frames (T0) is wanted. "
                f"Received: {frames.shape}"
            )
        options = self.options if crop is None else dataclasses.replace(self.options, crop=crop)
        inputs = [_fitted(video[-self.num_inputs :], options) for video in videos]
        parts = [np.stack(inputs[i : i + _BATCH]) for i in range(0, len(inputs), _BATCH)]
        predicted = np.concatenate([self._function(x, horizon)[:, :horizon] for x in parts])
        if not np.isfinite(predicted).all():
            raise RunError(f"{self.name} predicted values that are not finite")
        predicted = np.clip(np.float32(predicted), 0, 1)
        return predicted if frames.ndim == 5 else predicted[0]

    def check_horizon(self, horizon: int | None) -> int:
        """The number of frames to predict: `horizon`, or the default for None.

        Raises:
          UserError: not a positive number, or more than the model was exported for.
        """
        if horizon is None:
            return self.horizon
        if horizon < 1:
            raise UserError(f"horizon must be 1 or more. Received: {horizon}")
        if self.max_horizon is not None and horizon > self.max_horizon:
            raise UserError(
                f"the exported model predicts {self.max_horizon} frames, asked for are {horizon}: "
                f"export it with --horizon={horizon}, or predict from the workdir"
            )
        return int(horizon)


def _fitted(frames: npt.NDArray[Any], options: FrameOptions) -> Frames:
    """Crops, resamples by area and colours frames as the training data were.

    Args:
      frames: [T, H, W] or [T, H, W, C].
      options: FrameOptions.

    Returns:
      float32 [T, height, width, channels] in [0, 1]. Frames of that shape are as they were.
    """
    if frames.ndim == 3:
        frames = frames[..., None]
    if frames.ndim != 4 or frames.shape[-1] not in (1, 3):
        raise UserError(
            f"frames: must be [T, H, W] or [T, H, W, C] with C = 1 or 3. Received: {frames.shape}"
        )
    if not frames.size:
        raise UserError(f"frames: empty, of shape {frames.shape}")
    unit = _in_unit_range(frames)
    if frames.shape[1:] == (options.height, options.width, options.channels):
        return unit
    levels = frames if frames.dtype == np.uint8 else np.rint(255 * unit).astype(np.uint8)
    return _in_unit_range(np.stack([fit(frame, options, "frames") for frame in levels]))


def _in_unit_range(frames: npt.NDArray[Any]) -> Frames:
    """uint8 levels, or floats in about [0, 1], as float32 in [0, 1]."""
    if frames.dtype == np.uint8:
        return np.float32(frames) / 255
    if frames.dtype.kind != "f":
        raise UserError(f"frames: must be uint8, or float in [0, 1]. Received: {frames.dtype}")
    low, high = float(frames.min()), float(frames.max())
    if not (low >= -_ROUNDING and high <= 1 + _ROUNDING):  # a NaN is not in the range either
        raise UserError(
            "frames: floats must be in [0, 1] (levels up to 255 may be uint8). "
            f"Received: {low:g} to {high:g}"
        )
    return np.clip(np.float32(frames), 0, 1)
