"""Video data sets of TensorFlow Datasets, on what it makes up for tests: no download."""

import numpy as np
import pytest

from lmvp_tf import configs
from lmvp_tf.datasets.registry import dataset_class, open_dataset
from lmvp_tf.errors import UserError
from lmvp_tf.presets import named

tfds = pytest.importorskip("tensorflow_datasets")


@pytest.fixture(name="resolve")
def _resolve(tmp_path):
    def resolve(name, **changes):
        values = {"data.tfds_name": name, "data.path": str(tmp_path / "shards")}
        values |= {"data.tfds_path": str(tmp_path / "tfds"), "training.batch_size": 2}
        values |= {f"data.{key}": value for key, value in changes.items()}
        config = configs.replace(named.get("tfds", "demo"), values)
        with tfds.testing.mock_data(num_examples=5):
            return configs.validate(dataset_class("tfds").resolve(config, values))

    return resolve


def test_a_data_set_by_name_becomes_one_of_recordings(resolve):
    config = resolve("bair_robot_pushing_small")
    data = config.data
    assert data.frame_shape == (64, 64, 3)
    assert 1 < data.num_inputs < data.num_frames <= 30
    videos = open_dataset(config)
    train = next(iter(videos.train(0, 2)))
    assert train.shape == (2, data.num_frames, 64, 64, 3)
    assert len(set(videos.test_recordings)) == 5  # all of the test split
    with tfds.testing.mock_data(num_examples=5):
        source = tfds.builder("bair_robot_pushing_small").as_dataset(split="test")
        first = next(source.as_numpy_iterator())["image_main"][: data.num_frames]
    test = next(iter(videos.test(1)))[0]
    np.testing.assert_array_equal(np.rint(test * 255), first)


def test_a_second_run_finds_the_shards(resolve, monkeypatch):
    config = resolve("moving_mnist", num_frames=6, num_inputs=3)
    monkeypatch.setattr(tfds, "builder", None)
    assert resolve("moving_mnist", num_frames=6, num_inputs=3) == config


def test_videos_of_any_length_are_read_at_the_size_that_is_asked_for(resolve):
    config = resolve("ucf101", height=48, width=64, channels=1)
    batch = next(iter(open_dataset(config).train(0, 2)))
    assert batch.shape[2:] == (48, 64, 1)


def test_another_feature_may_be_the_video(resolve):
    resolve("bair_robot_pushing_small", tfds_feature="image_aux1")
    with pytest.raises(UserError, match="one of image_main, image_aux1 .*Received: action"):
        resolve("bair_robot_pushing_small", tfds_feature="action", path="none")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "wants a name: --set data.tfds_name=bair"),
        ("mnist", "mnist has no videos"),
        ("no_such_data_set", "no_such_data_set cannot be had from TensorFlow Datasets"),
    ],
)
def test_what_is_no_video_data_set_is_refused_in_a_line(resolve, name, message):
    with pytest.raises(UserError, match=message) as caught:
        resolve(name)
    assert "\n" not in str(caught.value)
