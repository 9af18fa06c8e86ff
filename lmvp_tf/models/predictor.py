"""What every system is: a Keras model that predicts the frames which follow some frames."""

import dataclasses
import math
import typing

import keras
from keras import ops

from lmvp_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class NoSettings:
    """The settings of a model that has none."""

    def validate(self, data):
        """Any data will do."""


class Supervision(typing.NamedTuple):
    """What a baseline's loss compares."""

    targets: typing.Any  # [B, S, H, W, C]
    predictions: typing.Any  # [B, S, H, W, C]
    num_inside: int  # the first so many of the S frames lie inside the input


class VideoPredictor(keras.Model):
    """A video predictor, as the training loop, the evaluation and the export know it.

    A subclass takes its settings as first argument (`settings`, or its fields as a dict), sets what
    it has under "Attributes", and implements `call(inputs, *, num_predicted)`: x_1..x_T0, [B, T0,
    H, W, C] in [0, 1] -> the S = num_predicted frames that follow, [B, S, H, W, C], float32 in
    [0, 1]. It computes in float32 whatever its layers' policy, and casts for itself.

    Attributes:
      Settings: class of the settings: a frozen dataclass, whose `validate(data)` raises UserError
        where they do not suit a DataConfig. Its fields are the config's `model.*`.
      training_defaults: {path of a config field: value}, how its authors trained it, where that
        differs from a preset's way.
    """

    Settings = NoSettings
    training_defaults: typing.ClassVar = {}

    def __init__(self, settings=None, **kwargs):
        super().__init__(autocast=False, **kwargs)
        if settings is None:
            settings = self.Settings()
        self.settings = self.Settings(**settings) if isinstance(settings, dict) else settings

    @classmethod
    def preset_settings(cls, dataset, preset):
        """The settings of a preset ("demo", "small" or "paper") for a dataset."""
        del dataset, preset
        return cls.Settings()

    @property
    def networks(self):
        """The trainable variables by network. A baseline is one network, G."""
        return {"G": self.trainable_variables} if self.trainable_variables else {}

    def parameter_counts(self):
        """Trainable parameters per network and in total."""
        counts = {
            name: sum(math.prod(variable.shape) for variable in variables)
            for name, variables in self.networks.items()
        }
        return {**counts, "total": sum(counts.values())}

    def supervise(self, video, num_inputs, num_real, backprop=True):
        """Predicts what a baseline's loss compares with the truth.

        Args:
          video: x_1..x_T, [B, T, H, W, C] in [0, 1].
          num_inputs: T0.
          num_real: R, how many frames are real to the model; afterwards it reads its own
            predictions. A model that cannot read frames after T0 ignores it.
          backprop: False stops gradients where a prediction is fed back.

        Returns:
          Supervision.
        """
        raise NotImplementedError

    def filter_flow(self, video):
        """Where the adaptive filters point when every frame is real, (dy, dx) in pixels.

        Args:
          video: [B, T, H, W, C].

        Returns:
          [B, T, H, W, 2], or None for a model without such filters.
        """
        del video

    def get_config(self):
        return {**super().get_config(), "settings": dataclasses.asdict(self.settings)}


def over_time(function, *tensors):
    """Applies `function` to all time steps of [B, T, ...] tensors in one call, of batch B * T."""
    length = tensors[0].shape[1]
    result = function(*(ops.reshape(x, (-1, *x.shape[2:])) for x in tensors))
    return ops.reshape(result, (-1, length, *result.shape[1:]))


def check_positive(settings, names):
    """Refuses settings that are not above zero.

    Raises:
      UserError: naming the first of them.
    """
    for name in names.split():
        if not getattr(settings, name) > 0:
            raise UserError(f"model.{name} must be above 0. Received: {getattr(settings, name)}")
