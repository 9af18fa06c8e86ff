"""What to call the runs of a report, so that no two are called the same."""

from __future__ import annotations

import collections
import pathlib
from typing import Any

from lmvp_tf import settings
from lmvp_tf.configs import Config
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.evaluation.labels import label
from lmvp_tf.presets import named

# Where data lie and how long a run goes on do not make it another method; its phases and its rates
# do, though a run may change them.
_OF_THE_METHOD = {
    "training.one_step_steps",
    "training.pretrain_steps",
    "training.learning_rate",
    "training.guider_learning_rate",
    "training.discriminator_learning_rate",
    "training.clip_norm",
    "training.learning_rate_floor",
}


def changes(config: Config) -> dict[str, Any]:
    """The settings in which a run differs from its preset; none where it has no preset's name."""
    if config.preset not in dataset_class(config.dataset).presets:
        return {}
    rules = settings.rules(config)
    return {
        path: value
        for path, value in named.departures(config).items()
        if path in _OF_THE_METHOD or not rules[path].resumable
    }


def run_names(configs: dict[pathlib.Path, Config], trained: set[pathlib.Path]) -> list[str]:
    """A name for each run, by the shortest of these descriptions that no other run has.

    Model and preset; model and folder, also where the run is not what its preset gives; model and
    path.

    Args:
      configs: {workdir: its Config}.
      trained: the workdirs whose models have parameters; the others go by the model alone.
    """
    descriptions = [_descriptions(w, config, w in trained) for w, config in configs.items()]
    names = [choices[0] for choices in descriptions]
    for i in range(1, 3):
        counts = collections.Counter(names)
        names = [
            name if counts[name] == 1 else choices[i]
            for name, choices in zip(names, descriptions, strict=True)
        ]
    return names


def _descriptions(workdir: pathlib.Path, config: Config, trained: bool) -> tuple[str, str, str]:
    model = label(config.model_name)
    folder = f"{model} {workdir.resolve().name.removeprefix(f'{config.model_name}-')}"
    short = f"{model} {config.preset}" if trained else model
    if trained and changes(config):
        short = folder
    return short, folder, f"{model} {workdir}"
