"""Tests of reading: the right windows in the right order, and every kind of damage named."""

import hashlib
import json

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.datasets.records import builder, reader, tfrecords
from lmvp_tf.datasets.records.frames import Disk, Memory
from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions

T = 6


def drive(count, seed, channels=1):
    """uint8 [count, 16, 16, channels]: a smooth random texture that moves by one pixel a frame."""
    rng = np.random.default_rng(seed)
    y, x, t = np.mgrid[:16, :16, :count]
    waves = np.zeros((16, 16, count, channels))
    for _ in range(8):
        ky, kx, phase = rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), rng.uniform(0, 6, channels)
        waves += np.sin((kx * (x + t) + ky * y)[..., None] + phase)
    return np.moveaxis(128 + 15 * waves, 2, 0).clip(0, 255).astype(np.uint8)


DRIVES = {
    "a": drive(60, 1),  # train 0-49, test 50-59
    "b": np.concatenate([drive(20, 2), drive(20, 3)]),  # train, a cut at 20
    "c": drive(9, 4),  # test
}


def build(folder, drives, split, validation="0", channels=1, stride=1):
    inputs = []
    for name, frames in drives.items():
        inputs.append(folder / f"{name}.npy")
        np.save(inputs[-1], frames)
    frame_options = FrameOptions(16, 16, channels=channels, stride=stride)
    options = builder.BuildOptions(frame_options, split, validation)
    builder.build(inputs, folder / "data", options)
    return folder / "data"


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecords, "SHARD_BYTES", 16 * 383)  # 16 frames
    return build(tmp_path, DRIVES, "test:a@50-,c")


@pytest.fixture(params=["memory", "disk"])
def dataset(path, request):
    return reader.open_records(path, cache_bytes=2**30 if request.param == "memory" else 0)


def stack(batches):
    return np.concatenate([batch.numpy() for batch in batches])


def expected_windows(runs):
    """Windows of [(clip, first, end), ...] as uint8 [N, T, H, W, C]."""
    starts = [(clip, i) for clip, a, b in runs for i in range(a, b - T + 1)]
    return np.stack([DRIVES[clip][i : i + T] for clip, i in starts])


def windows_at(dataset, split, length=T, **options):
    """[(recording, number of the first frame)] of the windows, by their pixels."""
    index = reader.window_index(dataset, split, length, **options)
    frames = reader.open_records(dataset.path).splits[split].frames
    known = {
        frame.tobytes(): (name, number)
        for name, drive in DRIVES.items()
        for number, frame in enumerate(drive)
    }
    found = [known[frames[start].tobytes()] for start in index.starts(np.arange(len(index)))]
    names = [recording.name for recording in dataset.index.recordings]
    assert [names[i] for i in index.recordings()] == [name for name, _ in found]
    return found


def window_numbers(dataset, batches, split="train"):
    """Which window each element of the batches is, by its pixels."""
    index = reader.window_index(dataset, split, T)
    frames = reader.open_records(dataset.path).splits[split].frames
    starts = index.starts(np.arange(len(index)))
    known = {frames[start : start + T].tobytes(): i for i, start in enumerate(starts)}
    pixels = np.rint(stack(batches) * 255).astype(np.uint8)
    return [known[window.tobytes()] for window in pixels]


def test_the_test_split_visits_every_window_once_in_order(dataset):
    batches = list(reader.windows(dataset, "test", T, batch_size=4))
    assert [len(batch) for batch in batches] == [4, 4, 1]  # 5 of a and 4 of c
    assert batches[0].dtype == tf.float32
    expected = expected_windows([("a", 50, 60), ("c", 0, 9)])
    np.testing.assert_array_equal(stack(batches), (expected / np.float32(255)).astype(np.float32))


def test_windows_know_their_recording(dataset):
    expected = [("a", i) for i in range(50, 55)] + [("c", i) for i in range(4)]
    assert windows_at(dataset, "test") == expected


def test_frames_are_the_films_where_frames_were_dropped(tmp_path):
    path = build(tmp_path, DRIVES, "test:a@40-", stride=2)
    expected = [("a", i) for i in (40, 42, 44, 46, 48)]
    assert windows_at(reader.open_records(path), "test") == expected


def test_no_window_crosses_a_cut_a_clip_or_the_split(dataset):
    # 45 of a, and 15 on either side of the cut in b
    numbers = [("a", range(45)), ("b", range(15)), ("b", range(20, 35))]
    assert windows_at(dataset, "train") == [(name, i) for name, part in numbers for i in part]
    expected = expected_windows([("a", 0, 50), ("b", 0, 20), ("b", 20, 40)])
    windows = np.rint(stack(reader.windows(dataset, "train", T, 16)) * 255).astype(np.uint8)
    np.testing.assert_array_equal(windows, expected)


def test_windows_of_longer_runs_only(dataset):
    assert len(reader.window_index(dataset, "train", 20)) == 31 + 1 + 1
    assert len(reader.window_index(dataset, "train", 21)) == 30
    with pytest.raises(
        UserError, match=r"train has no 51 frames in a row \(90 in all, 50 in a row\)"
    ):
        reader.windows(dataset, "train", 51, 2)
    with pytest.raises(UserError, match="validation has no 6 frames in a row"):
        reader.windows(dataset, "validation", T, 2)


def test_stride_starts_anew_after_every_boundary(dataset):
    found = windows_at(dataset, "train", stride=7)
    assert [number for _, number in found] == [0, 7, 14, 21, 28, 35, 42, 0, 7, 14, 20, 27, 34]


def test_windows_of_every_second_frame_begin_at_every_frame_and_cross_nothing(dataset):
    found = windows_at(dataset, "train", frame_stride=2)  # 11 frames from end to end
    assert [number for _, number in found] == [*range(40), *range(10), *range(20, 30)]
    starts = [
        (clip, i) for clip, a, b in (("a", 0, 40), ("b", 0, 10), ("b", 20, 30)) for i in range(a, b)
    ]
    expected = np.stack([DRIVES[clip][i : i + 2 * T : 2] for clip, i in starts])
    windows = stack(reader.windows(dataset, "train", T, 16, frame_stride=2))
    np.testing.assert_array_equal(np.rint(windows * 255), expected)
    with pytest.raises(
        UserError, match=r"test has no 11 frames in a row \(19 in all, 10 in a row\)"
    ):
        reader.windows(dataset, "test", T, 2, frame_stride=2)


def test_an_epoch_has_every_window_once_in_a_new_order(dataset):
    batches = reader.windows(dataset, "train", T, batch_size=5, seed=1).take(30)
    numbers = window_numbers(dataset, batches)  # 75 windows: two epochs
    assert sorted(numbers[:75]) == sorted(numbers[75:]) == list(range(75))
    assert numbers[:75] != numbers[75:]


def test_batches_are_not_of_neighbours(dataset):
    batches = reader.windows(dataset, "train", T, batch_size=15, seed=0).take(20)
    numbers = np.array(window_numbers(dataset, batches)).reshape(20, 15)
    following = np.abs(np.diff(numbers, axis=1)) <= 2
    assert following.mean() < 0.12  # by chance 2 * 2 / 75 = 0.053 of the pairs
    assert (numbers.max(1) - numbers.min(1)).min() > 37


def test_the_seed_decides_the_batches(dataset):
    def first(seed):
        return stack(reader.windows(dataset, "train", T, 8, seed=seed).take(12))

    np.testing.assert_array_equal(first(3), first(3))
    assert not np.array_equal(first(3), first(4))


@pytest.mark.parametrize("step", [1, 9, 25, 40])
def test_a_run_goes_on_exactly_where_it_was(dataset, step):
    whole = stack(reader.windows(dataset, "train", T, 4, seed=2).take(step + 3))
    rest = stack(reader.windows(dataset, "train", T, 4, seed=2, first_step=step).take(3))
    np.testing.assert_array_equal(rest, whole[4 * step :])


def test_workers_share_the_batch_of_one(dataset):
    whole = stack(reader.windows(dataset, "train", T, 6, seed=5, first_step=7).take(9))
    parts = [
        stack(reader.windows(dataset, "train", T, 2, seed=5, first_step=7, shard=(3, i)).take(9))
        for i in range(3)
    ]
    together = np.stack([part.reshape(9, 2, *part.shape[1:]) for part in parts], axis=1)
    np.testing.assert_array_equal(together.reshape(whole.shape), whole)


def test_workers_share_a_finite_pass(dataset):
    parts = [reader.windows(dataset, "test", T, 2, shard=(2, i)) for i in range(2)]
    numbers = [window_numbers(dataset, part, "test") for part in parts]
    assert numbers == [[0, 2, 4, 6, 8], [1, 3, 5, 7]]


def test_rgb(tmp_path):
    frames = drive(12, 7, channels=3)
    dataset = reader.open_records(build(tmp_path, {"c": frames}, "test:c", channels=3))
    (batch,) = reader.windows(dataset, "test", T, 16)
    assert batch.shape == (7, T, 16, 16, 3)
    np.testing.assert_array_equal(np.rint(batch[6] * 255), frames[6:])
    assert dataset.index.shape == (16, 16, 3)


@pytest.mark.parametrize("cache_bytes", [2**30, 0])
def test_the_hash_names_the_data(path, cache_bytes):
    first, again = (reader.open_records(path, cache_bytes=cache_bytes) for _ in range(2))
    digests = {name: split.sha256 for name, split in first.splits.items()}
    assert digests == {name: split.sha256 for name, split in again.splits.items()}
    assert len(set(digests.values())) == 3


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


def test_without_a_dataset_the_message_says_how_to_build_one(tmp_path):
    command = rf"python data/build_videos\.py --input VIDEO\.\.\. --output {tmp_path}/none"
    with pytest.raises(UserError, match=command):
        reader.open_records(tmp_path / "none")


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


def test_what_is_more_than_the_bound_stays_on_disk(path):
    size = 16 * 16
    dataset = reader.open_records(path, cache_bytes=19 * size + 89 * size)
    kinds = {split: type(part) for split, part in dataset.splits.items()}
    assert kinds == {"train": Disk, "validation": Memory, "test": Memory}


@pytest.mark.parametrize("cache_bytes", [2**30, 0])
def test_of_very_many_windows_the_order_is_a_function(path, monkeypatch, cache_bytes):
    """Every window once an epoch, each in its order; exact on resume, and workers' parts too."""
    monkeypatch.setattr(reader, "_LISTED", 74)
    dataset = reader.open_records(path, cache_bytes=cache_bytes)
    whole = stack(reader.windows(dataset, "train", T, 5, seed=1).take(30))
    numbers = window_numbers(dataset, [tf.constant(whole)])
    assert sorted(numbers[:75]) == sorted(numbers[75:]) == list(range(75))
    assert numbers[:75] != numbers[75:]
    assert np.mean(np.abs(np.diff(numbers)) <= 2) < 0.15
    rest = stack(reader.windows(dataset, "train", T, 5, seed=1, first_step=13).take(3))
    np.testing.assert_array_equal(rest, whole[65:80])
    part = stack(reader.windows(dataset, "train", T, 1, seed=1, shard=(5, 3)).take(30))
    np.testing.assert_array_equal(part, whole[3::5])


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
