"""Tests of the shards: TensorFlow reads them, and damage costs what it must and no more."""

import hashlib
import struct

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.datasets.records import tfrecords
from lmvp_tf.errors import RunError
from tests.limits import files_of_at_most

SHAPE = (8, 8, 3)


def write(folder, frames):
    """A shard of two recordings: frames 10, 12, 14 of one, and 3, 4 of the other."""
    writer = tfrecords.SplitWriter(folder, "train")
    places = [(10, 2), (12, 2), (14, 2), (3, 7), (4, 7)]
    for frame, (number, recording) in zip(frames, places, strict=True):
        writer.write(frame, number, recording, 0, f"drive-{recording}")
    writer.close()
    return writer


@pytest.fixture
def frames():
    return np.random.default_rng(0).integers(0, 256, (5, *SHAPE), np.uint8)


@pytest.fixture
def shard(tmp_path, frames):
    return tmp_path / write(tmp_path, frames).shards[0].file


def read(path, frames, shape=SHAPE):
    """(which of the frames, or None for a bad record; messages of the bad records)."""
    records = list(tfrecords.read_shard(path, shape))
    known = {frame.tobytes(): i for i, frame in enumerate(frames)}
    bad = [isinstance(record, tfrecords.BadRecord) for record in records]
    found = [None if b else known[r.tobytes()] for b, r in zip(bad, records, strict=True)]
    return found, [str(record) for b, record in zip(bad, records, strict=True) if b]


def offset(data, record):
    """Where a record begins: 8 bytes of length, 4 of CRC, the data, 4 of CRC."""
    position = 0
    for _ in range(record):
        position += 16 + struct.unpack_from("<Q", data, position)[0]
    return position


def test_tensorflow_reads_every_feature(shard, frames):
    integers = ("number", "height", "width", "channels")
    spec = {name: tf.io.FixedLenFeature([], tf.int64) for name in integers}
    spec |= {name: tf.io.FixedLenFeature([], tf.string) for name in ("frame", "recording")}
    records = list(tf.data.TFRecordDataset(str(shard)))
    assert len(records) == 5
    for frame, number, record in zip(frames, (10, 12, 14, 3, 4), records, strict=True):
        values = tf.io.parse_single_example(record, spec)
        pixels = tf.reshape(tf.io.decode_raw(values["frame"], tf.uint8), SHAPE)
        np.testing.assert_array_equal(pixels, frame)
        assert [int(values[name]) for name in integers] == [number, *SHAPE]
        assert values["recording"] == (b"drive-7" if number < 10 else b"drive-2")


def test_a_shard_comes_back_as_it_was_written(shard, frames):
    np.testing.assert_array_equal(list(tfrecords.read_shard(shard, SHAPE)), frames)


def test_what_was_written_is_told(tmp_path, frames):
    writer = write(tmp_path, frames)
    data = (tmp_path / "train-00000.tfrecord").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    length = len(data) // 5
    assert writer.shards == [tfrecords.Shard("train-00000.tfrecord", "train", 5, len(data), digest)]
    assert writer.runs == [
        tfrecords.Run(0, 2, 0, 3, 0, length),
        tfrecords.Run(0, 7, 0, 2, 3 * length, length),
    ]
    assert tfrecords.record_lengths(tmp_path / "train-00000.tfrecord") == [length] * 5


def test_runs_end_where_records_get_longer(tmp_path, frames):
    writer = tfrecords.SplitWriter(tmp_path, "test")
    for number, frame in zip((126, 127, 128, 129, 130), frames, strict=True):
        writer.write(frame, number, 0, 0, "drive")  # 128 takes a byte more
    writer.close()
    assert [run.frames for run in writer.runs] == [2, 3]
    assert writer.runs[1].length == writer.runs[0].length + 1


def test_the_same_frames_give_the_same_bytes(tmp_path, shard, frames):
    (tmp_path / "again").mkdir()
    write(tmp_path / "again", frames)
    assert (tmp_path / "again" / shard.name).read_bytes() == shard.read_bytes()


def test_a_flipped_bit_costs_one_frame(shard, frames):
    data = bytearray(shard.read_bytes())
    data[offset(data, 2) + 100] ^= 1
    shard.write_bytes(data)
    assert read(shard, frames) == ([0, 1, None, 3, 4], ["bad CRC of its data"])


def test_a_damaged_length_ends_the_shard(shard, frames):
    data = bytearray(shard.read_bytes())
    data[offset(data, 3)] ^= 1
    shard.write_bytes(data)
    assert read(shard, frames) == ([0, 1, 2, None], ["bad CRC of its length"])


@pytest.mark.parametrize("cut", [3, 200])
def test_a_truncated_shard_ends_where_it_was_cut(shard, frames, cut):
    data = shard.read_bytes()
    shard.write_bytes(data[: offset(data, 3) + cut])
    assert read(shard, frames) == ([0, 1, 2, None], ["the file ends inside it"])


def test_frames_of_another_size_are_refused(shard, frames):
    found, messages = read(shard, frames, shape=(8, 8, 1))
    assert found == [None] * 5
    assert messages[0] == "its frame is 8x8x3, the data set's are 8x8x1"


@pytest.mark.parametrize("name", ["frame", "width"])
def test_a_missing_feature_is_named(tmp_path, shard, frames, name):
    path = tmp_path / "poor.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in tf.data.TFRecordDataset(str(shard)).take(1):
            example = tf.train.Example.FromString(record.numpy())
            del example.features.feature[name]
            writer.write(example.SerializeToString())
    assert read(path, frames) == ([None], [f"feature {name!r} is missing"])


def test_other_records_are_refused(tmp_path, frames):
    path = tmp_path / "other.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        writer.write(b"\xff\xff no Example")
    assert read(path, frames) == ([None], ["not a tf.train.Example"])


def test_what_cannot_be_written_is_a_run_error(tmp_path, frames):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        write(tmp_path / "file", frames)


def test_a_full_disk_is_told_in_one_line(tmp_path, frames):
    many = np.tile(frames[0], (64, 64, 1))  # more than TensorFlow keeps to itself
    with files_of_at_most(1000), pytest.raises(RunError) as caught:
        write(tmp_path, [many] * 5)
    assert str(caught.value).startswith(f"cannot write {tmp_path / 'train-00000.tfrecord'}: ")
    assert "File too large" in str(caught.value)
    assert "\n" not in str(caught.value)
