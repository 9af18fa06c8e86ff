"""Moving MNIST as a data set: its settings, its test set, in grey and in colour."""

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.datasets import moving_mnist_test_set
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.errors import UserError


@pytest.fixture(name="make")
def _make(digits_file):
    def make(**changes):
        values = {f"data.{name}": value for name, value in changes.items()}
        return configs.validate(
            configs.replace(
                configs.create(model="last_frame"), {"data.path": str(digits_file), **values}
            )
        )

    return make


@pytest.mark.parametrize(("size", "channels"), [(29, 1), (100, 3)])
def test_every_split_has_the_shape_of_the_settings(make, size, channels):
    videos = open_dataset(make(size=size, channels=channels, num_frames=6, num_inputs=3))
    shape = (2, 6, size, size, channels)
    for batches in (videos.train(1, 2), videos.validation(2, 2), videos.test(2, 2)):
        assert next(iter(batches)).shape == shape


def test_batches_drawn_inside_a_compiled_step_are_those_of_the_stream_in_colour(make):
    videos = open_dataset(make(channels=3))
    draw = tf.function(videos.in_graph(3, 2), jit_compile=True, autograph=False)
    for number, batch in enumerate(videos.train(3, 2).take(2)):
        np.testing.assert_array_equal(draw(tf.constant(number, tf.int64)), batch)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"size": 28}, "more than 28 pixels"),
        ({"width": 72}, "square .*Received: 64x72"),
        ({"channels": 2}, "data.channels must be one of 1, 3"),
    ],
)
def test_frames_on_which_no_digit_can_move_are_refused(make, changes, message):
    with pytest.raises(UserError, match=message):
        make(**changes)


def test_the_official_test_set_is_for_models_of_its_frames(make):
    for changes in ({"size": 32}, {"channels": 3}, {"num_frames": 21}):
        with pytest.raises(UserError, match="mnist_test_seq.npy: .*leave out --test_file"):
            make(test_file="mnist_test_seq.npy", **changes)


def test_of_the_official_test_set_as_many_frames_are_read_as_the_run_has(make, tmp_path):
    path = tmp_path / "mnist_test_seq.npy"
    frames = np.lib.format.open_memmap(path, "w+", np.uint8, (20, 10_000, 64, 64))
    frames[:, :3] = np.random.default_rng(0).integers(0, 256, (20, 3, 64, 64), np.uint8)
    frames.flush()
    videos = open_dataset(make(test_file=str(path), num_frames=12))
    (batch,) = videos.test(3, 5)
    expected = frames[:12, :3].swapaxes(0, 1)[..., None]
    np.testing.assert_array_equal(np.rint(batch * 255), expected)
    assert videos.test_size == moving_mnist_test_set.TEST_SEQUENCES
    assert str(path) in videos.source
