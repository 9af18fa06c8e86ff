"""What is published of a run can be evaluated, and says what it is."""

import functools
import json
import pathlib

import keras
import numpy as np
import pytest
from keras import ops

import lmvp_tf
from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.export import published
from lmvp_tf.export.published import check, publish, training_command
from lmvp_tf.files import write_json
from lmvp_tf.prediction import pretrained
from lmvp_tf.presets import named
from lmvp_tf.training import weights
from lmvp_tf.training.checkpoint import Checkpoints, TrainState, build_model, load_trained

RESULTS = pathlib.Path(__file__).parents[2] / "results"
PUBLISHED = sorted(path.parent for path in RESULTS.glob("*/*/trained.json"))


@pytest.fixture
def workdir(tiny_config, tmp_path):
    """A run of seven steps, and an evaluation of it."""
    workdir = tmp_path / "run"
    values = {"preset": "small", "data.path": "/home/me/mnist.npz"}
    config = configs.replace(tiny_config, values)
    keras.utils.set_random_seed(0)
    state = TrainState(config)
    state.step.assign(7)
    state.seconds.assign(12.5)
    state.cpu_seconds.assign(20.0)
    Checkpoints(workdir, state.checkpoint).save(7)
    write_json(workdir / "config.json", configs.to_dict(config))
    (workdir / "log.csv").write_text("step\n7\n")
    names = "bce_per_frame mse_per_frame psnr ssim_tf ssim_skimage ssim_openstl".split()
    document = {"step": 7, "sequences_seen": 14, "train_seconds": 12.5, "num_sequences": 5}
    document |= {"data_hash": "0123456789abcdef", "parameters": {"total": 12345}}
    document["metrics"] = {name: 90.0 + i for i, name in enumerate(names)}
    write_json(workdir / "eval" / "metrics.json", document)
    return workdir


def test_a_published_run_predicts_what_its_checkpoint_predicts(workdir, tiny_video, tmp_path):
    folder = tmp_path / "results"
    publish(workdir, folder, "On a train.")
    expected = lmvp_tf.load(workdir).predict(tiny_video[:, :4], horizon=3)
    found = lmvp_tf.load(folder).predict(tiny_video[:, :4], horizon=3)
    np.testing.assert_allclose(found, expected, atol=5e-4)  # the weights are float16
    _, trained = load_trained(folder, configs.load(folder / "config.json"))
    assert trained == (7, 12.5, 20.0)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert {"D.weights.h5", "M.weights.h5", "G.weights.h5", "log.csv", "check.json"} <= set(sizes)
    readme = (folder / "README.md").read_text()
    for text in ("12,345 parameters. On a train.", "7 steps, 14 sequences", "| 90 | 91 | 92 |"):
        assert text in readme
    assert "/home/me" not in "".join(path.read_text() for path in folder.glob("*.*s*n"))


def test_the_record_of_a_run_has_no_weights_and_says_so(workdir, tmp_path):
    folder = tmp_path / "results"
    publish(workdir, folder, with_weights=False)
    kept = {"README.md", "config.json", "log.csv", "metrics.json"}
    assert {path.name for path in folder.iterdir()} == kept
    assert "too large to be here: train it anew" in (folder / "README.md").read_text()
    with pytest.raises(UserError, match="has no checkpoint"):
        load_trained(folder, configs.load(folder / "config.json"))


def test_every_weight_is_in_the_files(tiny_config, tmp_path):
    keras.utils.set_random_seed(0)
    model = build_model(tiny_config)
    for variable in model.variables:  # zeros at the start would hide what is not restored
        variable.assign(np.random.default_rng(1).normal(size=variable.shape))
    beyond = model.variables[-1]
    beyond.assign(ops.full_like(beyond, 1e5))  # float16 has no such number
    weights.write(model, weights.Trained(1, 2.0, 3.0), tmp_path)
    other = build_model(tiny_config)
    assert weights.read(other, tmp_path) == (1, 2.0, 3.0)
    for one, restored in zip(model.variables, other.variables, strict=True):
        expected = one.numpy() if one is beyond else one.numpy().astype("float16")
        np.testing.assert_array_equal(restored, expected, err_msg=one.path)


def test_a_run_that_was_not_evaluated_at_its_last_step_is_refused(workdir, tmp_path):
    metrics = workdir / "eval" / "metrics.json"
    write_json(metrics, json.loads(metrics.read_text()) | {"step": 6})
    with pytest.raises(UserError, match="of step 6, the run is at 7: .*run_eval.py --workdir="):
        publish(workdir, tmp_path / "results")
    metrics.unlink()
    with pytest.raises(UserError, match="is missing: .*run_eval.py --workdir="):
        publish(workdir, tmp_path / "results")
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_text("h")])
def test_weights_that_are_missing_or_damaged_are_named(tiny_config, tmp_path, damage):
    model = build_model(tiny_config)
    weights.write(model, weights.Trained(1, 2.0, 3.0), tmp_path)
    damage(tmp_path / "M.weights.h5")
    with pytest.raises(UserError, match="M.weights.h5 is (missing|damaged)"):
        weights.read(model, tmp_path)


def test_weights_of_another_model_are_refused(tiny_config, tmp_path):
    weights.write(build_model(tiny_config), weights.Trained(1, 2.0, 3.0), tmp_path)
    wider = build_model(configs.replace(tiny_config, {"model.motion_units": 6}))
    with pytest.raises(UserError, match="M.weights.h5 .*of another model than the config"):
        weights.read(wider, tmp_path)


def test_the_readme_has_the_command_that_trains_it_anew():
    config = named.get("highway", "small", "dfn")
    command = "python run_train.py --dataset=highway --preset=small --model=dfn"
    assert training_command(config) == f"{command} --workdir=WORKDIR"
    config = configs.replace(
        config, {"data.path": "/mine", "model.pixel_widths": (8, 16), "losses.gamma": 0.0}
    )
    changes = "--set=model.pixel_widths=8,16 --set=losses.gamma=0.0"
    assert training_command(config) == f"{command} {changes} --workdir=WORKDIR"


def test_there_are_pretrained_weights_to_load_by_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    datasets = {"moving_mnist": "moving_mnist", "highway": "highway", "driving": "highway"}
    assert datasets.keys() == pretrained.PRETRAINED.keys()
    for name, dataset in datasets.items():
        assert lmvp_tf.load(name).config.dataset == dataset
    monkeypatch.setattr(pretrained, "PRETRAINED", {"highway": tmp_path / "none"})
    with pytest.raises(UserError, match="published weights are missing: .*none"):
        lmvp_tf.load("highway")


@pytest.fixture(scope="module")
def _made_once():
    """The video of a check, which many weights of one shape are checked on."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(published, "_check_video", functools.cache(published._check_video))
        yield


@pytest.mark.slow
@pytest.mark.usefixtures("_made_once")
@pytest.mark.parametrize("folder", PUBLISHED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_published_weights_give_the_figures_they_gave(folder):
    pytest.importorskip("mlxtend")
    config = configs.load(folder / "config.json")
    if config.model_name == "flow":
        pytest.importorskip("tensorflow_addons")
    model, trained = load_trained(folder, config)
    expected = json.loads((folder / "check.json").read_text())
    assert trained.step == json.loads((folder / "metrics.json").read_text())["step"]
    assert max(path.stat().st_size for path in folder.glob("*.h5")) < 5e6
    found = check(model, config)  # newer metrics than those that were published may be in it
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=2e-3), name


def test_the_check_takes_frames_of_any_shape(tiny_config):
    pytest.importorskip("mlxtend")
    changes = {"data.height": 13, "data.width": 22, "data.channels": 3}
    config = configs.replace(configs.create("highway", "last_frame"), changes)
    figures = check(build_model(config), config)
    assert 0 < figures["mse_per_frame"] < 13 * 22 * 3
