"""The right windows in the right order."""

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.datasets.records import reader
from lmvp_tf.datasets.records.frames import Disk, Memory
from lmvp_tf.errors import UserError
from tests.datasets.records.drives import DRIVES, T, build, drive, stack, windows_at


@pytest.fixture(params=["memory", "disk"])
def dataset(path, request):
    return reader.open_records(path, cache_bytes=2**30 if request.param == "memory" else 0)


def expected_windows(runs):
    """Windows of [(clip, first, end), ...] as uint8 [N, T, H, W, C]."""
    starts = [(clip, i) for clip, a, b in runs for i in range(a, b - T + 1)]
    return np.stack([DRIVES[clip][i : i + T] for clip, i in starts])


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


def test_without_a_dataset_the_message_says_how_to_build_one(tmp_path):
    command = rf"python data/build_videos\.py --input VIDEO\.\.\. --output {tmp_path}/none"
    with pytest.raises(UserError, match=command):
        reader.open_records(tmp_path / "none")


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
