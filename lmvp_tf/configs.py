"""The configuration of a run: frozen dataclasses, saved as `config.json` in the workdir.

A config is built once, from a preset (`lmvp_tf/presets/`) and the command line, and read back from
the workdir by every other tool, so that no hyper-parameter is ever repeated on a command line. What
a data set or a model can be set to stands in its own module, as its `Settings`.
"""

from __future__ import annotations

import dataclasses
import difflib
import json
import pathlib
from typing import Any

from lmvp_tf import settings
from lmvp_tf.datasets.base import DataSettings
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.errors import UserError, one_line
from lmvp_tf.models.registry import model_class
from lmvp_tf.readers import read_json
from lmvp_tf.recipe import LossConfig, TrainingConfig
from lmvp_tf.settings import flatten
from lmvp_tf.training.procedures import procedure_class

VERSION = 2  # of config.json
_PARTS = ("data", "model", "losses", "training")
_IDENTITY = {"dataset", "model_name", "version"}  # what the other fields are fields of


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole run. See the parts, and `create`.

    Attributes:
      dataset: a key of lmvp_tf.datasets.registry.DATASETS.
      model_name: a key of lmvp_tf.models.registry.MODELS.
      data: the data set's own Settings.
      model: the model's own Settings.
      losses: LossConfig.
      training: TrainingConfig.
      preset: the name of the configuration that it departs from.
      version: of the fields, for those who read a config.json.
    """

    dataset: str
    model_name: str
    data: DataSettings
    model: Any
    losses: LossConfig = dataclasses.field(default_factory=LossConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)
    preset: str = "custom"
    version: int = VERSION


def create(dataset: str = "moving_mnist", model: str = "lmvp", **parts: Any) -> Config:
    """A Config with the defaults of a data set and a model.

    Args:
      dataset, model: their names.
      **parts: fields of the Config that differ, `data` and `model_settings` among them.

    Raises:
      UserError: there is no such data set or model.
    """
    data = parts.pop("data", None) or dataset_class(dataset).Settings()
    model_settings = parts.pop("model_settings", None) or model_class(model).Settings()
    return Config(dataset, model, data, model_settings, **parts)


def replace(config: Config, values: dict[str, Any]) -> Config:
    """A copy of `config` with some values set.

    Args:
      config: the Config.
      values: dotted path -> value, of the field's type, a JSON list for a tuple, or a string to
        parse. Names of version 1 are understood.

    Raises:
      UserError: a path that is no field (the nearest names are given) or cannot be set, or a value
        of another type.
    """
    known = flatten(config)
    by_part: dict[str, dict[str, Any]] = {}
    for path, value in _renamed(values).items():
        if path not in known:
            near = difflib.get_close_matches(path[:100], known, n=3, cutoff=0.4)
            near += [k for k in known if k.rpartition(".")[2] == path and k not in near]
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise UserError(f"the config has no field {one_line(repr(path))}{hint}")
        value = settings.convert(path, value, settings.field_type(config, path))
        if path in _IDENTITY and value != known[path]:
            raise UserError(
                f"{path} cannot be set: choose a model by --model and a data set by --dataset"
            )
        part, _, name = path.rpartition(".")
        by_part.setdefault(part, {})[name] = value
    top = by_part.pop("", {})
    for part, changes in by_part.items():
        top[part] = dataclasses.replace(getattr(config, part), **changes)
    return dataclasses.replace(config, **top)


def parse_overrides(texts: list[str]) -> dict[str, str]:
    """Turns `["model.kernel_size=5", ...]` into `{"model.kernel_size": "5", ...}`.

    Raises:
      UserError: a text without "=".
    """
    values = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set wants path.to.field=value. Received: {text!r}")
        values[path.strip()] = value.strip()
    return values


def validate(config: Config) -> Config:
    """Refuses a config that cannot work. Returns it.

    Raises:
      UserError: naming the field, what it may hold, and what it holds.
    """
    values = flatten(config)
    for path, rule in settings.rules(config).items():
        rule.check(path, values[path])
    if config.data.settled:
        config.data.validate()
        config.model.validate(config.data)
        procedure_class(model_class(config.model_name).procedure)(config).validate()
    config.losses.validate()
    config.training.validate()
    if config.training.recompute and not model_class(config.model_name).recomputes:
        raise UserError(
            "training.recompute is for models that filter (lmvp, dfn): the others have nothing "
            f"large to compute anew. Received: --model={config.model_name}"
        )
    return config


def to_dict(config: Config) -> dict[str, Any]:
    """The config as nested dicts and lists, ready for JSON."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


# Names of version 1, in which one `data` part had the fields of both data sets.
_RENAMED = {
    "data.dataset": ("dataset",),
    "data.size": ("data.height", "data.width"),
    "data.mnist_path": ("data.path",),
    "data.highway_path": ("data.path",),
}
_OF_ONE_DATASET = frozenset(
    "data.num_digits data.frame_stride data.random_stride "
    "data.window_stride data.mirror data.reverse data.crop data.contrast data.skip_corrupt".split()
)


def from_dict(values: dict[str, Any], where: str = "config") -> Config:
    """The inverse of `to_dict`; fields that are missing take their defaults.

    Raises:
      UserError: a version that this program does not know, an unknown field or a value of another
        type, with `where` it stands.
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and key in _PARTS:
            flat.update({f"{key}.{name}": v for name, v in value.items()})
        else:
            flat[key] = value
    try:
        version = settings.convert("version", flat.get("version", 1), int)
        if not 1 <= version <= VERSION:
            raise UserError(
                f"version {one_line(version)} of the config is none that this program knows, "
                f"which reads up to {VERSION}: update the program"
            )
        if version == 1:
            flat = _from_version_1(flat)
        names = {"dataset": "moving_mnist", "model_name": "lmvp"}
        names |= {name: settings.convert(name, flat[name], str) for name in names if name in flat}
        default = create(names["dataset"], names["model_name"])
        return validate(replace(default, {**flat, "version": VERSION}))
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


# Where each data set of version 1 had its files: a config held the paths of both.
_PATHS_OF_VERSION_1 = {"moving_mnist": "data.mnist_path", "highway": "data.highway_path"}


def _from_version_1(flat: dict[str, Any]) -> dict[str, Any]:
    """The values of a config of version 1 under today's names."""
    dataset = settings.convert("data.dataset", flat.get("data.dataset", "moving_mnist"), str)
    model = settings.convert("model_name", flat.get("model_name", "lmvp"), str)
    known = flatten(create(dataset, model))
    others = {path for name, path in _PATHS_OF_VERSION_1.items() if name != dataset}
    mine = {path: value for path, value in flat.items() if path not in others}
    renamed = _renamed(mine)
    return {p: v for p, v in renamed.items() if p in known or p not in _OF_ONE_DATASET}


def _renamed(values: dict[str, Any]) -> dict[str, Any]:
    """The same values under today's names of the fields."""
    renamed: dict[str, Any] = {}
    for path, value in values.items():
        renamed.update(dict.fromkeys(_RENAMED.get(path, (path,)), value))
    return renamed


def load(path: pathlib.Path) -> Config:
    """Reads a config.json.

    Raises:
      UserError: there is none, it is not JSON, or it does not describe a run of this version.
    """
    try:
        values = read_json(path, dict[str, Any])
    except FileNotFoundError as error:
        raise UserError(
            f"{path.parent} is no workdir of run_train.py: it has no {path.name}"
        ) from error
    return from_dict(values, where=str(path))


def lengthened(old: Config, new: Config) -> Config:
    """`new` with the decay that a run of `old` began with, where it does not name another one.

    A run that is made longer would else jump from its lowest rate to the middle of a longer decay.

    Raises:
      UserError: a cosine would end before the run does, and leave nothing to learn by.
    """
    before, now = old.training, new.training
    decay_steps = now.decay_steps or before.decay_steps
    if not decay_steps and before.max_steps < now.max_steps:
        decay_steps = before.max_steps
    return validate(replace(new, {"training.decay_steps": decay_steps}))


def differences(old: Config, new: Config) -> list[str]:
    """Lines that name the fields in which two configs differ, the resumable ones left out."""
    before, after, allowed = flatten(old), flatten(new), settings.rules(new)
    return [
        f"{path}: {before.get(path)} there, {after.get(path)} here"
        for path in before | after
        if before.get(path) != after.get(path) and not (path in allowed and allowed[path].resumable)
    ]
