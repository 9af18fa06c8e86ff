"""LMVP: D, M and G, and the rollout that ties them into a video predictor (Figure 1)."""

import dataclasses
import functools
import typing

import keras
from keras import ops

from lmvp_tf.errors import UserError
from lmvp_tf.layers.adaptive_filter import filter_flow
from lmvp_tf.models.discriminator import Discriminator
from lmvp_tf.models.generator import Generator
from lmvp_tf.models.motion_guider import MotionGuider
from lmvp_tf.models.predictor import (
    VideoPredictor,
    as_channels,
    check_positive,
    over_time,
    past_shapes,
    slide,
)
from lmvp_tf.models.recurrence import recur

MOTIONS = ("leaked", "frame_difference", "none")


@dataclasses.dataclass(frozen=True)
class LMVPSettings:
    """The three networks. Widths are numbers of channels, one per layer."""

    motion: str = "leaked"  # or, as ablations, "frame_difference" or "none"
    clip_length: int = 4  # c, frames that F looks at
    kernel_size: int = 9  # k, odd; one k x k filter per pixel
    dynamic_bias: bool = False  # one predicted bias per pixel, for content that moves in
    identity_start: bool = False  # filters begin half at their centre instead of at random
    feature_widths: tuple[int, ...] = (32, 64)  # F's strided layers: each halves H and W
    feature_channels: int = 48  # K, channels of f_t and m_t
    feature_normalization: bool = False  # F normalises before its tanh: natural video saturates it
    classifier_widths: tuple[int, ...] = (64,)  # D's strided layers over F
    motion_units: int = 48  # channels of M's recurrent state
    spatial_widths: tuple[int, ...] = (16, 32, 32)  # G's encoder of x_t; the second layer halves
    temporal_widths: tuple[int, ...] = (48,)  # G's encoder of m_t
    filter_widths: tuple[int, ...] = (48, 48)  # G's filter network at H/2
    pixel_widths: tuple[int, ...] = (24,)  # G's filter network at full size
    projection_width: int = 0  # a last 1x1 layer before the taps, as DFN has it; 0: none

    def validate(self, data):
        """Refuses settings that cannot work, by themselves or with a DataSettings.

        Raises:
          UserError: naming the field, what it holds, and what it may hold.
        """
        check_positive(self, "clip_length kernel_size feature_channels motion_units")
        if self.motion not in MOTIONS:
            raise UserError(
                f"model.motion must be one of {', '.join(MOTIONS)}. Received: {self.motion}"
            )
        if self.kernel_size % 2 == 0:
            raise UserError(f"model.kernel_size (k) must be odd. Received: {self.kernel_size}")
        if self.clip_length > data.num_inputs:
            raise UserError(
                "model.clip_length (c) must not be above data.num_inputs (T0): F would never see "
                f"a whole clip of real frames. Received: c = {self.clip_length}, "
                f"T0 = {data.num_inputs}"
            )
        if len(self.spatial_widths) < 2:
            raise UserError(
                "model.spatial_widths needs two widths or more: the second layer halves the "
                f"picture. Received: {self.spatial_widths}"
            )


_SIZES = {
    "demo": LMVPSettings(
        feature_widths=(16, 32),
        feature_channels=32,
        classifier_widths=(32,),
        motion_units=32,
        spatial_widths=(8, 16, 16),
        temporal_widths=(32,),
        filter_widths=(32, 32),
        pixel_widths=(16,),
    ),
    "small": LMVPSettings(
        feature_widths=(24, 48),
        feature_channels=32,
        classifier_widths=(64,),
        motion_units=48,
        spatial_widths=(16, 32, 32),
        temporal_widths=(32,),
        filter_widths=(48, 32),
        pixel_widths=(16,),
    ),
    # G as wide as the published DFN
    "paper": LMVPSettings(
        feature_widths=(32, 64),
        feature_channels=64,
        classifier_widths=(128, 128),
        motion_units=128,
        spatial_widths=(32, 32, 64, 64, 128),
        temporal_widths=(128,),
        filter_widths=(128, 64, 64),
        pixel_widths=(64, 64),
        projection_width=128,
    ),
}


class Rollout(typing.NamedTuple):
    """Predictions and what each was made from: `predictions[:, i]` follows `frames[:, i]`."""

    frames: typing.Any  # x_t while it is real, x̂_t afterwards, [B, S, H, W, C]
    predictions: typing.Any  # x̂_{t+1}, [B, S, H, W, C]


@keras.saving.register_keras_serializable(package="lmvp_tf")
class LMVP(VideoPredictor):
    """The video predictor.

        clip_t --F--> f_t --M--> m_t --+
        x_t ---------------------------+--G--> x̂_{t+1}

    x_1..x_T0 are real; from then on the clip and x_t are the model's own predictions.

    With motion="frame_difference" F reads x_t - x_{t-1} instead of a clip, which is how others
    estimate motion (Section 2.1); with motion="none" G is given zeros for m_t.

    Args:
      settings: an LMVPSettings, or its fields as a dict.

    Call arguments:
      inputs: x_1..x_T0, [B, T0, H, W, C], values in [0, 1].
      num_predicted: S, how many frames to predict.

    Returns:
      x̂_{T0+1}..x̂_{T0+S}, [B, S, H, W, C], float32, clipped to [0, 1].
    """

    Settings = LMVPSettings
    procedure = "algorithm1"
    recomputes = True

    def __init__(self, settings=None, **kwargs):
        super().__init__(settings, **kwargs)
        policy = self.dtype_policy
        self.discriminator = Discriminator(
            self.settings.feature_widths,
            self.settings.feature_channels,
            self.settings.classifier_widths,
            difference=self.settings.motion == "frame_difference",
            normalize=self.settings.feature_normalization,
            dtype=policy,
            name="discriminator",
        )
        self.guider = MotionGuider(self.settings.motion_units, dtype=policy, name="guider")
        self.generator = Generator(
            kernel_size=self.settings.kernel_size,
            dynamic_bias=self.settings.dynamic_bias,
            spatial_widths=self.settings.spatial_widths,
            temporal_widths=self.settings.temporal_widths,
            filter_widths=self.settings.filter_widths,
            pixel_widths=self.settings.pixel_widths,
            projection_width=self.settings.projection_width,
            identity_start=self.settings.identity_start,
            motion_stride=self.discriminator.features.stride,
            dtype=policy,
            name="generator",
        )

    @classmethod
    def sized(cls, size):
        return _SIZES[size]

    def build(self, input_shape):
        *_, height, width, channels = input_shape
        self.discriminator.build((None, height, width, self.clip_length * channels))
        motion_shape = self._motion_shape(input_shape)
        self.guider.build(motion_shape)
        self.generator.build((None, height, width, channels), motion_shape)

    @property
    def networks(self):
        """The paper's parameters: theta_F, theta_C (theta_D is both), theta_M and theta_G."""
        features = self.discriminator.features.trainable_variables
        return {
            "F": features,
            "C": self.discriminator.trainable_variables[len(features) :],
            "M": self.guider.trainable_variables,
            "G": self.generator.trainable_variables,
        }

    def parts(self):
        """D, with F at its bottom, M and G."""
        return {"D": self.discriminator, "M": self.guider, "G": self.generator}

    @property
    def clip_length(self):
        """c; two where F reads the difference of two frames."""
        return 2 if self.settings.motion == "frame_difference" else self.settings.clip_length

    def call(self, inputs, *, num_predicted):
        predictions = self.rollout(inputs, num_predicted, one_step=False).predictions
        return ops.clip(predictions, 0.0, 1.0)

    def state_shapes(self, input_shape):
        """M's state, and the frames that the next clip begins with."""
        grid = self._motion_shape(input_shape)[1:3]
        memory = (*grid, self.settings.motion_units)
        past = past_shapes(self.clip_length - 1, input_shape[1:])
        return {**past, "hidden": memory, "cell": memory}

    def step(self, frame, state):
        clip, past = slide(frame, state)
        feature = self.discriminator.features(as_channels(clip))
        motion, (hidden, cell) = self.guider(feature, (state["hidden"], state["cell"]))
        return self.predict(frame, motion), {**past, "hidden": hidden, "cell": cell}

    def rollout(self, real, num_open, features=None, one_step=True, backprop=True):
        """Predicts one frame from every real frame, then goes on from its own predictions.

        Args:
          real: x_1..x_R, [B, R, H, W, C].
          num_open: how many predictions the chain from x_R has, the first of them made from x_R
            itself.
          features: f_1..f_R where they are known already, [B, R, h, w, K].
          one_step: False leaves out the predictions made from x_1..x_{R-1}.
          backprop: False stops gradients where a prediction is fed back.

        Returns:
          A Rollout of S = R - 1 + num_open predictions (num_open without the one-step ones).
        """
        if features is None:
            features = self.leak(self.clips(real))
        motions, state = self.guide(features)
        first = 0 if one_step else real.shape[1] - 1
        frames = real[:, first:]
        predictions = self.generate(frames, motions[:, first:])
        if num_open > 1:
            start = self.clips(real)[:, -1], state, predictions[:, -1]
            _, (fed, following) = recur(
                functools.partial(self._go_on, backprop=backprop),
                start,
                length=num_open - 1,
                rolled=self.rolled,
            )
            frames = ops.concatenate([frames, fed], axis=1)
            predictions = ops.concatenate([predictions, following], axis=1)
        return Rollout(frames, predictions)

    def _go_on(self, state, _, backprop):
        """One step of the rollout on predictions; the state: the last clip, M's, and x̂_t."""
        clip, memory, frame = state
        frame = frame if backprop else ops.stop_gradient(frame)
        clip = ops.concatenate([clip[..., frame.shape[-1] :], frame], axis=-1)
        motion, memory = self.guider(self.discriminator.features(clip), memory)
        prediction = self.recomputed(self.predict)(frame, motion)
        return (clip, memory, prediction), (frame, prediction)

    def guide(self, features):
        """m_1..m_T of f_1..f_T, each [B, T, h, w, K], from zero states; and M's state after f_T."""
        return self.guider.guide(features, rolled=self.rolled)

    def clips(self, video):
        """The clip x_{t-c+1:t} of every t; before t = c, the first frame stands in for what is
        missing.

        [B, T, H, W, C] -> [B, T, H, W, c * C], oldest frame first.
        """
        length = video.shape[1]
        missing = ops.repeat(video[:, :1], self.clip_length - 1, axis=1)
        padded = ops.concatenate([missing, video], axis=1)
        shifted = [padded[:, i : i + length] for i in range(self.clip_length)]
        return ops.concatenate(shifted, axis=-1)

    def next_clips(self, rollout):
        """The clip that ends with each prediction, [x̂_{t-c+2:t}, x̂_{t+1}]: [B, S, H, W, c * C].

        What D is shown as fake (Eq. 1) and what F reads in Eq. 3. The rollout starts at t = 1.
        """
        channels = rollout.frames.shape[-1]
        earlier = self.clips(rollout.frames)[..., channels:]
        return ops.concatenate([earlier, rollout.predictions], axis=-1)

    def leak(self, clips):
        """f_t = F(clip_t) for all clips in one call: [B, T, H, W, c * C] -> [B, T, h, w, K]."""
        return over_time(self.discriminator.features, clips)

    def generate(self, frames, motions):
        """x̂_{t+1} = G(x_t, m_t) for all t in one call: [B, T, H, W, C] -> [B, T, H, W, C]."""
        return self.over_frames(self.predict, frames, motions)

    def predict(self, frame, motion):
        """x̂_{t+1} = G(x_t, m_t): [B, H, W, C] -> [B, H, W, C]."""
        return self.generator(frame, self._shown(motion))

    def filter_flow(self, video):
        """Where G's filters point when every frame is real, (dy, dx) in pixels: [B, T, H, W, 2]."""
        motions, _ = self.guide(self.leak(self.clips(video)))
        generator = self.generator
        features = over_time(generator.filter_features, video, self._shown(motions))
        return over_time(lambda x: filter_flow(generator.adaptive_filter.filters(x)), features)

    def _motion_shape(self, input_shape):
        """Shape of f_t and m_t, (None, h, w, K)."""
        *_, height, width, channels = input_shape
        clip_shape = (None, height, width, self.clip_length * channels)
        return self.discriminator.features.compute_output_shape(clip_shape)

    def _shown(self, motion):
        """What G is shown of m_t; without motion zeros, of which no gradient comes back."""
        return 0.0 * motion if self.settings.motion == "none" else motion
