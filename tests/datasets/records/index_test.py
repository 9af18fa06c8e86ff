"""A dataset.json that somebody else wrote: nothing outside of its folder is read, nor too much."""

import json
import os
import struct

import google_crc32c
import numpy as np
import pytest

from lmvp_tf.datasets.records import builder, index, reader
from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions

SHARD = "train-00000.tfrecord"


@pytest.fixture(name="folder", scope="module")
def _folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("films")
    frames = np.random.default_rng(0).integers(0, 255, (30, 16, 16, 1), np.uint8)
    np.save(folder / "a.npy", frames)
    options = builder.BuildOptions(FrameOptions(16, 16), "fraction:0.8", "0.1")
    builder.build([folder / "a.npy"], folder / "data", options)
    return folder / "data"


@pytest.fixture(name="copy")
def _copy(folder, tmp_path):
    for path in folder.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    return tmp_path


def _refusal(folder, cache_bytes=2**30):
    with pytest.raises(UserError) as caught:
        reader.open_records(folder, cache_bytes=cache_bytes)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _change(folder, place, value):
    values = json.loads((folder / index.FILE).read_text())
    part = values
    for key in place[:-1]:
        part = part[key]
    part[place[-1]] = value
    (folder / index.FILE).write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("shards", 0, "file"), "../x.tfrecord"),
        (("shards", 0, "file"), "/etc/passwd"),
        (("shards", 0, "file"), ".."),
        (("shards", 0, "file"), "a\0b"),
        (("shards", 0, "file"), ""),
        (("shards", 0, "frames"), 10**12),
        (("shards", 0, "frames"), 25),
        (("shards", 0, "frames"), -1),
        (("shards", 0, "frames"), 1.5),
        (("shards", 0, "bytes"), 10),
        (("shards", 0, "split"), "other"),
        (("shards", 0, "sha256"), "0"),
        (("shards",), {}),
        (("runs", "train", 0, 0), 7),
        (("runs", "train", 0, 1), 7),
        (("runs", "train", 0, 3), 10**9),
        (("runs", "train", 0, 4), 2**39),
        (("runs", "train", 0), [0]),
        (("runs", "train"), None),
        (("films", "height"), 10**6),
        (("films", "channels"), 2),
        (("films", "crop"), "middle"),
        (("films", "fps"), -1),
        (("recordings", 0, "name"), 5),
        (("recordings",), [[]]),
        (("format",), []),
        (("version",), []),
        (("version",), "1"),
    ],
)
@pytest.mark.parametrize("cache_bytes", [2**30, 0])
def test_what_cannot_be_is_refused(copy, place, value, cache_bytes):
    _change(copy, place, value)
    assert "dataset.json" in _refusal(copy, cache_bytes)


def test_deep_nesting_is_refused(copy):
    (copy / index.FILE).write_text('{"a":' * 100_000)
    assert "dataset.json is damaged" in _refusal(copy)


@pytest.mark.parametrize("cache_bytes", [2**30, 0])
def test_shards_are_regular_files_in_the_folder(copy, tmp_path_factory, cache_bytes):
    content = (copy / SHARD).read_bytes()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / SHARD
    elsewhere.write_bytes(content)
    for make in (
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to(elsewhere),
        os.mkfifo,
        os.mkdir,
    ):
        (copy / SHARD).unlink()
        make(copy / SHARD)
        assert SHARD in _refusal(copy, cache_bytes)
        (copy / SHARD).rmdir() if (copy / SHARD).is_dir() else None
        (copy / SHARD).unlink(missing_ok=True)
        (copy / SHARD).write_bytes(content)
    reader.open_records(copy, cache_bytes=cache_bytes)


def test_a_record_of_absurd_length_is_not_read(copy):
    """Its checksum is right, as that of one who means it."""
    header = struct.pack("<Q", 2**60)
    crc = google_crc32c.value(header)
    crc = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    content = (copy / SHARD).read_bytes()
    (copy / SHARD).write_bytes(header + struct.pack("<I", crc) + content[12:])
    assert "record 0: the file ends inside it" in _refusal(copy)
