"""Named configurations: a page for each data set, beside this one, has them.

A preset's docstring states the command, its cost, and what LMVP reached. What stands on a page
holds for every model: data, losses, and how long to train. The widths of a size are the model's own
(`sized` in its file), and so is how its authors trained it (`training_defaults`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lmvp_tf import configs
from lmvp_tf.configs import Config, LossConfig, TrainingConfig
from lmvp_tf.datasets.base import DataSettings
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.errors import UserError
from lmvp_tf.models.registry import model_class
from lmvp_tf.settings import flatten


@dataclasses.dataclass(frozen=True)
class Preset:
    """What a page says about a preset.

    Attributes:
      name: its name.
      dataset: the data set's name.
      size: which of a model's sizes, "demo", "small" or "paper".
      data, losses, training: parts of the Config.
      by_model: {model: {path: value}}, what the data or the budget ask of that model.
    """

    name: str
    dataset: str
    size: str
    data: DataSettings
    losses: LossConfig
    training: TrainingConfig
    by_model: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)

    def config(self, model: str) -> Config:
        """The Config for a model.

        Raises:
          UserError: there is no such model.
        """
        system = model_class(model)
        config = configs.create(
            self.dataset,
            model,
            preset=self.name,
            data=self.data,
            model_settings=system.sized(self.size),
            losses=self.losses,
            training=self.training,
        )
        changes = {**system.training_defaults, **self.by_model.get(model, {})}
        return configs.replace(config, changes)


def get(dataset: str, preset: str, model: str = "lmvp") -> Config:
    """The Config of a preset.

    Raises:
      UserError: there is no such data set, preset or model.
    """
    presets = dataset_class(dataset).presets()
    if preset not in presets:
        raise UserError(f"--preset must be one of {', '.join(presets)}. Received: {preset}")
    return presets[preset](model)


def departures(config: Config) -> dict[str, Any]:
    """{path: value} of the fields in which a config differs from the preset that it names.

    Raises:
      UserError: there is no such preset.
    """
    preset = flatten(get(config.dataset, config.preset, config.model_name))
    return {path: v for path, v in flatten(config).items() if v != preset[path]}
