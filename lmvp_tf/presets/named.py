"""Configurations by name."""

from __future__ import annotations

from typing import Any

from lmvp_tf import configs
from lmvp_tf.configs import Config
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.errors import UserError
from lmvp_tf.models.registry import model_class
from lmvp_tf.settings import flatten


def get(dataset: str, name: str, model: str = "lmvp") -> Config:
    """The Config of a preset.

    Raises:
      UserError: there is no such data set, preset or model.
    """
    data, system = dataset_class(dataset), model_class(model)
    if name not in data.presets:
        raise UserError(f"--preset must be one of {', '.join(data.presets)}. Received: {name}")
    preset = data.presets[name]()
    config = configs.create(
        dataset,
        model,
        preset=name,
        data=data.Settings(**preset.data),
        model_settings=system.sized(preset.size),
        losses=preset.losses,
        training=preset.training,
    )
    return configs.replace(config, {**system.training_defaults, **preset.by_model.get(model, {})})


def departures(config: Config) -> dict[str, Any]:
    """{path: value} of the fields in which a config differs from the preset that it names.

    Raises:
      UserError: there is no such preset.
    """
    preset = flatten(get(config.dataset, config.preset, config.model_name))
    return {path: v for path, v in flatten(config).items() if v != preset[path]}
