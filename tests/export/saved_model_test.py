"""SavedModels: every model and endpoint, versions, warm-up, and that a wrong one is not left."""

import json
import pathlib
import subprocess
import sys
import sysconfig
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.export import check, saved_model, warmup
from lmvp_tf.export.endpoints import Exportable
from lmvp_tf.files import write_json
from lmvp_tf.serving import BATCH_SIZES
from lmvp_tf.training.checkpoint import Checkpoints, TrainState, build_model
from tests.export.converted import DATA, MODELS
from tests.limits import files_of_at_most

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def workdir(tmp_path, tiny_config):
    """A run of `tiny_config`, as run_train.py leaves it."""
    keras.utils.set_random_seed(0)
    state = TrainState(tiny_config)
    state.step.assign(6)
    Checkpoints(tmp_path / "run", state.checkpoint).save(6)
    write_json(tmp_path / "run" / "config.json", configs.to_dict(tiny_config))
    return tmp_path / "run"


def config_of(name, tiny_config):
    base = tiny_config if name == "lmvp" else configs.create(model=name)
    return configs.replace(base, {**DATA, **MODELS[name]})


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_its_endpoints_for_any_batch_and_refuses_what_does_not_fit(
    name, tiny_config, tiny_video, tmp_path
):
    keras.utils.set_random_seed(0)
    config = config_of(name, tiny_config)
    model = build_model(config)
    saved_model.write(Exportable(model, config, 0, 3), tmp_path)
    signatures = tf.saved_model.load(str(tmp_path)).signatures
    assert set(signatures) == {"serving_default", "serve", "serve_uint8", "serve_step"}
    video = np.concatenate([tiny_video, tiny_video[:1, ::-1]])
    for batch in (1, 3):
        inputs = video[:batch, :4]
        expected = model(tf.constant(inputs), num_predicted=3)
        for endpoint in ("serve", "serving_default"):
            predictions = signatures[endpoint](frames=tf.constant(inputs))["predictions"]
            assert predictions.dtype == tf.float32
            np.testing.assert_allclose(predictions, expected, atol=1e-5)
        levels = tf.constant(np.uint8(np.rint(inputs * 255)))
        predictions = signatures["serve_uint8"](frames=levels)["predictions"]
        assert (predictions.shape, predictions.dtype) == (expected.shape, tf.uint8)
        specs = signatures["serve_step"].structured_input_signature[1]
        assert {part for part, spec in specs.items() if spec.dtype != tf.float32} == set()
        assert {part for part, spec in specs.items() if spec.shape[0] is not None} == set()
        tensors = {part: tf.ones((batch, *spec.shape[1:])) for part, spec in specs.items()}
        outputs = signatures["serve_step"](**tensors)
        assert {part: value.shape for part, value in outputs.items()} == {
            part: value.shape for part, value in tensors.items()
        }
        state = {part: value for part, value in tensors.items() if part != "frame"}
        frame, _ = model.step(tensors["frame"], state)
        np.testing.assert_allclose(outputs["frame"], frame, atol=1e-5)
    inputs = video[:, :4]
    refused = [np.float64(inputs), np.uint8(inputs)]
    if name != "last_frame":  # it repeats the last frame of anything
        refused += [inputs[:, :3], inputs[:, :, 1:], inputs[0]]
    for wrong in refused:
        with pytest.raises((TypeError, ValueError, tf.errors.InvalidArgumentError)):
            signatures["serve"](frames=tf.constant(wrong))
    for endpoint in signatures.values():
        specs = endpoint.structured_input_signature[1]
        with pytest.raises(tf.errors.InvalidArgumentError, match="the batch is empty"):
            endpoint(
                **{part: tf.zeros((0, *spec.shape[1:]), spec.dtype) for part, spec in specs.items()}
            )


@pytest.mark.slow
def test_export_as_a_user_does_it(workdir, tmp_path):
    output = tmp_path / "serving" / "lmvp"
    (output / "4").mkdir(parents=True)
    command = [sys.executable, "run_export.py", f"--workdir={workdir}", f"--output={output}"]
    done = subprocess.run([*command, "--horizon=5"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert f"{output / '5'}: " in done.stdout
    assert {path.name for path in output.iterdir()} == {"4", "5"}
    assert (output / "5").stat().st_mode == output.stat().st_mode
    about = json.loads((output / "5" / "assets.extra" / "export.json").read_text())
    assert (about["step"], about["horizon"], about["tensorflow"]) == (6, 5, tf.__version__)
    assert 0 <= about["max_difference"] < 1e-5
    assert configs.from_dict(about["config"]).data.frame_shape == (32, 32, 1)

    program = pathlib.Path(sysconfig.get_path("scripts")) / "saved_model_cli"
    show = [program, "show", "--dir", output / "5", "--tag_set=serve", "--signature_def=serve"]
    done = subprocess.run(show, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    shown = [line.strip() for line in done.stdout.splitlines()]
    assert "inputs['frames'] tensor_info:" in shown
    assert "outputs['predictions'] tensor_info:" in shown
    assert {"shape: (-1, 4, 32, 32, 1)", "shape: (-1, 5, 32, 32, 1)"} <= set(shown)


@pytest.mark.parametrize("error", [2e-5, np.nan])
def test_what_predicts_something_else_is_removed(workdir, tmp_path, monkeypatch, error):
    answers = {"serve": {"predictions": np.zeros(3)}}
    monkeypatch.setattr(saved_model, "sample", lambda _: ({}, answers))

    def wrong(folder, requests):
        assert (folder / "saved_model.pb").exists()
        return {"serve": {"predictions": np.array([0, error, 0])}}

    monkeypatch.setattr(check, "answers", wrong)
    monkeypatch.setattr(saved_model, "write", lambda _, folder: (folder / "saved_model.pb").touch())
    message = rf"of .*run predicts: they differ by {error:.1e} \(allowed: 1e-05\). It was removed"
    with pytest.raises(RunError, match=message):
        saved_model.export(workdir, tmp_path / "serving")
    assert list((tmp_path / "serving").iterdir()) == []


def test_a_number_that_another_export_has_just_taken_is_left_to_it(tmp_path, monkeypatch):
    (tmp_path / "new").mkdir()
    (tmp_path / "1" / "variables").mkdir(parents=True)
    monkeypatch.setattr(pathlib.Path, "iterdir", lambda _: iter(()))  # as it was a moment ago
    assert saved_model._publish(tmp_path / "new", tmp_path) == tmp_path / "2"


@pytest.mark.parametrize(
    ("kind", "values", "wrong", "difference"),
    [
        (np.float32, [0.25, 0.5], [0.25, 0.75], 0.25),
        (np.float32, [0.25, 0.5], [0.25, np.nan], np.nan),
        (np.uint8, [0, 200], [1, 199], 0.0),
        (np.uint8, [0, 200], [2, 200], 1 / 255),
        (np.uint8, [0, 255], [255, 255], 254 / 255),
    ],
)
def test_the_difference_sees_nan_and_more_than_one_grey_level(kind, values, wrong, difference):
    expected = {"serve": {"x": np.zeros(3, np.float32), "y": kind(values)}}
    received = {"serve": {"x": np.zeros(3, np.float32), "y": kind(wrong)}}
    np.testing.assert_equal(saved_model.max_difference(expected, received), difference)


@pytest.mark.slow
def test_what_cannot_be_loaded_is_told_in_one_line(tmp_path):
    with pytest.raises(RunError, match="does not run in a process of its own: .*") as caught:
        check.answers(tmp_path, {"serve": {"frames": np.zeros(1)}})
    assert "\n" not in str(caught.value)
    assert str(tmp_path) in str(caught.value)


def test_the_warm_up_asks_every_endpoint_in_every_batch_size(tiny_config, tmp_path):
    messages = pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    config = config_of("dfn", tiny_config)
    exportable = Exportable(build_model(config), config, 0, 2)
    saved_model.write(exportable, tmp_path)
    assert warmup.write(tmp_path, exportable)
    path = tmp_path / "assets.extra" / "tf_serving_warmup_requests"
    signatures = tf.saved_model.load(str(tmp_path)).signatures
    asked = []
    for record in tf.data.TFRecordDataset(str(path)):
        log = messages.PredictionLog.FromString(record.numpy())
        request = log.predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        name = request.model_spec.signature_name
        (batch,) = {len(value) for value in inputs.values()}
        outputs = signatures[name](**{part: tf.constant(x) for part, x in inputs.items()})
        assert {value.shape[0] for value in outputs.values()} == {batch}
        assert request.model_spec.name == "dfn"
        asked.append((name, batch))
    endpoints = ("serve", "serve_step", "serve_uint8", "serving_default")
    assert sorted(asked) == [(name, batch) for name in endpoints for batch in BATCH_SIZES]


def test_a_full_disk_is_told_in_one_line(tmp_path, monkeypatch):
    pytest.importorskip("tensorflow_serving.apis.prediction_log_pb2")
    config = types.SimpleNamespace(model_name="x" * 10_000)  # more than TensorFlow keeps to itself
    spec = tf.TensorSpec([None, 2], tf.float32, name="frames")
    endpoint = types.SimpleNamespace(specs=[spec])
    monkeypatch.setattr(warmup, "endpoints", lambda _: {"serve": endpoint})
    with files_of_at_most(1000), pytest.raises(RunError, match="^cannot write .*File too large"):
        warmup.write(tmp_path, types.SimpleNamespace(config=config))


def test_without_the_serving_api_there_is_no_warm_up(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow_serving.apis.predict_pb2", None)
    assert not warmup.write(tmp_path, None)
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_file_or_below_one(workdir, tmp_path, monkeypatch):
    monkeypatch.setattr(saved_model, "sample", lambda _: ({}, {}))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file is a file: give a folder"):
        saved_model.export(workdir, tmp_path / "file")
    with pytest.raises(UserError, match="file is a file: give a folder"):
        saved_model.export(workdir, tmp_path / "file" / "lmvp")


def test_help_names_the_flags_and_the_endpoints():
    command = [sys.executable, str(ROOT / "run_export.py"), "--help"]
    output = subprocess.run(command, capture_output=True, text=True).stdout
    assert all(flag in output for flag in ("--workdir:", "--output:", "--format:", "--horizon:"))
    assert "serve_uint8 and serve_step" in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--output=x"], "--workdir is missing"),
        (["--workdir=x"], "--output is missing"),
        (["--workdir=x", "--output=y", "--horizon=0"], "horizon"),
        (["--workdir=x", "--output=y", "--format=onnx"], "value should be one of <saved_model"),
    ],
)
def test_a_wrong_command_ends_with_one_line_and_code_2(tmp_path, arguments, message):
    command = [sys.executable, str(ROOT / "run_export.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "y").exists()
