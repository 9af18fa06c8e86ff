"""Whose a workdir is: the config and the data that its run began with.

It belongs to a run from the first checkpoint on. A folder without one holds nothing to lose, and is
anybody's, whatever a command that failed has left there.
"""

from __future__ import annotations

import csv
import io
import itertools
import pathlib

import msgspec

from lmvp_tf import configs, settings
from lmvp_tf.configs import Config
from lmvp_tf.datasets.base import Dataset
from lmvp_tf.errors import UserError, WriteError
from lmvp_tf.files import write_json, write_text
from lmvp_tf.readers import read_bytes, read_json, reading
from lmvp_tf.training import checkpoint, log, weights


class Data(msgspec.Struct):
    """What data.json holds, of the Dataset that the run began with."""

    source: str
    fingerprint: str


def read_data(workdir: pathlib.Path) -> Data:
    """The data.json of a workdir.

    Raises:
      FileNotFoundError: it has none: its weights were published.
      UserError: it is damaged.
    """
    return read_json(_data_file(workdir), Data)


def check(config: Config, workdir: pathlib.Path, videos: Dataset | None = None) -> Config:
    """Checks that a run may begin in a workdir, or go on. Writes nothing.

    A run that is made longer keeps the decay that it began with: its rate goes on from where it is.

    Args:
      config: the Config.
      workdir: a pathlib.Path.
      videos: its Dataset; None leaves the data unchecked.

    Returns:
      The config to begin or to go on with.

    Raises:
      UserError: the workdir is of another config, the fields are named, or of other data; or it
        holds published weights, or a log without the folder of checkpoints; or the rate would be 0
        for what is left of the run.
    """
    _check_not_published(workdir)
    if not checkpoint.has_any(workdir):
        _check_none_are_lost(workdir)
        return config
    path = _config_file(workdir)
    if path.exists():
        before = configs.load(path)
        config = configs.lengthened(before, config)
        differences = configs.differences(before, config)
        if differences:
            raise UserError(
                f"{workdir} belongs to a run with another config ({'; '.join(differences)}); "
                "give another --workdir, or the settings it was made with"
            )
    if videos and _data_file(workdir).exists():
        data = read_data(workdir)
        if data.fingerprint != videos.fingerprint:
            if data.source == videos.source:
                raise UserError(
                    f"{workdir} was trained on other data than {data.source} holds now: it was "
                    "built anew since, or data.cache_mib keeps in memory now what was read from "
                    "disk, or the other way round; give both as before, or another --workdir"
                )
            raise UserError(
                f"{workdir} was trained on other data ({data.source}) than what is found now "
                f"({videos.source}); give the same data, or another --workdir"
            )
    return config


def write(config: Config, workdir: pathlib.Path, videos: Dataset, step: int) -> None:
    """Checks a workdir, then writes what makes it this run's: config.json, data.json, checkpoints/.

    What the config changes of the one that the run had so far is kept, with the step, in
    changes.csv.

    Args:
      config: the Config.
      workdir: a pathlib.Path.
      videos: its Dataset.
      step: where the run is.

    Raises:
      UserError: as of `check`, or the workdir is not writable.
      WriteError: the disk is full, or away. The same call may be made again.
    """
    config = check(config, workdir, videos)
    try:
        checkpoint.make_folder(workdir)
        _record_changes(config, workdir, step)
        write_json(_config_file(workdir), configs.to_dict(config))
        data = Data(videos.source, videos.fingerprint)
        write_json(_data_file(workdir), msgspec.to_builtins(data))
    except WriteError as error:
        if error.passing:
            raise
        raise UserError(f"the workdir is not writable: {error}") from error


def _record_changes(config: Config, workdir: pathlib.Path, step: int) -> None:
    """Appends what differs from the config of the workdir to changes.csv: before it is lost."""
    if not (checkpoint.has_any(workdir) and _config_file(workdir).exists()):
        return
    before = settings.flatten(configs.load(_config_file(workdir)))
    changed = [
        [str(step), field, str(before[field]), str(value)]
        for field, value in settings.flatten(config).items()
        if before.get(field, value) != value
    ]
    if not changed:
        return
    path = workdir / _CHANGES
    old = ""
    if path.exists():
        with reading(path, "move it away"):
            old = read_bytes(path, _MOST_BYTES).decode("utf-8", errors="replace")
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(changed)
    if not old.endswith(text.getvalue()):  # else a call that failed after this has written it
        write_text(path, (old or "step,field,before,after\n") + text.getvalue())
    for _, field, was, value in changed:
        print(f"From step {step} on {field} is {value}, it was {was}.")


def set_aside(workdir: pathlib.Path) -> pathlib.Path | None:
    """Moves what a run has left in a workdir into a new folder of it, before-N.

    Returns:
      The folder; None where there was nothing.

    Raises:
      UserError: the workdir holds published weights.
      OSError: it cannot be written.
    """
    _check_not_published(workdir)
    # The checkpoints first: without them the rest is nobody's, should this be cut short.
    found = [path for pattern in _OF_A_RUN for path in sorted(workdir.glob(pattern))]
    if not found:
        return None
    numbers = itertools.count(1)
    folder = next(f for n in numbers if not (f := workdir / f"before-{n}").exists())
    folder.mkdir()
    for path in found:
        path.replace(folder / path.name)
    return folder


_CHANGES = "changes.csv"
_MOST_BYTES = 2**24  # of it
_OF_A_RUN = (
    "checkpoints",
    "config.json",
    "data.json",
    "log.csv",
    _CHANGES,
    "eval*",
    "events.out.tfevents.*",
    "plugins",
)


def clear_leftovers(workdir: pathlib.Path) -> None:
    """Removes what killed programs left half written. Only for who alone writes to the workdir."""
    for name in ("config", "data", "log", "changes"):
        for path in workdir.glob(f".{name}-*"):
            path.unlink(missing_ok=True)
    checkpoint.clear_leftovers(workdir)


def _check_none_are_lost(workdir: pathlib.Path) -> None:
    """Refuses a log whose checkpoints were removed: their folder is made before it."""
    if checkpoint.has_folder(workdir) or not workdir.is_dir():
        return
    last = log.ends_at(workdir / "log.csv")
    if last is not None:
        raise UserError(
            f"{workdir} has a log.csv up to step {last}, and its folder of checkpoints is missing: "
            "put it back from a copy, or begin the run anew by run_train.py --restart, which keeps "
            "what is there aside"
        )


def _check_not_published(workdir: pathlib.Path) -> None:
    if weights.are_in(workdir):
        raise UserError(
            f"{workdir} holds the weights of a finished run and nothing to go on from: give "
            "another --workdir"
        )


def _config_file(workdir: pathlib.Path) -> pathlib.Path:
    return workdir / "config.json"


def _data_file(workdir: pathlib.Path) -> pathlib.Path:
    return workdir / "data.json"
