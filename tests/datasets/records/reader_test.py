"""Tests of reading: the right windows in the right order, and every kind of damage named."""

import hashlib
import json

import h5py
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.datasets.records import builder, reader, tfrecords
from lmvp_tf.datasets.video_sources import FrameOptions
from lmvp_tf.errors import UserError

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


def build(folder, drives, split, validation=0.0, channels=1, stride=1):
    inputs = []
    for name, frames in drives.items():
        inputs.append(folder / f"{name}.h5")
        with h5py.File(inputs[-1], "w") as file:
            file["highway_L"] = frames.transpose(0, 3, 2, 1)
    frame_options = FrameOptions(size=16, channels=channels, stride=stride)
    options = builder.BuildOptions(frame_options, split, validation)
    builder.build(inputs, folder / "data", options)
    return folder / "data"


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecords, "SHARD_FRAMES", 16)
    return build(tmp_path, DRIVES, "test:a@50-,c")


@pytest.fixture
def dataset(path):
    return reader.open_dataset(path)


def stack(batches):
    return np.concatenate([batch.numpy() for batch in batches])


def expected_windows(runs):
    """Windows of [(clip, first, end), ...] as uint8 [N, T, H, W, C]."""
    starts = [(clip, i) for clip, a, b in runs for i in range(a, b - T + 1)]
    return np.stack([DRIVES[clip][i : i + T] for clip, i in starts])


def window_numbers(dataset, batches, split="train"):
    """Which window each element of the batches is, by its pixels."""
    index = reader.window_index(dataset, split, T)
    frames = dataset.splits[split].frames
    known = {frames[start : start + T].tobytes(): i for i, start in enumerate(index.starts)}
    pixels = np.rint(stack(batches) * 255).astype(np.uint8)
    return [known[window.tobytes()] for window in pixels]


def test_the_test_split_visits_every_window_once_in_order(dataset):
    batches = list(reader.windows(dataset, "test", T, batch_size=4))
    assert [len(batch) for batch in batches] == [4, 4, 1]  # 5 of a and 4 of c
    assert batches[0].dtype == tf.float32
    expected = expected_windows([("a", 50, 60), ("c", 0, 9)])
    np.testing.assert_array_equal(stack(batches), (expected / np.float32(255)).astype(np.float32))


def test_windows_know_their_clip_and_frame(dataset):
    index = reader.window_index(dataset, "test", T)
    assert index.clips.tolist() == ["a"] * 5 + ["c"] * 4
    assert index.first_frames.tolist() == [50, 51, 52, 53, 54, 0, 1, 2, 3]


def test_frame_numbers_are_the_sources_where_frames_were_dropped(tmp_path):
    path = build(tmp_path, DRIVES, "test:a@40-", stride=2)
    index = reader.window_index(reader.open_dataset(path), "test", T)
    assert index.first_frames.tolist() == [40, 42, 44, 46, 48]


def test_no_window_crosses_a_cut_a_clip_or_the_split(dataset):
    index = reader.window_index(dataset, "train", T)
    # 45 of a, and 15 on either side of the cut in b
    assert index.clips.tolist() == ["a"] * 45 + ["b"] * 30
    assert index.first_frames.tolist() == [*range(45), *range(15), *range(20, 35)]
    expected = expected_windows([("a", 0, 50), ("b", 0, 20), ("b", 20, 40)])
    windows = np.rint(stack(reader.windows(dataset, "train", T, 16)) * 255).astype(np.uint8)
    np.testing.assert_array_equal(windows, expected)


def test_windows_of_longer_runs_only(dataset):
    assert len(reader.window_index(dataset, "train", 20).starts) == 31 + 1 + 1
    assert len(reader.window_index(dataset, "train", 21).starts) == 30
    with pytest.raises(UserError, match=r"train has no 51 frames in a row \(90 in all\)"):
        reader.window_index(dataset, "train", 51)
    with pytest.raises(UserError, match="validation has no 6 frames in a row"):
        reader.windows(dataset, "validation", T, 2)


def test_stride_starts_anew_after_every_boundary(dataset):
    index = reader.window_index(dataset, "train", T, stride=7)
    assert index.first_frames.tolist() == [0, 7, 14, 21, 28, 35, 42, 0, 7, 14, 20, 27, 34]


def test_windows_of_every_second_frame_begin_at_every_frame_and_cross_nothing(dataset):
    index = reader.window_index(dataset, "train", T, frame_stride=2)  # 11 frames from end to end
    assert index.first_frames.tolist() == [*range(40), *range(10), *range(20, 30)]
    starts = [
        (clip, i) for clip, a, b in (("a", 0, 40), ("b", 0, 10), ("b", 20, 30)) for i in range(a, b)
    ]
    expected = np.stack([DRIVES[clip][i : i + 2 * T : 2] for clip, i in starts])
    windows = stack(reader.windows(dataset, "train", T, 16, frame_stride=2))
    np.testing.assert_array_equal(np.rint(windows * 255), expected)
    with pytest.raises(UserError, match=r"test has no 11 frames in a row \(19 in all\)"):
        reader.window_index(dataset, "test", T, frame_stride=2)


def test_frames_and_starts_give_the_same_windows(dataset):
    frames, starts = reader.frames_and_starts(dataset, "train", T)
    gathered = frames[starts[:, None] + np.arange(T)]
    windows = stack(reader.windows(dataset, "train", T, 8))
    np.testing.assert_array_equal(np.rint(windows * 255), gathered)


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
    dataset = reader.open_dataset(build(tmp_path, {"c": frames}, "test:c", channels=3))
    (batch,) = reader.windows(dataset, "test", T, 16)
    assert batch.shape == (7, T, 16, 16, 3)
    np.testing.assert_array_equal(np.rint(batch[6] * 255), frames[6:])
    assert (dataset.size, dataset.channels) == (16, 3)


def test_the_hash_names_the_data(path, dataset):
    again = reader.open_dataset(path)
    digests = {name: split.sha256 for name, split in dataset.splits.items()}
    assert digests == {name: split.sha256 for name, split in again.splits.items()}
    assert len(set(digests.values())) == 3


SHARD = "train-a-0000016.tfrecord"  # frames 16-31 of a


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
    rewrite(file, lambda feature: feature.pop("number"))


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
        (drop_a_feature, "record 5: feature 'number' is missing", 21, 1),
        (shrink_a_frame, "record 5: its frame is 8x16x1, the dataset's are 16x16x1", 21, 1),
        (drop_pixels, "record 5: 3 bytes of pixels instead of 256", 21, 1),
        (remove, "No such file", 16, 16),
    ],
)
def test_damage_is_named_or_skipped_and_counted(path, caplog, spoil, message, first, lost):
    spoil(path / SHARD)
    with pytest.raises(UserError, match=f"{SHARD}.*{message}.*--skip_corrupt"):
        reader.open_dataset(path)
    dataset = reader.open_dataset(path, skip_corrupt=True)
    assert dataset.lost == lost
    assert f"damage costs {lost} frames" in caplog.text
    left = [*range(first), *range(first + lost, 50)]
    assert dataset.splits["train"].numbers[: 50 - lost].tolist() == left
    index = reader.window_index(dataset, "train", T)
    expected = [i for i in range(45) if not set(range(i, i + T)) - set(left)]
    assert index.first_frames[index.clips == "a"].tolist() == expected


def test_a_shard_of_another_dataset_is_refused(path):
    (path / SHARD).write_bytes((path / "train-a-0000000.tfrecord").read_bytes())
    with pytest.raises(UserError, match=f"{SHARD}: not the file that was built"):
        reader.open_dataset(path)


def test_a_shard_of_fewer_records_is_refused(path):
    data = (path / SHARD).read_bytes()
    (path / SHARD).write_bytes(data[: 5 * record_length(data)])
    with pytest.raises(UserError, match=f"{SHARD}, record 5: it has 5 instead of 16"):
        reader.open_dataset(path)


def test_without_a_dataset_the_message_says_how_to_build_one(tmp_path):
    command = rf"python data/build_highway\.py --input VIDEO\.\.\. --output {tmp_path}/none"
    with pytest.raises(UserError, match=command):
        reader.open_dataset(tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "damaged .* build the dataset again"),
        ("[]", "not the index of a Highway dataset"),
        (
            '{"format": "lmvp_tf highway", "version": 99}',
            "version 99, this program reads version 1",
        ),
        ('{"format": "lmvp_tf highway", "version": 1}', "damaged .'parameters'."),
    ],
)
def test_a_damaged_index_is_refused(path, text, message):
    (path / "dataset.json").write_text(text)
    with pytest.raises(UserError, match=message):
        reader.open_dataset(path)


def test_frames_that_do_not_fit_into_memory_are_refused_at_once(path):
    index = json.loads((path / "dataset.json").read_text())
    index["shards"][0]["frames"] = 10**13
    (path / "dataset.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"need 2384\d+\.\d GiB of memory: build it with a larger"):
        reader.open_dataset(path)
