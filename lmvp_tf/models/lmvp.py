"""LMVP: D, M and G, and the rollout that ties them into a video predictor (Figure 1)."""

import dataclasses
import math
import typing

import keras
from keras import ops

from lmvp_tf.configs import ModelConfig
from lmvp_tf.models.discriminator import Discriminator
from lmvp_tf.models.generator import Generator
from lmvp_tf.models.motion_guider import MotionGuider


class Rollout(typing.NamedTuple):
    """Predictions and what each was made from: `predictions[:, i]` follows `frames[:, i]`."""

    frames: typing.Any  # x_t while it is real, x̂_t afterwards, [B, S, H, W, C]
    predictions: typing.Any  # x̂_{t+1}, [B, S, H, W, C]


@keras.saving.register_keras_serializable(package="lmvp_tf")
class LMVP(keras.Model):
    """The video predictor.

        clip_t --F--> f_t --M--> m_t --+
        x_t ---------------------------+--G--> x̂_{t+1}

    x_1..x_T0 are real; from then on the clip and x_t are the model's own predictions.

    Args:
      config: a ModelConfig, or its fields as a dict.

    Call arguments:
      inputs: x_1..x_T0, [B, T0, H, W, C], values in [0, 1].
      num_predicted: S, how many frames to predict.

    Returns:
      x̂_{T0+1}..x̂_{T0+S}, [B, S, H, W, C], float32, clipped to [0, 1].
    """

    def __init__(self, config, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.config = config if isinstance(config, ModelConfig) else ModelConfig(**config)
        policy = self.dtype_policy
        self.discriminator = Discriminator(
            self.config.feature_widths,
            self.config.feature_channels,
            self.config.classifier_widths,
            dtype=policy,
            name="discriminator",
        )
        self.guider = MotionGuider(self.config.motion_units, dtype=policy, name="guider")
        self.generator = Generator(
            self.config.kernel_size,
            self.config.dynamic_bias,
            self.config.spatial_widths,
            self.config.temporal_widths,
            self.config.filter_widths,
            self.config.pixel_widths,
            self.config.projection_width,
            dtype=policy,
            name="generator",
        )

    def build(self, input_shape):
        *_, height, width, channels = input_shape
        clip_shape = (None, height, width, self.config.clip_length * channels)
        self.discriminator.build(clip_shape)
        motion_shape = self.discriminator.features.compute_output_shape(clip_shape)
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

    def parameter_counts(self):
        """Trainable parameters per network and in total."""
        counts = {
            name: sum(math.prod(variable.shape) for variable in variables)
            for name, variables in self.networks.items()
        }
        return {**counts, "total": sum(counts.values())}

    def call(self, inputs, *, num_predicted):
        predictions = self.rollout(inputs, num_predicted, one_step=False).predictions
        return ops.clip(predictions, 0.0, 1.0)

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
        motions, state = self.guider.guide(features)
        first = 0 if one_step else real.shape[1] - 1
        known = self.generate(real[:, first:], motions[:, first:])
        frames, predictions = ops.unstack(real, axis=1), ops.unstack(known, axis=1)
        for _ in range(num_open - 1):
            frame = predictions[-1] if backprop else ops.stop_gradient(predictions[-1])
            frames.append(frame)
            motion, state = self.guider(self.leak_last(frames), state)
            predictions.append(self.generator(frame, motion))
        return Rollout(ops.stack(frames[first:], axis=1), ops.stack(predictions, axis=1))

    def clips(self, video):
        """The clip x_{t-c+1:t} of every t; before t = c, the first frame stands in for what is
        missing.

        [B, T, H, W, C] -> [B, T, H, W, c * C], oldest frame first.
        """
        length = video.shape[1]
        missing = ops.repeat(video[:, :1], self.config.clip_length - 1, axis=1)
        padded = ops.concatenate([missing, video], axis=1)
        shifted = [padded[:, i : i + length] for i in range(self.config.clip_length)]
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

    def leak_last(self, frames):
        """f_t of the clip that ends a list of frames, each [B, H, W, C]; returns [B, h, w, K]."""
        length = self.config.clip_length
        clip = frames[-length:]
        clip = [clip[0]] * (length - len(clip)) + clip
        return self.discriminator.features(ops.concatenate(clip, axis=-1))

    def generate(self, frames, motions):
        """x̂_{t+1} = G(x_t, m_t) for all t in one call: [B, T, H, W, C] -> [B, T, H, W, C]."""
        return over_time(self.generator, frames, motions)

    def get_config(self):
        return {**super().get_config(), "config": dataclasses.asdict(self.config)}


def over_time(function, *tensors):
    """Applies `function` to all time steps of [B, T, ...] tensors in one call, of batch B * T."""
    length = tensors[0].shape[1]
    result = function(*(ops.reshape(x, (-1, *x.shape[2:])) for x in tensors))
    return ops.reshape(result, (-1, length, *result.shape[1:]))
