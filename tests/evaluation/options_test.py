"""On which data a run is tested, and where that is written to."""

import json
import pathlib
import types

import pytest

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.options import EvaluationOptions, evaluation_folder
from lmvp_tf.evaluation.options import test_setting as setting_of
from lmvp_tf.presets import named


def _folder(workdir, config, fingerprint="other", **options):
    options = EvaluationOptions(**options)
    videos = types.SimpleNamespace(fingerprint=fingerprint)
    folder = evaluation_folder(workdir, config, setting_of(config, options), options, videos)
    return str(folder.relative_to(workdir)) if options.output is None else str(folder)


@pytest.fixture(name="config")
def _config():
    return configs.replace(named.get("highway", "small"), {"data.path": "data/mine"})


def test_the_runs_own_data_are_in_eval(tmp_path, config):
    (tmp_path / "data.json").write_text(json.dumps({"source": "", "fingerprint": "f"}))
    assert _folder(tmp_path, config) == "eval"
    moved = {"data.path": "/there/mine"}
    assert _folder(tmp_path, config, "f", data=moved) == "eval"
    assert _folder(tmp_path, config, "g", data=moved) == "eval-mine"


def test_other_data_and_horizons_have_folders_of_their_own(tmp_path, config):
    other = {"data.path": "/there/kth.built"}
    assert _folder(tmp_path, config, data=other) == "eval-kth"
    assert _folder(tmp_path, config, horizon=config.data.num_predicted) == "eval"
    assert _folder(tmp_path, config, horizon=9) == "eval-9_frames"
    assert _folder(tmp_path, config, data=other, horizon=9) == "eval-kth-9_frames"
    assert _folder(tmp_path, config, data=other, output=pathlib.Path("here")) == "here"
    digits = named.get("moving_mnist", "small")
    assert _folder(tmp_path, digits, data={"data.test_file": "t/seq.npy"}) == "eval-seq"


def test_a_published_run_does_not_know_where_its_data_were(tmp_path):
    assert _folder(tmp_path, named.get("moving_mnist", "small"), data={"data.path": "m.npz"}) == (
        "eval"
    )


def test_another_data_set_takes_the_frames_of_the_model(config):
    options = EvaluationOptions(dataset="moving_mnist", horizon=5)
    setting = setting_of(config, options)
    assert setting.dataset == "moving_mnist"
    assert setting.data.frame_shape == config.data.frame_shape
    assert (setting.data.num_inputs, setting.data.num_predicted) == (config.data.num_inputs, 5)
    assert setting.data.path == ""
    assert config.dataset == "highway"


@pytest.mark.parametrize(
    ("options", "message"),
    [({"dataset": "kitti"}, "--dataset must be one of"), ({"data": {"data.test_file": "x"}}, "no")],
)
def test_what_does_not_suit_the_run_is_refused(config, options, message):
    with pytest.raises(UserError, match=message):
        setting_of(config, EvaluationOptions(**options))
