"""The files of a Highway dataset: TFRecord shards, and `dataset.json` that lists them.

One record is one frame, as raw pixels: raw, because a dataset is read into memory once and 64 x 64
pixels compress by less than half; one frame, so that damage costs no more than that.
"""

import dataclasses
import hashlib
import struct

import numpy as np
import tensorflow as tf
from google.protobuf.message import DecodeError

from lmvp_tf.errors import RunError
from lmvp_tf.files import atomic_path

INDEX = "dataset.json"
FORMAT = "lmvp_tf highway"
FORMAT_VERSION = 1
SPLITS = ("train", "validation", "test")
SHARD_FRAMES = 512  # at most


@dataclasses.dataclass(frozen=True)
class Shard:
    """What dataset.json says about a shard.

    Attributes:
      file: its name, in the dataset's folder.
      split: "train", "validation" or "test".
      clip: name of the clip it is from.
      segment: which of the clip's segments; consecutive shards of one segment are contiguous.
      first_frame: number of its first frame in the source.
      frames: how many it has.
      sha256: of the file, in hex.
    """

    file: str
    split: str
    clip: str
    segment: int
    first_frame: int
    frames: int
    sha256: str


class BadRecord(ValueError):
    """A record that cannot be used; the message says why."""


def write_shard(path, frames, numbers, facts):
    """Writes contiguous frames of one clip, under a temporary name until the shard is whole.

    Args:
      path: the file to write.
      frames: uint8 [N, H, W, C].
      numbers: int64 [N], their numbers in the source.
      facts: dict with the clip's `clip_id` (int), `clip` (its name), `source` (str), `fps` (float).

    Returns:
      sha256 of the file, in hex.

    Raises:
      RunError: it cannot be written.
    """
    try:
        with atomic_path(path) as temporary:
            with tf.io.TFRecordWriter(str(temporary)) as writer:
                for frame, number in zip(frames, numbers, strict=True):
                    writer.write(_encode(frame, number, facts))
            digest = hashlib.sha256(temporary.read_bytes()).hexdigest()
    except tf.errors.OpError as error:
        raise RunError(f"cannot write {path}: {error.message}") from error
    return digest


def _encode(frame, number, facts):
    height, width, channels = frame.shape
    features = {
        "frame": tf.train.Feature(bytes_list=tf.train.BytesList(value=[frame.tobytes()])),
        "fps": tf.train.Feature(float_list=tf.train.FloatList(value=[facts["fps"]])),
        "clip": _text(facts["clip"]),
        "source": _text(facts["source"]),
        "clip_id": _integer(facts["clip_id"]),
        "number": _integer(number),
        "height": _integer(height),
        "width": _integer(width),
        "channels": _integer(channels),
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    return example.SerializeToString(deterministic=True)


def _text(value):
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))


def _integer(value):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[int(value)]))


def read_shard(data, shape, intact):
    """Reads the records of a shard one by one.

    Args:
      data: the file's bytes.
      shape: (H, W, C) that every frame must have.
      intact: the file's sha256 is what it was when it was written, so its checksums need no look.

    Yields:
      (frame, number) for each record: uint8 [H, W, C] and an int; or a BadRecord in its place. A
      record whose length is damaged or cut off ends the shard: where the next begins is unknown.
    """
    position = 0
    while position < len(data):
        header = data[position : position + 12]
        if len(header) < 12:
            yield BadRecord("the file ends inside it")
            return
        length, header_crc = struct.unpack("<QI", header)
        if not intact and masked_crc32c(header[:8]) != header_crc:
            yield BadRecord("bad CRC of its length")
            return
        body = data[position + 12 : position + 12 + length]
        footer = data[position + 12 + length : position + 16 + length]
        if len(footer) < 4:
            yield BadRecord("the file ends inside it")
            return
        position += 16 + length
        try:
            if not intact and masked_crc32c(body) != struct.unpack("<I", footer)[0]:
                raise BadRecord("bad CRC of its data")
            yield _decode(body, shape)
        except BadRecord as error:
            yield error


def _decode(body, shape):
    """(frame, number) of one serialized Example."""
    try:
        feature = tf.train.Example.FromString(body).features.feature
    except DecodeError as error:
        raise BadRecord("not a tf.train.Example") from error
    found = tuple(_value(feature, name, "int64_list") for name in ("height", "width", "channels"))
    if found != shape:
        raise BadRecord(f"its frame is {_times(found)}, the dataset's are {_times(shape)}")
    pixels = _value(feature, "frame", "bytes_list")
    if len(pixels) != np.prod(shape):
        raise BadRecord(f"{len(pixels)} bytes of pixels instead of {np.prod(shape)}")
    return np.frombuffer(pixels, np.uint8).reshape(shape), _value(feature, "number", "int64_list")


def _value(feature, name, kind):
    values = getattr(feature[name], kind).value if name in feature else ()
    if len(values) != 1:
        raise BadRecord(f"feature {name!r} is missing")
    return values[0]


def _times(shape):
    return "x".join(str(n) for n in shape)


def _crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        table.append(byte)
    return table


_CRC_TABLE = _crc_table()


def masked_crc32c(data):
    """The checksum of TFRecord files: CRC-32C, rotated by 15 bits, plus a constant.

    In Python, at about 10 MB/s: only shards whose sha256 is wrong are ever looked at so closely.
    """
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
