"""TFRecord shards of frames: writing them, and reading any record of them.

One record is one frame, as raw pixels: raw, because frames are read again in every epoch and small
ones compress by less than half; one frame, so that damage costs no more than that.
"""

from __future__ import annotations

import dataclasses
import errno
import os
import pathlib
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, BinaryIO

import google_crc32c
import msgspec
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from google.protobuf.message import DecodeError

from lmvp_tf.errors import RunError, one_line
from lmvp_tf.readers import SHA256, Count, file_sha256, open_file

SHARD_BYTES = 64 * 2**20  # a shard is closed when it has so many
HEADER, FOOTER = 12, 4  # bytes around a record

Pixels = npt.NDArray[np.uint8]
Shape = tuple[int, int, int]
Few = Annotated[int, msgspec.Meta(ge=0, le=2**24)]  # frames of a shard, recordings, segments
SplitName = Annotated[str, msgspec.Meta(pattern="^(train|validation|test)$")]
# In the data set's folder: nothing outside of it is read.
FileName = Annotated[str, msgspec.Meta(pattern=r"^[^./\\\x00][^/\\\x00]*$", max_length=255)]


@dataclasses.dataclass(frozen=True)
class Shard:
    """A file of records.

    Attributes:
      file: its name, in the data set's folder.
      split: "train", "validation" or "test".
      frames: how many it has.
      bytes: its size.
      sha256: of the file, in hex.
    """

    file: FileName
    split: SplitName
    frames: Few
    bytes: Count
    sha256: SHA256


@dataclasses.dataclass(frozen=True)
class Run:
    """Records of equal length, one behind the other in a shard, whose frames follow each other.

    Attributes:
      shard: index among the shards of the split.
      recording: index of the recording.
      segment: which of the recording's segments: frames of two runs of one segment follow each
        other too.
      frames: how many.
      offset: of the first record in its shard, bytes.
      length: of a record, header and footer included, bytes.
    """

    shard: int
    recording: int
    segment: int
    frames: int
    offset: int
    length: int


class BadRecord(ValueError):
    """A record that cannot be used; the message says why."""


class SplitWriter:
    """Writes the frames of one split, recording after recording, in shards of about SHARD_BYTES."""

    def __init__(self, folder: pathlib.Path, split: str) -> None:
        self.shards: list[Shard] = []
        self.runs: list[Run] = []
        self._folder, self._split = folder, split
        self._writer: tf.io.TFRecordWriter | None = None
        self._frames = self._bytes = 0

    def write(self, frame: Pixels, number: int, recording: int, segment: int, name: str) -> None:
        """Appends a frame.

        Args:
          frame: uint8 [H, W, C].
          number: its number in the film.
          recording: index of the recording.
          segment: which of the recording's segments it is in.
          name: the recording's.

        Raises:
          RunError: it cannot be written.
        """
        record = _encode(frame, number, name)
        length = HEADER + len(record) + FOOTER
        if self._bytes and self._bytes + length > SHARD_BYTES:
            self.close()
        try:
            if self._writer is None:
                self._writer = tf.io.TFRecordWriter(str(self._folder / self._file))
            self._writer.write(record)
        except tf.errors.OpError as error:
            path = self._folder / self._file
            raise RunError(f"cannot write {path}: {one_line(error.message)}") from error
        run = Run(len(self.shards), recording, segment, 1, self._bytes, length)
        last = self.runs[-1] if self.runs else None
        if last and dataclasses.replace(last, frames=1, offset=run.offset) == run:
            self.runs[-1] = dataclasses.replace(last, frames=last.frames + 1)
        else:
            self.runs.append(run)
        self._frames += 1
        self._bytes += length

    @property
    def _file(self) -> str:
        return f"{self._split}-{len(self.shards):05d}.tfrecord"

    def close(self) -> None:
        """Ends the current shard.

        Raises:
          RunError: it cannot be written.
        """
        if self._writer is None:
            return
        path = self._folder / self._file
        try:
            self._writer.close()
            digest = file_sha256(path)
        except (tf.errors.OpError, OSError) as error:
            raise RunError(f"cannot write {path}: {one_line(error)}") from error
        self.shards.append(Shard(self._file, self._split, self._frames, self._bytes, digest))
        self._writer, self._frames, self._bytes = None, 0, 0


def _encode(frame: Pixels, number: int, name: str) -> bytes:
    height, width, channels = frame.shape
    features = {
        "frame": _text(frame.tobytes()),
        "recording": _text(name.encode()),
        "number": _integer(number),
        "height": _integer(height),
        "width": _integer(width),
        "channels": _integer(channels),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _text(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def _integer(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))


def open_shard(path: pathlib.Path) -> BinaryIO:
    """A shard, open for reading: a regular file in its own folder, or nothing is read.

    Raises:
      OSError: it is something else, a link to elsewhere, or cannot be read.
    """
    if path.resolve().parent != path.parent.resolve():
        raise OSError(errno.EINVAL, "a link to another folder")
    return open_file(path)


def read_shard(path: pathlib.Path, shape: Shape) -> Iterator[Pixels | BadRecord]:
    """Reads the records of a shard one by one.

    Args:
      path: the file.
      shape: (H, W, C) that every frame must have.

    Yields:
      uint8 [H, W, C] of each record, or a BadRecord in its place. A record whose length is damaged
      or cut off ends the shard: where the next begins is unknown.
    """
    with open_shard(path) as file:
        left = os.fstat(file.fileno()).st_size
        while header := file.read(HEADER):
            left -= HEADER
            try:
                length = _body_length(header) + FOOTER
            except BadRecord as error:
                yield error
                return
            left -= length
            if left < 0:
                yield BadRecord("the file ends inside it")
                return
            body = file.read(length)
            try:
                yield decode(header + body, shape)
            except BadRecord as error:
                yield error


def record_lengths(path: pathlib.Path) -> list[int]:
    """The lengths of a shard's records, header and footer included, from their headers alone.

    Raises:
      OSError: the file cannot be read.
    """
    lengths = []
    with open_shard(path) as file:
        while len(header := file.read(HEADER)) == HEADER:
            try:
                lengths.append(HEADER + _body_length(header) + FOOTER)
            except BadRecord:
                break
            file.seek(lengths[-1] - HEADER, 1)
    return lengths


def decode(record: bytes, shape: Shape) -> Pixels:
    """The frame of a record, header and footer included, as uint8 [H, W, C].

    Raises:
      BadRecord: a checksum is wrong, or there is no such frame in it.
    """
    body = record[HEADER:-FOOTER]
    if len(record) < HEADER + FOOTER:
        raise BadRecord("the file ends inside it")
    if _body_length(record[:HEADER]) != len(body):
        raise BadRecord("another record than the index says")
    if _masked_crc32c(body) != struct.unpack("<I", record[-FOOTER:])[0]:
        raise BadRecord("bad CRC of its data")
    try:
        feature = tf.train.Example.FromString(body).features.feature
    except DecodeError as error:
        raise BadRecord("not a tf.train.Example") from error
    found = tuple(_value(feature, name, "int64_list") for name in ("height", "width", "channels"))
    if found != tuple(shape):
        raise BadRecord(f"its frame is {times(found)}, the data set's are {times(shape)}")
    pixels = _value(feature, "frame", "bytes_list")
    if len(pixels) != np.prod(shape):
        raise BadRecord(f"{len(pixels)} bytes of pixels instead of {np.prod(shape)}")
    return np.frombuffer(pixels, np.uint8).reshape(shape)


def _body_length(header: bytes) -> int:
    if len(header) < HEADER:
        raise BadRecord("the file ends inside it")
    length, crc = struct.unpack("<QI", header)
    if _masked_crc32c(header[:8]) != crc:
        raise BadRecord("bad CRC of its length")
    return length


def _value(feature: Mapping[str, tf.train.Feature], name: str, kind: str) -> Any:
    values: Sequence[Any] = getattr(feature[name], kind).value if name in feature else ()
    if len(values) != 1:
        raise BadRecord(f"feature {name!r} is missing")
    return values[0]


def times(shape: tuple[int, ...]) -> str:
    """A shape as text: 72x128x3."""
    return "x".join(str(n) for n in shape)


def _masked_crc32c(data: bytes) -> int:
    """The checksum of TFRecord files: CRC-32C, rotated by 15 bits, plus a constant."""
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
