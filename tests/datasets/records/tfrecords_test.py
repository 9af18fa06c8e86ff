"""Tests of the shards: TensorFlow reads them, and damage costs what it must and no more."""

import hashlib
import struct

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.datasets.records import tfrecords
from lmvp_tf.errors import RunError

SHAPE = (8, 8, 3)
FACTS = {"clip_id": 2, "clip": "drive", "source": "drive.mp4", "fps": 12.5}


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)


@pytest.fixture
def shard(tmp_path, frames):
    path = tmp_path / "train-drive-0000010.tfrecord"
    tfrecords.write_shard(path, frames, range(10, 20, 2), FACTS)
    return path


def read(data, shape=SHAPE, intact=False):
    """(numbers, or None for a bad record; messages of the bad records)."""
    records = list(tfrecords.read_shard(data, shape, intact))
    bad = [isinstance(record, tfrecords.BadRecord) for record in records]
    numbers = [None if b else record[1] for b, record in zip(bad, records, strict=True)]
    return numbers, [str(record) for b, record in zip(bad, records, strict=True) if b]


def offset(data, record):
    """Where a record begins: 8 bytes of length, 4 of CRC, the data, 4 of CRC."""
    position = 0
    for _ in range(record):
        position += 16 + struct.unpack_from("<Q", data, position)[0]
    return position


def test_tensorflow_reads_every_feature(shard, frames):
    spec = {
        "frame": tf.io.FixedLenFeature([], tf.string),
        "fps": tf.io.FixedLenFeature([], tf.float32),
        "clip": tf.io.FixedLenFeature([], tf.string),
        "source": tf.io.FixedLenFeature([], tf.string),
    }
    integers = ("clip_id", "number", "height", "width", "channels")
    spec |= {name: tf.io.FixedLenFeature([], tf.int64) for name in integers}
    records = list(tf.data.TFRecordDataset(str(shard)))
    assert len(records) == 5
    for i, record in enumerate(records):
        values = tf.io.parse_single_example(record, spec)
        pixels = tf.reshape(tf.io.decode_raw(values["frame"], tf.uint8), SHAPE)
        np.testing.assert_array_equal(pixels, frames[i])
        assert [int(values[name]) for name in integers] == [2, 10 + 2 * i, *SHAPE]
        assert (values["clip"], values["source"]) == (b"drive", b"drive.mp4")
        assert float(values["fps"]) == 12.5


def test_the_checksum_is_tensorflows(shard):
    data = shard.read_bytes()
    length, crc = struct.unpack_from("<QI", data)
    assert tfrecords.masked_crc32c(data[:8]) == crc
    (footer,) = struct.unpack_from("<I", data, 12 + length)
    assert tfrecords.masked_crc32c(data[12 : 12 + length]) == footer


@pytest.mark.parametrize("intact", [True, False])
def test_a_shard_comes_back_as_it_was_written(shard, frames, intact):
    records = list(tfrecords.read_shard(shard.read_bytes(), SHAPE, intact))
    np.testing.assert_array_equal([frame for frame, _ in records], frames)
    assert [number for _, number in records] == [10, 12, 14, 16, 18]


def test_the_same_frames_give_the_same_bytes_and_their_sha256(tmp_path, shard, frames):
    path = tmp_path / "again.tfrecord"
    digest = tfrecords.write_shard(path, frames, range(10, 20, 2), FACTS)
    assert path.read_bytes() == shard.read_bytes()
    assert digest == hashlib.sha256(shard.read_bytes()).hexdigest()


def test_a_flipped_bit_costs_one_frame(shard):
    data = bytearray(shard.read_bytes())
    data[offset(data, 2) + 100] ^= 1
    assert read(bytes(data)) == ([10, 12, None, 16, 18], ["bad CRC of its data"])


def test_a_damaged_length_ends_the_shard(shard):
    data = bytearray(shard.read_bytes())
    data[offset(data, 3)] ^= 1
    assert read(bytes(data)) == ([10, 12, 14, None], ["bad CRC of its length"])


@pytest.mark.parametrize("cut", [3, 200])
def test_a_truncated_shard_ends_where_it_was_cut(shard, cut):
    data = shard.read_bytes()
    numbers, messages = read(data[: offset(data, 3) + cut])
    assert (numbers, messages) == ([10, 12, 14, None], ["the file ends inside it"])


def test_frames_of_another_size_are_refused(shard):
    numbers, messages = read(shard.read_bytes(), shape=(8, 8, 1))
    assert numbers == [None] * 5
    assert messages[0] == "its frame is 8x8x3, the dataset's are 8x8x1"


@pytest.mark.parametrize("name", ["frame", "number", "width"])
def test_a_missing_feature_is_named(tmp_path, shard, name):
    path = tmp_path / "poor.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in tf.data.TFRecordDataset(str(shard)).take(1):
            example = tf.train.Example.FromString(record.numpy())
            del example.features.feature[name]
            writer.write(example.SerializeToString())
    assert read(path.read_bytes(), intact=True) == ([None], [f"feature {name!r} is missing"])


def test_other_records_are_refused(tmp_path):
    path = tmp_path / "other.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"\xff\xff no Example")
    assert read(path.read_bytes()) == ([None], ["not a tf.train.Example"])


def test_what_cannot_be_written_is_a_run_error(tmp_path, frames):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        tfrecords.write_shard(tmp_path / "file" / "a.tfrecord", frames, range(5), FACTS)
