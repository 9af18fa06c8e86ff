"""The frames of a split: in memory where they fit, read from the shards where they do not."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from absl import logging

from lmvp_tf.datasets.records import tfrecords
from lmvp_tf.datasets.records.index import Index
from lmvp_tf.datasets.records.tfrecords import BadRecord, Shard
from lmvp_tf.errors import UserError
from lmvp_tf.readers import file_sha256

Integers = npt.NDArray[np.int64]
Pixels = npt.NDArray[np.uint8]


@dataclasses.dataclass(frozen=True)
class Stretches:
    """Frames of a split that follow each other: windows may lie anywhere inside one.

    Attributes:
      firsts: int64 [S], index of the first frame of each among the split's.
      lengths: int64 [S], frames.
      recordings: int64 [S], index of the recording.
      places: int64 [S], of the first frame, counted over the split with a place left free between
        segments, and for every lost frame.
    """

    firsts: Integers
    lengths: Integers
    recordings: Integers
    places: Integers


class Memory:
    """All the frames of a split, read and checked at once.

    Attributes:
      frames: uint8 [N, H, W, C].
      stretches: Stretches.
      lost: number of frames that damage has cost, where that is allowed.
      sha256: hex digest of the frames and of where windows may lie.
    """

    def __init__(self, index: Index, split: str, skip_corrupt: bool) -> None:
        """Reads the shards of a split.

        Raises:
          UserError: one is damaged, and `skip_corrupt` is False.
        """
        expected = index.frames(split)
        frames = np.empty((expected, *index.shape), np.uint8)
        recordings = np.repeat(
            np.array([run.recording for run in index.runs[split]], np.int64),
            np.array([run.frames for run in index.runs[split]], np.int64),
        )
        kept: list[int] = []
        position = 0
        for shard in index.shards[split]:
            for i, frame in _read_shard(index, shard, skip_corrupt):
                frames[len(kept)] = frame
                kept.append(position + i)
            position += shard.frames
        at = np.array(kept, np.int64)
        places = _places(index, split)[at]
        firsts = np.flatnonzero(np.diff(places, prepend=-2) != 1)
        lengths = np.diff(firsts, append=len(at))
        self.frames = frames[: len(at)]
        self.lost = expected - len(at)
        self.stretches = Stretches(firsts, lengths, recordings[at[firsts]], places[firsts])
        digest = hashlib.sha256(repr(self.frames.shape).encode())
        for array in (self.frames, places):
            digest.update(np.ascontiguousarray(array).data)
        self.sha256 = digest.hexdigest()


class Disk:
    """The frames of a split that stay in their shards.

    Attributes:
      stretches, sha256: as for Memory, but the digest is of the shards' own.
    """

    def __init__(self, index: Index, split: str, skip_corrupt: bool) -> None:
        """Looks at no frame, but at whether every shard has its size.

        Raises:
          UserError: a shard is missing or cut off, and `skip_corrupt` is False.
        """
        for shard in index.shards[split]:
            _check_size(index.path / shard.file, shard, skip_corrupt)
        runs = index.runs[split]
        self._shards = [index.path / shard.file for shard in index.shards[split]]
        self._shape = index.shape
        columns = np.array([dataclasses.astuple(run) for run in runs], np.int64).reshape(-1, 6).T
        self._shard, recording, segment, frames, self._offset, self._length = columns
        self._ends = np.cumsum(frames)
        self._firsts = self._ends - frames
        new = np.ones(len(runs), bool)
        new[1:] = (np.diff(recording) != 0) | (np.diff(segment) != 0)
        starts = np.flatnonzero(new)
        lengths = np.add.reduceat(frames, starts) if len(starts) else frames
        firsts = self._firsts[starts]
        places = firsts + 1 + np.arange(len(starts))
        self.stretches = Stretches(firsts, lengths, recording[starts], places)
        digest = hashlib.sha256(repr((int(frames.sum()), *index.shape)).encode())
        for shard in index.shards[split]:
            digest.update(bytes.fromhex(shard.sha256))
        self.sha256 = digest.hexdigest()

    def read(self, frames: Integers) -> Pixels:
        """Reads frames by their indices among the split's, int64 [T], as uint8 [T, H, W, C].

        Raises:
          BadRecord: one is damaged; the message names the shard and the record.
        """
        return np.stack([self._frame(frame) for frame in frames.tolist()])

    def _frame(self, frame: int) -> Pixels:
        run = int(np.searchsorted(self._ends, frame, side="right"))
        shard, length = int(self._shard[run]), int(self._length[run])
        path = self._shards[shard]
        try:
            with path.open("rb", buffering=0) as file:
                file.seek(int(self._offset[run]) + (frame - int(self._firsts[run])) * length)
                record = file.read(length)
            return tfrecords.decode(record, self._shape)
        except OSError as error:
            raise BadRecord(f"{path}: {error.strerror}") from error
        except BadRecord as error:
            first = int(self._firsts[int(np.searchsorted(self._shard, shard))])
            raise BadRecord(f"{path}, record {frame - first}: {error}") from error


def _places(index: Index, split: str) -> Integers:
    """The place of each frame of a split, int64 [N]: see Stretches."""
    places, place, segment = [np.zeros(0, np.int64)], 0, None
    for run in index.runs[split]:
        if segment != (run.recording, run.segment):
            segment = (run.recording, run.segment)
            place += 1
        places.append(np.arange(place, place + run.frames))
        place += run.frames
    return np.concatenate(places)


def _complain(what: str, skip_corrupt: bool) -> None:
    if not skip_corrupt:
        raise UserError(f"{what}: build the data set again, or go on without it by --skip_corrupt")
    logging.warning("%s: left out", what)


def _read_shard(index: Index, shard: Shard, skip_corrupt: bool) -> Iterator[tuple[int, Pixels]]:
    """(record, frame) of each in a shard, without what is damaged where that is allowed."""
    file = index.path / shard.file
    count = 0
    try:
        tfrecords.open_shard(file).close()
        intact = file_sha256(file) == shard.sha256
        for i, record in enumerate(tfrecords.read_shard(file, index.shape)):
            count = i + 1
            if isinstance(record, BadRecord):
                _complain(f"{file}, record {i}: {record}", skip_corrupt)
                intact = True  # that is why its sha256 differs
            elif i < shard.frames:
                yield i, record
    except OSError as error:
        _complain(f"{file}: {error.strerror}", skip_corrupt)
        return
    if count != shard.frames:
        _complain(f"{file}, record {count}: it has {count} instead of {shard.frames}", skip_corrupt)
    elif not intact:
        raise UserError(f"{file}: not the file that was built: build the data set again")


def _check_size(path: pathlib.Path, shard: Shard, skip_corrupt: bool) -> None:
    try:
        with tfrecords.open_shard(path) as file:
            size = os.fstat(file.fileno()).st_size
    except OSError as error:
        _complain(f"{path}: {error.strerror}", skip_corrupt)
        return
    if size != shard.bytes:
        _complain(f"{path}: has {size} bytes instead of {shard.bytes}", skip_corrupt)
