"""What an evaluation leaves: all of it, or what was there before."""

import pathlib

import pytest

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.evaluate import stored, workdir
from lmvp_tf.evaluation.options import EvaluationOptions
from lmvp_tf.files import write_json
from lmvp_tf.training import weights
from lmvp_tf.training.checkpoint import build_model

VALUES = {"data.size": 32, "data.num_frames": 5, "data.num_inputs": 3}


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(name="run")
def _run(tmp_path, digits_file):
    """A model that repeats the last frame, published at a step."""
    values = {**VALUES, "data.path": str(digits_file)}
    config = configs.replace(configs.create(model="last_frame"), values)
    write_json(tmp_path / "run" / "config.json", configs.to_dict(config))

    def publish(step):
        weights.write(build_model(config), weights.Trained(step, 1.0, 1.0), tmp_path / "run")
        return tmp_path / "run"

    return publish


@pytest.fixture(autouse=True)
def _fast(monkeypatch):
    """Without pictures, and a mean image of few sequences."""
    monkeypatch.setattr(workdir, "_MEAN_IMAGE_BATCHES", 1)
    monkeypatch.setattr(workdir, "_write_pictures", lambda *_: None)


@pytest.mark.parametrize("last", ["results.write", "manifest.write", "whole_folder"])
def test_an_evaluation_that_ends_anywhere_leaves_the_one_before(run, monkeypatch, last):
    options = EvaluationOptions(num_sequences=3)
    folder = workdir.evaluate_workdir(run(6), options).folder
    before = _contents(folder)
    (module, _, name) = last.rpartition(".")
    run(7)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if last == "whole_folder":  # the very last thing
            patch.setattr("lmvp_tf.files._exchange", interrupt)
        else:
            patch.setattr(getattr(workdir, module) if module else workdir, name, interrupt)
        with pytest.raises(KeyboardInterrupt):
            workdir.evaluate_workdir(folder.parent, options)
    assert _contents(folder) == before
    assert [path for path in folder.parent.iterdir() if path.name.startswith(".")] == []
    if last == "whole_folder":
        workdir.evaluate_workdir(folder.parent, options)
        assert stored.read(folder).document["step"] == 7
        assert _contents(folder).keys() == before.keys()


@pytest.mark.parametrize("name", ["metrics.json", "per_sequence.npz"])
def test_files_of_two_evaluations_are_not_taken_for_one(run, name):
    options = EvaluationOptions(num_sequences=3)
    folder = workdir.evaluate_workdir(run(6), options).folder
    old = (folder / name).read_bytes()
    workdir.evaluate_workdir(run(7), EvaluationOptions(num_sequences=4))
    (folder / name).write_bytes(old)
    with pytest.raises(UserError, match=f"{name} is damaged .*SHA-256.*: evaluate again by python"):
        stored.read(folder)
    (folder / "sha256.json").unlink()  # that of an older program, which had none
    with pytest.raises(UserError, match="per_sequence.npz is damaged"):
        stored.read(folder)


def test_an_absurd_horizon_is_refused_before_anything_is_made(tmp_path):
    write_json(tmp_path / "config.json", configs.to_dict(configs.create()))
    with pytest.raises(UserError, match="the config needs .* of memory at the least"):
        workdir.evaluate_workdir(pathlib.Path(tmp_path), EvaluationOptions(horizon=10**9))
