"""Any videos: what a config leaves open follows from the films, and what the user set stays."""

import json

import numpy as np
import pytest
from scipy import ndimage

from lmvp_tf import configs
from lmvp_tf.datasets.records import builder
from lmvp_tf.datasets.registry import dataset_class, open_dataset
from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.presets import named


def pan(seed, count=8, speed=3):
    """uint8 [count, 40, 72, 3]: a texture that moves by `speed` pixels a frame."""
    noise = np.random.default_rng(seed).random((40, 72 + speed * count, 3))
    smooth = ndimage.gaussian_filter(noise, (1.5, 1.5, 0))
    picture = ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)
    return np.stack([picture[:, speed * i : speed * i + 72] for i in range(count)])


def build(folder, films, split="clips:0.8", validation="clips:0.05", **frames):
    inputs = []
    for name, film in films.items():
        inputs.append(folder / f"{name}.npy")
        np.save(inputs[-1], film)
    frames = FrameOptions(40, 72, channels=3, **frames)
    builder.build(inputs, folder / "data", builder.BuildOptions(frames, split, validation))
    return folder / "data"


def resolved(path, preset="demo", model="lmvp", **given):
    given = {"data.path": str(path), **{k.replace("__", "."): v for k, v in given.items()}}
    config = configs.replace(named.get("video", preset, model), given)
    return configs.validate(dataset_class("video").resolve(config, given))


@pytest.fixture(name="clips", scope="module")
def _clips(tmp_path_factory):
    """40 clips of 8 frames."""
    films = {f"clip{i:02}": pan(i) for i in range(40)}
    return build(tmp_path_factory.mktemp("clips"), films, crop=(0, 0, 72, 40))


def test_forty_short_clips_train(clips, capfd):
    config = resolved(clips)
    data = config.data
    assert data.frame_shape == (40, 72, 3)
    assert (data.num_frames, data.num_inputs, data.frame_stride) == (8, 4, 1)
    assert (config.model.kernel_size, config.model.clip_length) == (7, 4)  # 3 pixels a step
    assert "move up to 3 pixels a step: filters of 7x7" in capfd.readouterr().err
    videos = open_dataset(config)
    assert (videos.validation_size, videos.test_size) == (2, 8)
    assert next(iter(videos.train(0, 4))).shape == (4, 8, 40, 72, 3)


def test_how_the_films_were_read_goes_into_the_config(tmp_path):
    path = build(tmp_path, {"a": pan(0, 60)}, "fraction:0.8", "0.1", crop=(0, 0, 72, 40), stride=2)
    data = resolved(path, data__frame_stride=3).data
    assert (data.film_crop, data.film_stride, data.film_fps) == ("0,0,72,40", 2, 0.0)
    options = data.film_options()
    assert (options.crop, options.stride, options.channels) == ((0, 0, 72, 40), 6, 3)
    assert (options.height, options.width) == (40, 72)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("model.kernel_size", 11),
        ("model.clip_length", 2),
        ("data.num_frames", 6),
        ("data.num_inputs", 5),
        ("data.height", 20),
        ("data.random_stride", 1),
    ],
)
def test_what_was_set_stays(clips, path, value):
    config = resolved(clips, "small", **{path: value})
    part, _, name = path.partition(".")
    assert getattr(getattr(config, part), name) == value
    assert open_dataset(config).settings == config.data


def test_a_height_alone_keeps_the_aspect_ratio(clips):
    data = resolved(clips, data__height=20).data
    assert (data.height, data.width) == (20, 36)


@pytest.mark.parametrize(("model", "size"), [("dfn", 7), ("conv_lstm", 5)])
def test_only_filters_are_sized_by_motion(clips, model, size):
    assert resolved(clips, model=model).model.kernel_size == size


@pytest.mark.parametrize(("speed", "size"), [(1, 5), (5, 11), (8, 17)])
def test_filters_reach_as_far_as_things_move(tmp_path, speed, size):
    path = build(tmp_path, {"a": pan(1, 40, speed)}, "fraction:0.8", "0")
    assert resolved(path).model.kernel_size == size


def test_fast_films_are_read_with_a_stride(clips, tmp_path):
    folder = tmp_path / "data"
    path = build(tmp_path, {"a": pan(0, 120, 1)}, "fraction:0.7", "0.2")
    index = json.loads((folder / "dataset.json").read_text())
    index["recordings"][0]["fps"] = 30.0
    (folder / "dataset.json").write_text(json.dumps(index))
    data = resolved(path).data
    assert (data.num_frames, data.num_inputs, data.frame_stride) == (10, 5, 1)  # 17 to validate
    data = resolved(path, data__num_frames=6).data
    assert data.frame_stride == 2
    assert data.film_options().rate == 15  # of 30 frames a second, every second one


def test_without_validation_frames_a_run_trains_and_says_so(tmp_path):
    config = resolved(build(tmp_path, {"a": pan(0, 30)}, "fraction:1", "0"))
    videos = open_dataset(config)
    assert "nothing to validate by" in videos.source
    assert (videos.validation_size, videos.test_size) == (0, 0)
    assert list(videos.validation(4, 2)) == []
    assert next(iter(videos.train(0, 2))).shape[0] == 2


def test_test_recordings_alone_are_evaluated_and_train_nothing(tmp_path):
    path = build(tmp_path, {"a": pan(0, 30)}, "test:a", "0.05")
    videos = open_dataset(resolved(path))
    assert len(np.concatenate(list(videos.test()))) == videos.test_size == 21
    with pytest.raises(UserError, match="train has no 10 frames in a row"):
        videos.train(0, 2)


def test_frames_of_another_shape_lose_what_is_beside_the_middle(clips):
    config = resolved(clips, data__height=20, data__width=20)
    (window,) = next(iter(open_dataset(config).test(1)))
    wide = next(iter(open_dataset(resolved(clips)).test(1)))[0].numpy()
    expected = wide[:, :, 16:56].reshape(8, 20, 2, 20, 2, 3).mean((2, 4))
    np.testing.assert_allclose(window, expected, atol=1e-6)


def test_a_missing_data_set_is_told_before_anything_else(tmp_path):
    with pytest.raises(UserError, match="no data set in .*none: build it by python data/build_v"):
        resolved(tmp_path / "none")
