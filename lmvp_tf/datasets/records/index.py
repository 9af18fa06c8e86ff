"""`dataset.json`: what is in a data set of films, how the films were read, and where each frame is.

Its format is "lmvp_tf video". Version 1 of "lmvp_tf highway", whose frames were squares and whose
shards held one recording each, is read too.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lmvp_tf.datasets.records import tfrecords
from lmvp_tf.datasets.records.tfrecords import Run, Shape, Shard
from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions

FILE = "dataset.json"
FORMAT = "lmvp_tf video"
VERSION = 1
SPLITS = ("train", "validation", "test")
_OLD_FORMAT, _OLD_VERSION = "lmvp_tf highway", 1


@dataclasses.dataclass(frozen=True)
class Recording:
    """What a film gave.

    Attributes:
      name: differs from the others'.
      fps: kept frames per second; 0 where the film knows no time.
    """

    name: str
    fps: float


@dataclasses.dataclass(frozen=True)
class Index:
    """What dataset.json says.

    Attributes:
      path: the data set's folder.
      films: FrameOptions, how the films were read.
      recordings: list of Recording.
      shards: split -> its shards, in order.
      runs: split -> its runs of frames, in order.
    """

    path: pathlib.Path
    films: FrameOptions
    recordings: list[Recording]
    shards: dict[str, list[Shard]]
    runs: dict[str, list[Run]]

    @property
    def shape(self) -> Shape:
        """(H, W, C) of the frames."""
        return self.films.height, self.films.width, self.films.channels

    def frames(self, split: str) -> int:
        """How many frames a split has."""
        return sum(run.frames for run in self.runs[split])

    @property
    def usual_rate(self) -> float:
        """Frames per second of the recordings, the median; 0 where no film knew its time."""
        rates = [recording.fps for recording in self.recordings if recording.fps]
        return float(np.median(rates)) if rates else 0.0

    def segment_lengths(self, split: str) -> npt.NDArray[np.int64]:
        """How many frames each segment of a split has, int64 [K]."""
        lengths: dict[tuple[int, int], int] = {}
        for run in self.runs[split]:
            segment = run.recording, run.segment
            lengths[segment] = lengths.get(segment, 0) + run.frames
        return np.array(list(lengths.values()), np.int64)


def films_to_json(options: FrameOptions) -> dict[str, Any]:
    """How films were read, as dataset.json has it."""
    crop = options.crop if isinstance(options.crop, str) else list(options.crop)
    return {
        "height": options.height,
        "width": options.width,
        "channels": options.channels,
        "crop": crop,
        "stride": options.stride,
        "fps": options.fps,
    }


def _films_from_json(values: dict[str, Any]) -> FrameOptions:
    crop = values["crop"]
    return FrameOptions(**{**values, "crop": crop if isinstance(crop, str) else tuple(crop)})


def read(path: pathlib.Path, how_to_build: str) -> Index:
    """Reads a dataset.json.

    Args:
      path: the data set's folder.
      how_to_build: the command that builds such a data set, for those who have none.

    Raises:
      UserError: there is none, it is damaged, or of a version that this program does not know.
    """
    file = path / FILE
    if not file.exists():
        raise UserError(f"no data set in {path}: build it by {how_to_build}")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: damaged ({error}): build the data set again") from error
    version = (values.get("format"), values.get("version")) if isinstance(values, dict) else None
    readers = {(FORMAT, VERSION): _read_new, (_OLD_FORMAT, _OLD_VERSION): _read_old}
    if version is None or version[0] not in (FORMAT, _OLD_FORMAT):
        raise UserError(f"{file}: not the index of a data set of films")
    if version not in readers:
        raise UserError(
            f"{file}: version {version[1]} of {version[0]}, this program reads version {VERSION}: "
            f"update the program, or build the data set anew by {how_to_build}"
        )
    try:
        return readers[version](path, values)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{file}: damaged ({error}): build the data set again") from error


def _read_new(path: pathlib.Path, values: dict[str, Any]) -> Index:
    shards = [Shard(**entry) for entry in values["shards"]]
    return Index(
        path,
        _films_from_json(values["films"]),
        [Recording(entry["name"], entry["fps"]) for entry in values["recordings"]],
        {split: [shard for shard in shards if shard.split == split] for split in SPLITS},
        {split: [Run(*row) for row in values["runs"][split]] for split in SPLITS},
    )


def _read_old(path: pathlib.Path, values: dict[str, Any]) -> Index:
    """Version 1 of "lmvp_tf highway": where the records begin is looked up in the shards."""
    parameters = dict(values["parameters"])
    kept = {key: parameters[key] for key in ("channels", "crop", "stride", "fps")}
    films = _films_from_json(
        {"height": parameters["size"], "width": parameters["size"], **kept},
    )
    recordings = [Recording(entry["name"], entry["fps"]) for entry in values["clips"]]
    names = {recording.name: i for i, recording in enumerate(recordings)}
    shards: dict[str, list[Shard]] = {split: [] for split in SPLITS}
    runs: dict[str, list[Run]] = {split: [] for split in SPLITS}
    for entry in values["shards"]:
        split, file = entry["split"], path / entry["file"]
        lengths = _lengths(file, entry["frames"])
        size = sum(lengths)
        shard = Shard(entry["file"], split, entry["frames"], size, entry["sha256"])
        origin = len(shards[split]), names[entry["clip"]], entry["segment"]
        runs[split] += _runs(origin, lengths)
        shards[split].append(shard)
    return Index(path, films, recordings, shards, runs)


def _lengths(file: pathlib.Path, frames: int) -> list[int]:
    """The lengths of a shard's records. Those of lost ones are what the others' are, or 1."""
    try:
        lengths = tfrecords.record_lengths(file)[:frames]
    except OSError:
        lengths = []
    return lengths + [lengths[-1] if lengths else 1] * (frames - len(lengths))


def _runs(origin: tuple[int, int, int], lengths: list[int]) -> Iterator[Run]:
    """The runs of one shard of one segment."""
    edges = [0, *(np.flatnonzero(np.diff(lengths)) + 1).tolist(), len(lengths)]
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    for start, end in itertools.pairwise(edges):
        if end > start:
            yield Run(*origin, end - start, int(offsets[start]), lengths[start])
