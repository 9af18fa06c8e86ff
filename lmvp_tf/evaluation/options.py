"""What an evaluation is asked for, told once."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lmvp_tf import configs
from lmvp_tf.configs import Config
from lmvp_tf.datasets.base import Dataset
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.errors import UserError
from lmvp_tf.settings import flatten

if TYPE_CHECKING:
    from lmvp_tf.distribution import Distribution


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
    """How to evaluate a run.

    Attributes:
      num_sequences: the first so many test sequences; None: all.
      batch_size: sequences predicted at a time.
      dataset: name of the data set to test on; None: the run's.
      data: {path of a config field: value} where the test data differ from the run's.
      horizon: S, frames to predict; None: the run's.
      output: folder to write to; None: one in the workdir, see `evaluation_folder`.
      distribution: the devices to evaluate on; None: those that TensorFlow chooses.
    """

    num_sequences: int | None = None
    batch_size: int = 50
    dataset: str | None = None
    data: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    horizon: int | None = None
    output: pathlib.Path | None = None
    distribution: Distribution | None = None


def test_setting(config: Config, options: EvaluationOptions) -> Config:
    """The Config of a run with the data that it is tested on. The model's frames stay as they are.

    Raises:
      UserError: such data do not suit the model, or there are none of that name.
    """
    data = config.data
    if options.dataset not in (None, config.dataset):
        settings = dataset_class(options.dataset).Settings
        names = {field.name for field in dataclasses.fields(settings)} - {"path"}
        known = {name: getattr(data, name) for name in names if hasattr(data, name)}
        config = dataclasses.replace(config, dataset=options.dataset, data=settings(**known))
    changes = dict(options.data)
    if options.horizon is not None:
        changes["data.num_frames"] = data.num_inputs + options.horizon
    try:
        return configs.validate(configs.replace(config, changes))
    except UserError as error:
        raise UserError(f"the run cannot be evaluated so: {error}") from error


def evaluation_folder(
    workdir: pathlib.Path,
    config: Config,
    setting: Config,
    options: EvaluationOptions,
    videos: Dataset,
) -> pathlib.Path:
    """Where an evaluation belongs: `eval`, or a folder of its own for other data or frames ahead.

    So an evaluation on other data does not replace the one that belongs to the run.

    Args:
      workdir: of the run.
      config: the run's.
      setting: what `test_setting` returned.
      options: what was asked for.
      videos: the opened test data.
    """
    if options.output:
        return options.output
    parts = ["eval"]
    if _are_other_data(workdir, config, setting, videos):
        changed = [v for _, v in _changed(config, setting) if isinstance(v, str) and v]
        parts.append(pathlib.Path(changed[-1]).resolve().stem if changed else setting.dataset)
    if setting.data.num_predicted != config.data.num_predicted:
        parts.append(f"{setting.data.num_predicted}_frames")
    return workdir / "-".join(parts)


def _are_other_data(
    workdir: pathlib.Path, config: Config, setting: Config, videos: Dataset
) -> bool:
    """Whether the data are others than the run's, and not the same ones in another place."""
    if setting.dataset != config.dataset:
        return True
    from lmvp_tf.training import claim  # here: it brings TensorFlow, which --help has no need of

    changed = [name for name, _ in _changed(config, setting)]
    if changed != ["path"]:
        return bool(changed)
    try:
        return claim.read_data(workdir).fingerprint != videos.fingerprint
    except FileNotFoundError:  # published: nobody knows where its data were
        return config.data.path != type(config.data)().path


def _changed(config: Config, setting: Config) -> list[tuple[str, Any]]:
    """(name, value) of the settings that say which data are tested on, where they differ."""
    before, after = flatten(config.data), flatten(setting.data)
    ignored = {"num_frames", "skip_corrupt"}
    return [(n, v) for n, v in after.items() if v != before.get(n) and n not in ignored]
