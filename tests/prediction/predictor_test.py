"""Predictors: of a workdir, a SavedModel and a .tflite file, for frames of any kind."""

import json
import re
import subprocess
import sys
import types

import numpy as np
import pytest
import skimage.transform
import tensorflow as tf

import lmvp_tf
from lmvp_tf import configs, files
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.export.endpoints import use_filter
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.prediction import saved_model
from lmvp_tf.prediction.predictor import Predictor
from lmvp_tf.prediction.workdir import as_function
from lmvp_tf.training.checkpoint import Checkpoints, TrainState

RNG = np.random.default_rng(0)


@pytest.fixture
def workdir(tmp_path, tiny_config):
    """A workdir with a checkpoint, and the model in it."""
    state = TrainState(tiny_config)
    for variable in state.model.trainable_variables:
        variable.assign_add(tf.random.stateless_normal(variable.shape, (1, 2), stddev=0.1))
    Checkpoints(tmp_path, state.checkpoint).save(3)
    use_filter(state.model, "reference")  # equal, and nothing to compile
    files.write_json(tmp_path / "config.json", configs.to_dict(tiny_config))
    return tmp_path, state.model


def fade(frames, horizon):
    """Each of the next frames is half as bright as the one before."""
    steps = 0.5 ** np.arange(1, horizon + 1, dtype=np.float32)
    return frames[:, -1:] * steps.reshape(-1, 1, 1, 1)


def fading(channels=1, **settings):
    return Predictor(fade, (4, 16, 16, channels), 3, **settings)


class Fade(tf.Module):
    """`fade` as a model to export."""

    def __init__(self, shape=(None, 4, 16, 16, 1), horizon=3, names=("frames", "predictions")):
        super().__init__()
        self.half = tf.Variable(0.5)
        name_in, name_out = names

        @tf.function(
            input_signature=[tf.TensorSpec(shape, tf.float32, name=name_in)], autograph=False
        )
        def serve(frames):
            predictions = [frames[:, -1] * self.half]
            for _ in range(horizon - 1):
                predictions.append(predictions[-1] * self.half)
            return {name_out: tf.stack(predictions, axis=1)}

        self.serve = serve

    def save(self, folder):
        tf.saved_model.save(self, str(folder), signatures=self.serve)
        return folder


def test_a_workdir_predicts_what_its_model_does_eagerly_and_as_a_graph(workdir, tiny_video):
    path, model = workdir
    frames = tiny_video[:, :4]
    expected = model(frames, num_predicted=5).numpy()
    assert expected.std() > 0.01
    predictor = lmvp_tf.load(str(path))
    np.testing.assert_allclose(predictor.predict(frames, 5), expected, atol=1e-6)
    many = predictor.predict(np.tile(frames, (5, 1, 1, 1, 1)))  # too many to go on without a graph
    np.testing.assert_allclose(many, np.tile(expected[:, :3], (5, 1, 1, 1, 1)), atol=1e-6)
    assert (predictor.num_inputs, predictor.frame_shape) == (4, (32, 32, 1))
    assert (predictor.horizon, predictor.max_horizon, predictor.name) == (3, None, "lmvp")
    assert not predictor.smooth  # Moving MNIST
    assert predictor.config.training.max_steps == 6


def test_a_model_of_more_than_tensorflow_stays_out_of_a_graph():
    class Model:
        exportable = False

        def __call__(self, frames, num_predicted):
            return tf.constant(fade(frames.numpy(), num_predicted))  # a graph has no numpy()

    data = types.SimpleNamespace(num_inputs=4, frame_shape=(16, 16, 1))
    function = as_function(Model(), data)
    frames = RNG.random((2, 4, 16, 16, 1), np.float32)
    for _ in range(6):
        np.testing.assert_array_equal(function(frames, 2), fade(frames, 2))


def test_the_last_frames_are_read_one_video_or_more():
    videos = RNG.random((3, 6, 16, 16, 1), np.float32)
    expected = fade(videos[:, -1:], 3)
    np.testing.assert_array_equal(fading().predict(videos), expected)
    np.testing.assert_array_equal(fading().predict(videos[1]), expected[1])
    np.testing.assert_array_equal(fading().predict(videos[1, ..., 0], 2), expected[1, :2])
    levels = np.uint8(255 * videos)
    np.testing.assert_allclose(
        fading().predict(levels), fade(np.float32(levels[:, -1:]) / 255, 3), atol=1e-6
    )


def test_many_videos_are_predicted_in_parts():
    sizes = []

    def function(frames, horizon):
        sizes.append(len(frames))
        return fade(frames, horizon)

    videos = RNG.random((35, 4, 16, 16, 1), np.float32)
    predictor = Predictor(function, (4, 16, 16, 1), 3)
    np.testing.assert_array_equal(predictor.predict(videos), fade(videos, 3))
    assert max(sizes) < 35


def test_frames_of_another_size_and_colour_are_made_to_fit():
    squares = RNG.integers(0, 256, (4, 16, 24, 3), np.uint8)
    frames = squares.repeat(3, axis=1).repeat(3, axis=2)  # 48 x 72
    centre = squares[:, :, 4:20] / 255
    np.testing.assert_allclose(
        fading(channels=3).predict(frames), fade(centre[None], 3)[0], atol=1e-3
    )
    grey = centre @ np.array([0.299, 0.587, 0.114])
    result = fading().predict(frames / 255, 1)
    np.testing.assert_allclose(result[0, ..., 0], grey[-1] / 2, atol=3e-3)
    corner = fading(channels=3).predict(frames, 1, crop=(0, 0, 48, 48))
    np.testing.assert_allclose(corner[0], squares[-1, :, :16] / 255 / 2, atol=1e-3)
    small = RNG.random((4, 8, 8), np.float32)
    large = skimage.transform.resize(small[-1], (16, 16), order=1, mode="edge")
    np.testing.assert_allclose(fading().predict(small)[0, ..., 0], large / 2, atol=3e-3)


def test_wide_frames_are_cut_to_the_model_s_aspect_ratio():
    wide = Predictor(fade, (4, 12, 24, 1), 3)
    frames = RNG.integers(0, 256, (4, 24, 24), np.uint8)
    middle = frames[:, 6:18] / 255  # 12 of 24 rows
    np.testing.assert_allclose(wide.predict(frames, 1)[0, ..., 0], middle[-1] / 2, atol=1e-6)
    squeezed = frames.reshape(4, 12, 2, 24).mean(axis=2) / 255
    result = wide.predict(frames, 1, crop="none")
    np.testing.assert_allclose(result[0, ..., 0], squeezed[-1] / 2, atol=3e-3)


def test_frames_are_cropped_as_the_training_data_were_unless_told():
    trained = fading(options=FrameOptions(64, 64, crop=(8, 0, 16, 16), channels=3, stride=2))
    assert trained.options == FrameOptions(16, 16, (8, 0, 16, 16), 1, 2, enlarge=True)
    frames = RNG.integers(0, 256, (4, 16, 32), np.uint8)
    crops = {None: frames[-1, :, 8:24], (16, 0, 16, 16): frames[-1, :, 16:]}
    for crop, expected in crops.items():
        result = trained.predict(frames, 1, crop=crop)[0, ..., 0]
        np.testing.assert_allclose(result, expected / 510, atol=1e-6)
    fitting = frames[..., :16]
    np.testing.assert_allclose(trained.predict(fitting, 1)[0, ..., 0], fitting[-1] / 510, atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((16, 16), r"\[B, T, H, W, C\]. Received: \(16, 16\)"),
        ((3, 16, 16, 1), r"one video of 4 frames \(T0\) is wanted. Received: \(3, 16, 16, 1\)"),
        ((0, 4, 16, 16, 1), r"at least one video .* Received: \(0, 4, 16, 16, 1\)"),
        ((4, 0, 16, 1), r"frames: empty, of shape"),
        ((4, 16, 16, 2), r"with C = 1 or 3. Received: \(4, 16, 16, 2\)"),
    ],
)
def test_frames_that_do_not_fit_say_why(shape, message):
    with pytest.raises(UserError, match=message):
        fading().predict(np.zeros(shape, np.float32))


def test_horizons_and_values_that_cannot_be():
    frames = np.zeros((4, 16, 16), np.uint8)
    with pytest.raises(UserError, match="horizon must be 1 or more. Received: 0"):
        fading().predict(frames, horizon=0)
    broken = Predictor(lambda x, s: x / 0, (4, 16, 16, 1), 3)
    with np.errstate(all="ignore"), pytest.raises(RunError, match="values that are not finite"):
        broken.predict(frames)
    wild = Predictor(lambda x, s: x[:, :s] * 4 - 1, (4, 16, 16, 1), 2)
    assert set(wild.predict(frames + np.uint8(200)).ravel()) == {1.0}
    assert set(wild.predict(frames).ravel()) == {0.0}


@pytest.mark.parametrize("batch", [None, 1])
def test_a_saved_model_predicts_as_its_endpoint_does(tmp_path, batch):
    path = Fade((batch, 4, 16, 20, 1)).save(tmp_path / "1")
    predictor = lmvp_tf.load(path)
    videos = RNG.random((3, 4, 16, 20, 1), np.float32)
    np.testing.assert_allclose(predictor.predict(videos), fade(videos, 3), rtol=1e-6)
    np.testing.assert_allclose(predictor.predict(videos, 1), fade(videos, 1), rtol=1e-6)
    assert (predictor.num_inputs, predictor.frame_shape) == (4, (16, 20, 1))
    assert (predictor.horizon, predictor.max_horizon, predictor.config) == (3, 3, None)
    with pytest.raises(UserError, match="predicts 3 frames, asked for are 4: export it with"):
        predictor.predict(videos, horizon=4)


def test_a_saved_model_knows_how_its_training_data_were_made(tmp_path):
    path = Fade((None, 4, 16, 16, 1)).save(tmp_path / "1")
    config = configs.replace(
        configs.create("highway"), {"data.frame_stride": 3, "model.clip_length": 3}
    )
    (path / "assets.extra").mkdir()
    record = path / "assets.extra" / "export.json"
    record.write_text(json.dumps({"config": configs.to_dict(config)}))
    predictor = lmvp_tf.load(path)
    assert (predictor.options.stride, predictor.name, predictor.smooth) == (3, "lmvp", True)
    assert predictor.config == config
    assert predictor.max_horizon == 3
    record.write_text("{")
    with pytest.raises(UserError, match="export.json is damaged"):
        lmvp_tf.load(path)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (Fade(names=("x", "predictions")), "no endpoint serving_default from frames to predic"),
        (Fade(names=("frames", "y")), "no endpoint serving_default from frames to predictions"),
        (Fade((None, None, 16, 16, 1)), "the rest fixed. Received: .*None, None, 16"),
        (Fade((5, 4, 16, 16, 1)), r"B free or 1 and the rest fixed. Received: \(5, 4, 16"),
        (Fade((None, 4, 16, 16)), r"must be \[B, T, H, W, C\]"),
        (Fade((None, 4, 16, 20, 2)), "1: a model wants frames of 1 or 3 channels.*16x20x2"),
    ],
)
def test_saved_models_of_another_kind_are_refused(tmp_path, model, message):
    with pytest.raises(UserError, match=message):
        saved_model.load(model.save(tmp_path / "1"))


def test_what_is_no_model_is_told(tmp_path):
    for version in ("2", "10"):
        (tmp_path / "serving" / version).mkdir(parents=True)
        (tmp_path / "serving" / version / "saved_model.pb").write_bytes(b"no protocol buffer")
    with pytest.raises(UserError, match=r"name a version, as .*serving/10$"):
        lmvp_tf.load(tmp_path / "serving")
    with pytest.raises(UserError, match=r"serving/10 (cannot be read|is damaged)"):
        lmvp_tf.load(tmp_path / "serving" / "10")
    with pytest.raises(UserError, match="is no SavedModel, it has no saved_model.pb$"):
        saved_model.load(tmp_path)
    with pytest.raises(UserError, match="is no workdir of run_train.py"):
        lmvp_tf.load(tmp_path)
    with pytest.raises(UserError, match=r"none\.tflite: no such file"):
        lmvp_tf.load(tmp_path / "none.tflite")


def to_tflite(path, model):
    concrete = model.serve.get_concrete_function()
    converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], model)
    path.write_bytes(converter.convert())
    return path


@pytest.mark.filterwarnings("ignore")  # TensorFlow's converter and interpreter are to be replaced
def test_a_tflite_file_predicts_as_its_model_does(tmp_path):
    pytest.importorskip("ai_edge_litert")
    path = to_tflite(tmp_path / "model.tflite", Fade((1, 4, 16, 20, 1)))
    predictor = lmvp_tf.load(path)
    videos = RNG.random((3, 4, 16, 20, 1), np.float32)
    np.testing.assert_allclose(predictor.predict(videos), fade(videos, 3), rtol=1e-6)
    assert (predictor.num_inputs, predictor.frame_shape) == (4, (16, 20, 1))
    with pytest.raises(UserError, match="predicts 3 frames, asked for are 4"):
        predictor.predict(videos, horizon=4)
    code = f"import lmvp_tf, sys; lmvp_tf.load({str(path)!r}); print('tensorflow' in sys.modules)"
    assert run_python(code) == "False"


@pytest.mark.filterwarnings("ignore")
def test_tflite_files_of_another_kind_are_refused(tmp_path):
    pytest.importorskip("ai_edge_litert")

    class Two(tf.Module):
        @tf.function(
            input_signature=[tf.TensorSpec((1, 16, 16, 1)), tf.TensorSpec((1, 2))], autograph=False
        )
        def serve(self, frame, state):
            return frame + 1, state + 1

    with pytest.raises(UserError, match="it has 2 inputs, the first of float32, and 2 outputs"):
        lmvp_tf.load(to_tflite(tmp_path / "step.tflite", Two()))
    (tmp_path / "text.tflite").write_text("no flat buffer")
    with pytest.raises(UserError, match=r"text\.tflite is damaged"):
        lmvp_tf.load(tmp_path / "text.tflite")


def test_without_its_interpreter_a_tflite_file_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    (tmp_path / "model.tflite").touch()
    with pytest.raises(UserError, match="which is not installed: pip install ai-edge-litert"):
        lmvp_tf.load(tmp_path / "model.tflite")


def run_python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_the_package_imports_nothing_heavy():
    heavy = "{'numpy', 'keras', 'tensorflow'} & set(sys.modules)"
    assert run_python(f"import lmvp_tf, sys; print(len({heavy}))") == "0"


def test_the_package_has_the_public_names():
    assert lmvp_tf.Predictor is Predictor
    assert lmvp_tf.UserError is UserError
    assert lmvp_tf.RunError is RunError
    assert re.fullmatch(r"\d+\.\d+.*", lmvp_tf.__version__)
    assert all(hasattr(lmvp_tf, name) for name in lmvp_tf.__all__)
    with pytest.raises(AttributeError, match="no attribute 'lode'"):
        lmvp_tf.lode  # noqa: B018
