"""What a named configuration is. A page for each data set, beside this one, has some.

A preset's docstring states the command, its cost, and what LMVP reached. What stands on a page
holds for every model: data, losses, and how long to train. The widths of a size are the model's own
(`sized` in its file), and so is how its authors trained it (`training_defaults`).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from lmvp_tf.recipe import LossConfig, TrainingConfig


@dataclasses.dataclass(frozen=True)
class Preset:
    """A named configuration of a data set, for any model.

    Attributes:
      size: which of a model's sizes: "demo", "small" or "paper".
      losses, training: parts of the Config.
      data: fields of the data set's settings that differ from their defaults.
      by_model: {model: {path of a config field: value}}, what the data or the budget ask of it.
    """

    size: str
    losses: LossConfig
    training: TrainingConfig
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    by_model: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
