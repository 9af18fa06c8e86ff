"""The model for the page: one signature, the flow of its filters, and that a wrong file goes."""

import json
from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.errors import RunError
from lmvp_tf.export import web
from lmvp_tf.export.exporter import ExportOptions
from lmvp_tf.files import write_json
from lmvp_tf.training.checkpoint import Checkpoints, TrainState

interpreter = pytest.importorskip("ai_edge_litert.interpreter")


@pytest.fixture(scope="module")
def workdir(tiny_config, tmp_path_factory):
    keras.utils.set_random_seed(0)
    state = TrainState(tiny_config)
    for variable in state.model.trainable_variables:  # filters that point somewhere
        variable.assign_add(tf.random.stateless_normal(variable.shape, (1, 2), stddev=0.3))
    path = tmp_path_factory.mktemp("run")
    Checkpoints(path, state.checkpoint).save(0)
    write_json(path / "config.json", configs.to_dict(tiny_config))
    return path, state.model


def test_the_file_steps_as_the_model_does_and_says_where_its_filters_point(
    workdir, tmp_path, tiny_video
):
    path, model = workdir
    web.Web().export(path, tmp_path / "web", ExportOptions(horizon=5))
    assert sorted(file.name for file in (tmp_path / "web").iterdir()) == [
        "model.json",
        "model.tflite",
    ]
    opened = interpreter.Interpreter(str(tmp_path / "web" / "model.tflite"))
    assert list(opened.get_signature_list()) == ["serve_step"]
    step = opened.get_signature_runner("serve_step")
    video = tiny_video[:1]
    state = {
        name: np.zeros((1, *shape), np.float32)
        for name, shape in model.state_shapes(video.shape[1:]).items()
    }
    flow = model.filter_flow(video)
    for t in range(video.shape[1]):
        outputs = step(frame=video[:, t], **state)
        np.testing.assert_allclose(outputs["flow"], flow[:, t], atol=1e-5)
        state = {name: outputs[name] for name in state}
    assert np.abs(flow).max() > 0.1
    expected = model(video, num_predicted=1)[:, 0]
    np.testing.assert_allclose(np.clip(outputs["frame"], 0, 1), expected, atol=1e-5)


def test_the_page_is_told_what_goes_in(workdir, tmp_path, tiny_config):
    web.Web().export(workdir[0], tmp_path, ExportOptions(horizon=5))
    about = json.loads((tmp_path / "model.json").read_text())
    data = tiny_config.data
    assert (about["num_inputs"], about["horizon"]) == (data.num_inputs, 5)
    assert tuple(about["frame_shape"]) == data.frame_shape


def test_a_file_that_predicts_something_else_is_not_left(workdir, tmp_path):
    with mock.patch.object(web, "TOLERANCE", 0.0), pytest.raises(RunError, match="they differ by"):
        web.Web().export(workdir[0], tmp_path / "web", ExportOptions())
    assert list(tmp_path.rglob("*.*")) == []
