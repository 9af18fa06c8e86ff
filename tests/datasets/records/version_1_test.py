"""Data sets that version 1 wrote are read as they were."""

import hashlib
import json

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.datasets.records import reader
from tests.datasets.records.drives import DRIVES, T, stack, windows_at


def old_format(folder):
    """The data set of `path` as version 1 wrote it: one recording's segment a shard, no index."""
    parts = [("train", "a", 0, 0, 50), ("test", "a", 1, 50, 60), ("train", "b", 0, 0, 20)]
    parts += [("train", "b", 1, 20, 40), ("test", "c", 0, 0, 9)]
    shards = []
    for split, name, segment, first, end in parts:
        file = folder / f"{split}-{name}-{first:07}.tfrecord"
        with tf.io.TFRecordWriter(str(file)) as writer:
            for number in range(first, end):
                values = {"height": 16, "width": 16, "channels": 1, "number": 100 * number}
                features = {
                    key: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
                    for key, value in values.items()
                }
                pixels = tf.train.BytesList(value=[DRIVES[name][number].tobytes()])
                features["frame"] = tf.train.Feature(bytes_list=pixels)
                example = tf.train.Example(features=tf.train.Features(feature=features))
                writer.write(example.SerializeToString())
        shards.append(
            {
                "file": file.name,
                "split": split,
                "clip": name,
                "segment": segment,
                "first_frame": first,
                "frames": end - first,
                "sha256": hashlib.sha256(file.read_bytes()).hexdigest(),
            }
        )
    index = {
        "format": "lmvp_tf highway",
        "version": 1,
        "parameters": {"size": 16, "crop": "none", "channels": 1, "stride": 2, "fps": None},
        "clips": [{"name": name, "fps": 12.5} for name in DRIVES],
        "shards": shards,
    }
    (folder / "dataset.json").write_text(json.dumps(index))


@pytest.mark.parametrize("cache_bytes", [2**30, 0])
def test_data_sets_of_version_1_are_the_same(path, tmp_path, cache_bytes):
    (tmp_path / "old").mkdir()
    old_format(tmp_path / "old")
    old = reader.open_records(tmp_path / "old", cache_bytes=cache_bytes)
    new = reader.open_records(path)
    assert (old.index.films.crop, old.index.films.stride) == ("none", 2)
    for split in ("train", "test"):
        assert windows_at(old, split) == windows_at(new, split)
        first = [stack(reader.windows(part, split, T, 8, seed=1).take(3)) for part in (old, new)]
        np.testing.assert_array_equal(*first)
    if cache_bytes:
        assert old.splits["train"].sha256 == new.splits["train"].sha256
