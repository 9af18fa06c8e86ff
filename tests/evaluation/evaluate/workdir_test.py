"""What an evaluation leaves: all of it, or what was there before."""

import pathlib

import numpy as np
import pytest

from lmvp_tf import configs, files
from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.evaluate import stored, workdir
from lmvp_tf.evaluation.options import EvaluationOptions
from lmvp_tf.files import write_json
from lmvp_tf.training import weights
from lmvp_tf.training.checkpoint import build_model

pytestmark = pytest.mark.usefixtures("eagerly")
VALUES = {"data.size": 32, "data.num_frames": 5, "data.num_inputs": 3}


def _contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(name="evaluate", scope="module")
def _evaluate(eagerly, tmp_path_factory, digits_file):
    """A function that evaluates a model at a step, in one workdir; it is measured but once."""
    folder = tmp_path_factory.mktemp("run")
    config = configs.replace(configs.create(model="last_frame"), VALUES)
    config = configs.replace(config, {"data.path": str(digits_file)})
    write_json(folder / "config.json", configs.to_dict(config))
    model, measure, measured = build_model(config), workdir.measure, []

    def measure_once(*arguments, **options):
        measured.append(measured[0] if measured else measure(*arguments, **options))
        return measured[-1]

    def evaluate(step):
        weights.write(model, weights.Trained(step, 1.0, 1.0), folder)
        return workdir.evaluate_workdir(folder, EvaluationOptions(num_sequences=3)).folder

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(workdir, "_MEAN_IMAGE_BATCHES", 1)
        patch.setattr(workdir, "_write_pictures", lambda *_: None)
        patch.setattr(workdir, "measure", measure_once)
        patch.setattr(workdir.TestSet, "examples", None)  # they are not gone over again
        yield evaluate


def test_an_evaluation_that_ends_anywhere_leaves_the_one_before(evaluate, monkeypatch):
    folder = evaluate(6)
    before = _contents(folder)

    def interrupt(*_, **__):
        raise KeyboardInterrupt

    last = [(workdir.results, "write"), (workdir.manifest, "write"), (files, "_exchange")]
    for module, name in last:
        with monkeypatch.context() as patch:
            patch.setattr(module, name, interrupt)
            with pytest.raises(KeyboardInterrupt):
                evaluate(7)
        assert _contents(folder) == before
        assert [path for path in folder.parent.iterdir() if path.name.startswith(".")] == []
    evaluate(7)
    assert stored.read(folder).document["step"] == 7
    assert _contents(folder).keys() == before.keys()


def test_files_of_two_evaluations_are_not_taken_for_one(evaluate):
    folder = evaluate(6)
    old = (folder / "metrics.json").read_bytes()
    evaluate(7)
    (folder / "metrics.json").write_bytes(old)
    with pytest.raises(UserError, match="metrics.json is damaged .*SHA-256.*: evaluate again by"):
        stored.read(folder)
    evaluate(7)
    values = dict(np.load(folder / "per_sequence.npz"))
    np.savez(folder / "per_sequence.npz", **{name: v[:2] for name, v in values.items()})
    with pytest.raises(UserError, match="per_sequence.npz is damaged .*SHA-256"):
        stored.read(folder)
    (folder / "sha256.json").unlink()  # that of an older program, which had none
    with pytest.raises(UserError, match=r"per_sequence.npz is damaged .* is not \(3, 2\) finite"):
        stored.read(folder)


def test_an_absurd_horizon_is_refused_before_anything_is_made(tmp_path):
    write_json(tmp_path / "config.json", configs.to_dict(configs.create()))
    with pytest.raises(UserError, match="the config needs .* of memory at the least"):
        workdir.evaluate_workdir(pathlib.Path(tmp_path), EvaluationOptions(horizon=10**9))


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("file", "file is a file: give a folder"),
        ("file/below", "file is a file: give a folder"),
        ("/proc/evaluation", "/proc/evaluation cannot be written: /proc: "),
    ],
)
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_measured(
    evaluate, tmp_path, monkeypatch, place, message
):
    run = evaluate(6).parent
    (tmp_path / "file").touch()
    monkeypatch.setattr(workdir, "measure", None)
    with pytest.raises(UserError, match=message):
        workdir.evaluate_workdir(run, EvaluationOptions(output=tmp_path / place))
