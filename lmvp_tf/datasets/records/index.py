"""`dataset.json`: what is in a data set of films, how the films were read, and where each frame is.

Its format is "lmvp_tf video". Version 1 of "lmvp_tf highway", whose frames were squares and whose
shards held one recording each, is read too.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from lmvp_tf.datasets.records import tfrecords
from lmvp_tf.datasets.records.splits import SPLITS
from lmvp_tf.datasets.records.tfrecords import Few, FileName, Run, Shape, Shard, SplitName
from lmvp_tf.errors import UserError, one_line
from lmvp_tf.films.options import LARGEST, FrameOptions
from lmvp_tf.readers import SHA256, Count, read_json, reading

FILE = "dataset.json"
FORMAT = "lmvp_tf video"
VERSION = 1
_OLD_FORMAT, _OLD_VERSION = "lmvp_tf highway", 1


@dataclasses.dataclass(frozen=True)
class Recording:
    """What a film gave.

    Attributes:
      name: differs from the others'.
      fps: kept frames per second; 0 where the film knows no time.
    """

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
    fps: Annotated[float, msgspec.Meta(ge=0, le=1e6)]


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
    values: Any = read_json(file, Any, _ADVICE, _MOST_BYTES)
    values = values if isinstance(values, dict) else {}
    version = values.get("format"), values.get("version")
    readers = {(FORMAT, VERSION): _read_new, (_OLD_FORMAT, _OLD_VERSION): _read_old}
    if version[0] not in (FORMAT, _OLD_FORMAT):
        raise UserError(f"{file}: not the index of a data set of films")
    if not isinstance(version[1], int) or version not in readers:
        raise UserError(
            f"{file}: version {one_line(version[1])} of {version[0]}, this program reads version "
            f"{VERSION}: update the program, or build the data set anew by {how_to_build}"
        )
    with reading(file, _ADVICE):
        index = readers[version](path, values)
        _check(index)
    return index


class _Parameters(msgspec.Struct):
    parameters: dict[str, Any] = {}


def read_parameters(path: pathlib.Path, advice: str) -> dict[str, Any]:
    """What the builder of a data set was asked for.

    Raises:
      FileNotFoundError: there is no data set.
      UserError: its dataset.json is damaged.
    """
    return read_json(path / FILE, _Parameters, advice, _MOST_BYTES).parameters


def listed_shards(path: pathlib.Path) -> set[str]:
    """Names of the shards of a data set; none where it is missing or damaged."""
    try:
        return {shard.file for shard in read_json(path / FILE, _Listed, most=_MOST_BYTES).shards}
    except (OSError, UserError):
        return set()


class _ListedShard(msgspec.Struct):
    file: FileName


class _Listed(msgspec.Struct):
    shards: list[_ListedShard]


_ADVICE = "build the data set again"
_MOST_BYTES = 2**28  # of a dataset.json: 100,000 recordings have a sixth of it
_Positive = Annotated[int, msgspec.Meta(ge=1, le=2**20)]
_Side = Annotated[int, msgspec.Meta(ge=1, le=LARGEST)]


class _Reading(msgspec.Struct):
    """How films were read, whatever the frames' size."""

    channels: Literal[1, 3]
    crop: Literal["centre", "none"] | tuple[Few, Few, _Positive, _Positive]
    stride: _Positive
    fps: Annotated[float, msgspec.Meta(gt=0, le=1e6)] | None

    def options(self, height: int, width: int) -> FrameOptions:
        return FrameOptions(height, width, self.crop, self.channels, self.stride, self.fps)


class _Films(_Reading, kw_only=True):
    height: _Side
    width: _Side


class _New(msgspec.Struct):
    films: _Films
    recordings: list[Recording]
    shards: list[Shard]
    runs: dict[str, list[tuple[Few, Few, Few, Few, Count, Count]]]


def _read_new(path: pathlib.Path, values: dict[str, Any]) -> Index:
    found = msgspec.convert(values, _New)
    return Index(
        path,
        found.films.options(found.films.height, found.films.width),
        found.recordings,
        {split: [shard for shard in found.shards if shard.split == split] for split in SPLITS},
        {split: [Run(*row) for row in found.runs[split]] for split in SPLITS},
    )


class _OldFilms(_Reading, kw_only=True):
    size: _Side


class _OldShard(msgspec.Struct):
    file: FileName
    split: SplitName
    frames: Few
    sha256: SHA256
    clip: str
    segment: Few


class _Old(msgspec.Struct):
    parameters: _OldFilms
    clips: list[Recording]
    shards: list[_OldShard]


def _read_old(path: pathlib.Path, values: dict[str, Any]) -> Index:
    """Version 1 of "lmvp_tf highway": where the records begin is looked up in the shards."""
    found = msgspec.convert(values, _Old)
    side = found.parameters.size
    names = {recording.name: i for i, recording in enumerate(found.clips)}
    shards: dict[str, list[Shard]] = {split: [] for split in SPLITS}
    runs: dict[str, list[Run]] = {split: [] for split in SPLITS}
    for entry in found.shards:
        split = entry.split
        lengths = _lengths(path / entry.file, entry.frames)
        shard = Shard(entry.file, split, entry.frames, sum(lengths), entry.sha256)
        runs[split] += _runs((len(shards[split]), names[entry.clip], entry.segment), lengths)
        shards[split].append(shard)
    return Index(path, found.parameters.options(side, side), found.clips, shards, runs)


def _check(index: Index) -> None:
    """Refuses runs that cannot be where they are said to be.

    Raises:
      ValueError: with what is wrong.
    """
    for split in SPLITS:
        shards, frames = index.shards[split], [0] * len(index.shards[split])
        for run in index.runs[split]:
            if run.shard >= len(shards) or run.recording >= len(index.recordings):
                raise ValueError(f"{split} has frames of a shard or recording that is not there")
            if run.offset + run.frames * run.length > shards[run.shard].bytes:
                raise ValueError(f"{split} has frames behind the end of {shards[run.shard].file}")
            frames[run.shard] += run.frames
        if frames != [shard.frames for shard in shards]:
            raise ValueError(f"the frames of {split} are not as many as its shards have")


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
