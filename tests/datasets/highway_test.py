"""The dataset that a config names: Highway's training, validation and test windows."""

import hashlib

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.datasets.records import builder
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions

T = 6


def build(folder, channels=1):
    """A dataset of 60 training, 20 validation and 20 + 8 test frames of noise."""
    rng = np.random.default_rng(0)
    for name, count in {"drive": 100, "other": 8}.items():
        frames = rng.integers(0, 256, (count, channels, 16, 16), np.uint8)
        np.save(folder / f"{name}.npy", frames.transpose(0, 3, 2, 1))
    inputs = [folder / "drive.npy", folder / "other.npy"]
    options = builder.BuildOptions(
        FrameOptions(16, 16, channels=channels), "test:drive@80-,other", validation="0.25"
    )
    builder.build(inputs, folder / "data", options)
    return folder / "data"


def data_config(path, **changes):
    values = {
        "path": str(path),
        "size": 16,
        "num_frames": T,
        "num_inputs": 3,
        **changes,
    }
    values = {f"data.{name}": value for name, value in values.items()}
    return configs.replace(configs.create("highway"), values)


@pytest.fixture(name="path")
def _path(tmp_path):
    return build(tmp_path)


def pixels(batches):
    return np.concatenate([np.rint(batch * 255).astype(np.uint8) for batch in batches])


def windows_of(videos, split):
    frames = videos.records.splits[split].frames
    return np.stack([frames[i : i + T] for i in range(len(frames) - T + 1)])


@pytest.mark.parametrize(
    ("changes", "digest"),
    [
        ({}, "8620a4a07ca19731374935f0d0b46a8755161a839f8ab3a02a7761a7d9728732"),
        (
            {"frame_stride": 2, "mirror": True, "reverse": True},
            "1a0302314030245e155fa5d7b2caa43c6986bb3f91c20286d4f734784942e433",
        ),
        (
            {"random_stride": 3, "mirror": True},
            "d88db194717bc3d5d04e9e1b7073941346fcecc3101b4527443cc287529595f8",
        ),
    ],
)
@pytest.mark.parametrize("cache_mib", [1024, 0])
def test_the_published_runs_saw_these_batches_in_this_order(path, changes, digest, cache_mib):
    """The digests are of the program that trained them; from memory and from disk alike."""
    videos = open_dataset(data_config(path, cache_mib=cache_mib, **changes))
    batches = pixels(videos.train(seed=3, batch_size=8).take(9).as_numpy_iterator())
    assert hashlib.sha256(batches.tobytes()).hexdigest() == digest


def test_the_published_data_have_this_fingerprint(path):
    fingerprint = "6145572867a73b20f9b4a812b0e72d3c058e16851e124e799d90f5e5872ba3be"
    assert open_dataset(data_config(path)).fingerprint == fingerprint


def test_workers_share_the_changed_batches_of_one(path):
    videos = open_dataset(data_config(path, mirror=True, random_stride=2, contrast=0.3))
    whole = list(videos.train(3, 6, first_step=2).take(3).as_numpy_iterator())
    parts = [videos.train(3, 2, 2, (3, i)).take(3).as_numpy_iterator() for i in range(3)]
    for batch, *together in zip(whole, *parts, strict=True):
        np.testing.assert_array_equal(np.concatenate(together), batch)


def test_no_split_leaves_the_autotuner_to_hold_up_the_end_of_a_run(path, digits_file):
    drive = open_dataset(data_config(path))
    digits = open_dataset(configs.replace(configs.create(), {"data.path": str(digits_file)}))
    for videos in (drive, digits):
        for batches in (videos.train(0, 2), videos.validation(4, 2), videos.test(4)):
            assert batches.options().autotune.enabled is False


def test_splits_have_the_windows_counted_by_hand(path):
    videos = open_dataset(data_config(path))
    assert videos.source.endswith("55 training windows of 6 frames, 18 test windows")
    assert videos.test_size == 15 + 3
    assert videos.test_recordings == ["drive"] * 15 + ["other"] * 3
    test = pixels(videos.test())
    assert test.shape == (18, T, 16, 16, 1)
    np.testing.assert_array_equal(test[:15], windows_of(videos, "test")[:15])
    np.testing.assert_array_equal(pixels(videos.test(4, batch_size=3)), test[:4])


def test_validation_windows_are_spread_over_the_split(path):
    videos = open_dataset(data_config(path))
    every = windows_of(videos, "validation")
    assert len(every) == 15
    np.testing.assert_array_equal(pixels(videos.validation(5, 2)), every[::3])
    assert len(pixels(videos.validation(64, 8))) == 15


def test_mirrored_windows_are_whole_and_the_same_after_a_resume(path):
    videos = open_dataset(data_config(path, mirror=True))
    plain = {window.tobytes() for window in windows_of(videos, "train")}
    turned = {window[:, :, ::-1].tobytes() for window in windows_of(videos, "train")}
    batches = list(videos.train(seed=3, batch_size=8).take(6).as_numpy_iterator())
    drawn = [window.tobytes() for window in pixels(batches)]
    assert set(drawn) <= plain | turned
    assert 10 < sum(window in turned for window in drawn) < 38  # of 48; 0.5 expected
    resumed = videos.train(seed=3, batch_size=8, first_step=4).take(2).as_numpy_iterator()
    np.testing.assert_array_equal(pixels(resumed), pixels(batches[4:]))


def test_without_mirror_no_window_is_turned(path):
    videos = open_dataset(data_config(path))
    plain = {window.tobytes() for window in windows_of(videos, "train")}
    drawn = pixels(videos.train(seed=3, batch_size=8).take(6).as_numpy_iterator())
    assert {window.tobytes() for window in drawn} <= plain


def test_every_split_is_read_with_the_frame_stride_of_the_config(path):
    videos = open_dataset(data_config(path, frame_stride=2))
    assert videos.source.endswith("50 training windows of 6 frames, 10 test windows")
    frames = videos.records.splits["test"].frames[:20]
    expected = np.stack([frames[i : i + 2 * T : 2] for i in range(10)])
    np.testing.assert_array_equal(pixels(videos.test()), expected)
    frames = videos.records.splits["validation"].frames
    np.testing.assert_array_equal(pixels(videos.validation(1, 1)), frames[None, : 2 * T : 2])
    frames = videos.records.splits["train"].frames
    plain = {frames[i : i + 2 * T : 2].tobytes() for i in range(50)}
    drawn = pixels(videos.train(seed=3, batch_size=8).take(6).as_numpy_iterator())
    assert {window.tobytes() for window in drawn} <= plain


def test_training_windows_of_random_strides_are_windows_of_those_strides(path):
    videos = open_dataset(data_config(path, frame_stride=2, random_stride=3))
    assert videos.source.endswith("45 training windows of 6 frames, 10 test windows")
    frames = videos.records.splits["train"].frames
    strides = {frames[i:][: 6 * s : s].tobytes(): s for i in range(45) for s in (1, 2, 3)}
    drawn = pixels(videos.train(seed=3, batch_size=8).take(6).as_numpy_iterator())
    assert {strides[window.tobytes()] for window in drawn} == {1, 2, 3}


def test_frames_larger_than_the_config_wants_are_averaged(path):
    videos = open_dataset(data_config(path, size=8))
    expected = windows_of(videos, "test")[:15].reshape(15, T, 8, 2, 8, 2, 1).mean((3, 5))
    found = np.concatenate(list(videos.test()))[:15]
    np.testing.assert_allclose(found, expected / 255, atol=1e-6)
    assert next(iter(videos.train(0, 3))).shape[2:] == (8, 8, 1)
    assert next(iter(videos.validation(3, 3))).shape[2:] == (8, 8, 1)


def test_frames_or_squares_with_too_few_pixels_are_refused(path):
    with pytest.raises(UserError, match=r"16x16 pixels.*wants 32.*: build it with --size=32x32"):
        open_dataset(data_config(path, size=32))
    videos = open_dataset(data_config(path, size=8, crop=0.4))
    message = r"crop=0.4 of .*16x16 pixels.* 8x8.*data.crop=0.5, or"
    with pytest.raises(UserError, match=message):
        videos.train(0, 3)
    with pytest.raises(UserError, match=message):
        videos.in_graph(0, 3)
    assert next(iter(videos.test())).shape[2:] == (8, 8, 1)  # whole frames
    assert not videos.has_training


def test_examples_are_spread_over_the_test_windows(path):
    videos = open_dataset(data_config(path))
    assert videos.examples(18, 2) == [4, 13]
    assert videos.examples(1, 4) == [0]


def test_colours_are_read_and_another_number_of_channels_is_refused(tmp_path):
    path = build(tmp_path, channels=3)
    videos = open_dataset(data_config(path, channels=3))
    np.testing.assert_array_equal(pixels(videos.test())[:15], windows_of(videos, "test")[:15])
    with pytest.raises(UserError, match=r"3 channels.*--color=grey.*--set data\.channels=3"):
        open_dataset(data_config(path))


def test_a_missing_dataset_says_how_to_build_one(tmp_path):
    with pytest.raises(UserError, match="python data/build_highway.py --input VIDEO.*make data-"):
        open_dataset(data_config(tmp_path / "none"))


def test_damage_is_refused_or_left_out_as_the_config_says(path):
    shard = next(path.glob("*train*.tfrecord*"))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(UserError, match=f"{shard.name}, record 59.*--skip_corrupt"):
        open_dataset(data_config(path))
    videos = open_dataset(data_config(path, skip_corrupt=True))
    assert videos.records.lost == 1
    assert "54 training windows" in videos.source


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"frame_stride": 2},
        {"mirror": True, "reverse": True, "contrast": 0.3},
        {"size": 8, "crop": 0.75},
        {"random_stride": 3, "reverse": True},
    ],
)
def test_batches_drawn_inside_a_compiled_step_are_those_of_the_stream(path, changes):
    videos = open_dataset(data_config(path, **changes))
    draw = tf.function(videos.in_graph(3, 8), jit_compile=True, autograph=False)
    for number, batch in enumerate(videos.train(3, 8).take(9)):  # 55 windows: into a second epoch
        np.testing.assert_allclose(draw(tf.constant(number, tf.int64)), batch, atol=1e-5)


def test_moving_mnist_drawn_inside_a_compiled_step_is_that_of_the_stream(digits_file):
    config = configs.replace(configs.create(), {"data.path": str(digits_file)})
    videos = open_dataset(config)
    draw = tf.function(videos.in_graph(3, 2), jit_compile=True, autograph=False)
    for number, batch in enumerate(videos.train(3, 2).take(3)):
        np.testing.assert_array_equal(draw(tf.constant(number, tf.int64)), batch)


def test_a_compiled_step_needs_a_batch_of_windows(path):
    with pytest.raises(UserError, match="55 windows, a compiled step needs a batch's 56"):
        open_dataset(data_config(path)).in_graph(0, 56)
