"""Every kind of damage to a data set is named, or skipped and counted."""

import hashlib
import json

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.datasets.records import reader
from lmvp_tf.errors import UserError
from tests.datasets.records.drives import DRIVES, T, stack

SHARD = "train-00001.tfrecord"  # frames 16-31 of a


def record_length(data):
    length = 16 + int.from_bytes(data[:8], "little")
    assert len(data) == 16 * length  # every record of this shard is as long
    return length


def truncate(file):
    data = file.read_bytes()
    file.write_bytes(data[: 5 * record_length(data) + 50])


def flip_a_pixel(file):
    data = bytearray(file.read_bytes())
    data[5 * record_length(data) + 100] ^= 1
    file.write_bytes(data)


def flip_a_length(file):
    data = bytearray(file.read_bytes())
    data[5 * record_length(data)] ^= 1
    file.write_bytes(data)


def rewrite(file, change):
    """Writes the shard anew with record 5 changed, CRCs and the listed sha256 all right."""
    examples = [tf.train.Example.FromString(r.numpy()) for r in tf.data.TFRecordDataset(str(file))]
    with tf.io.TFRecordWriter(str(file)) as writer:
        for i, example in enumerate(examples):
            if i == 5:
                change(example.features.feature)
            writer.write(example.SerializeToString())
    index = json.loads((file.parent / "dataset.json").read_text())
    for shard in index["shards"]:
        if shard["file"] == file.name:
            shard["sha256"] = hashlib.sha256(file.read_bytes()).hexdigest()
    (file.parent / "dataset.json").write_text(json.dumps(index))


def drop_a_feature(file):
    rewrite(file, lambda feature: feature.pop("width"))


def shrink_a_frame(file):
    rewrite(file, lambda feature: feature["height"].int64_list.value.__setitem__(0, 8))


def drop_pixels(file):
    rewrite(file, lambda feature: feature["frame"].bytes_list.value.__setitem__(0, b"few"))


def remove(file):
    file.unlink()


@pytest.mark.parametrize(
    ("spoil", "message", "first", "lost"),
    [
        (truncate, "record 5: the file ends inside it", 21, 11),
        (flip_a_pixel, "record 5: bad CRC of its data", 21, 1),
        (flip_a_length, "record 5: bad CRC of its length", 21, 11),
        (drop_a_feature, "record 5: feature 'width' is missing", 21, 1),
        (shrink_a_frame, "record 5: its frame is 8x16x1, the data set's are 16x16x1", 21, 1),
        (drop_pixels, "record 5: 3 bytes of pixels instead of 256", 21, 1),
        (remove, "No such file", 16, 16),
    ],
)
def test_damage_is_named_or_skipped_and_counted(path, caplog, spoil, message, first, lost):
    spoil(path / SHARD)
    with pytest.raises(UserError, match=f"{SHARD}.*{message}.*--skip_corrupt"):
        reader.open_records(path)
    dataset = reader.open_records(path, skip_corrupt=True)
    assert dataset.lost == lost
    assert f"damage costs {lost} frames" in caplog.text
    left = [*range(first), *range(first + lost, 50)]
    frames = dataset.splits["train"].frames
    np.testing.assert_array_equal(frames[: 50 - lost], DRIVES["a"][left])
    index = reader.window_index(dataset, "train", T)
    starts = index.starts(np.arange(len(index)))[index.recordings() == 0]
    expected = [i for i in range(45) if not set(range(i, i + T)) - set(left)]
    assert [left[start] for start in starts] == expected


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (flip_a_pixel, "record 5: bad CRC of its data"),
        (flip_a_length, "record 5: bad CRC of its length"),
    ],
)
def test_damage_on_disk_is_named_when_it_is_read_or_another_window_stands_in(path, spoil, message):
    good = stack(reader.windows(reader.open_records(path), "train", T, 8))
    spoil(path / SHARD)
    dataset = reader.open_records(path, cache_bytes=0)
    with pytest.raises(tf.errors.OpError, match=f"RunError: .*{SHARD}, {message}.*--skip_corrupt"):
        list(reader.windows(dataset, "train", T, 8))
    dataset = reader.open_records(path, skip_corrupt=True, cache_bytes=0)
    found = stack(reader.windows(dataset, "train", T, 8))
    assert len(found) == 75
    kept = {window.tobytes() for window in found}
    assert kept < {window.tobytes() for window in good}
    assert len(kept) == 75 - T  # those that hold the damaged frame are missing


@pytest.mark.parametrize("spoil", [truncate, remove])
def test_a_shard_that_is_cut_off_or_missing_is_seen_at_opening_also_on_disk(path, spoil):
    spoil(path / SHARD)
    with pytest.raises(UserError, match=f"{SHARD}: .*--skip_corrupt"):
        reader.open_records(path, cache_bytes=0)
    dataset = reader.open_records(path, skip_corrupt=True, cache_bytes=0)
    assert len(stack(reader.windows(dataset, "train", T, 8))) == 75


def test_a_shard_of_another_dataset_is_refused(path):
    (path / SHARD).write_bytes((path / "train-00000.tfrecord").read_bytes())
    with pytest.raises(UserError, match=f"{SHARD}: not the file that was built"):
        reader.open_records(path)


def test_a_shard_of_fewer_records_is_refused(path):
    data = (path / SHARD).read_bytes()
    (path / SHARD).write_bytes(data[: 5 * record_length(data)])
    with pytest.raises(UserError, match=f"{SHARD}, record 5: it has 5 instead of 16"):
        reader.open_records(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged .* build the data set again"),
        ("[]", "not the index of a data set of films"),
        ('{"format": "lmvp_tf video", "version": 99}', "version 99 .* reads version 1"),
        ('{"format": "lmvp_tf video", "version": 1}', "damaged .* missing required field `films`"),
        (
            '{"format": "lmvp_tf highway", "version": 1}',
            "damaged .* required field `parameters`",
        ),
    ],
)
def test_a_damaged_index_is_refused(path, text, message):
    (path / "dataset.json").write_text(text)
    with pytest.raises(UserError, match=message):
        reader.open_records(path)
