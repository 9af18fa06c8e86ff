"""Reading runs: their names, what makes them comparable, and what is evaluated first."""

import dataclasses
import json
import types

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.compare import runs
from lmvp_tf.evaluation.options import EvaluationOptions
from lmvp_tf.files import write_json
from lmvp_tf.presets import named


def _evaluate(workdir, num_sequences=5, data_hash="abc", step=7):
    """Leaves what an evaluation leaves, as far as it is read here."""
    config = configs.load(workdir / "config.json")
    document = {
        "model": config.model_name,
        "num_sequences": num_sequences,
        "data_hash": data_hash,
        "step": step,
        "parameters": {"total": 0 if config.model_name == "last_frame" else 10},
        "preset": config.preset,
        "sequences_seen": 1,
        "train_seconds": 1.0,
        "overlap": 1,
        "metrics": {"mse": 0.5},
        "per_step": {"mse": [0.5] * 3},
        "floors": {"zeros": {"mse": 0.5, "per_step": {"mse": [0.5] * 3}}},
        "config": configs.to_dict(config),
    }
    write_json(workdir / "eval" / "metrics.json", document)
    values = np.full((num_sequences, 3), 0.5, np.float32)
    arrays = {f"{system}/mse": values for system in (config.model_name, "zeros")}
    np.savez(workdir / "eval" / "per_sequence.npz", **arrays)


def _workdir(
    folder,
    model="lmvp",
    preset="small",
    values=None,
    evaluated=True,
    dataset="moving_mnist",
    **evaluation,
):
    config = named.get(dataset, preset, model)
    write_json(folder / "config.json", configs.to_dict(configs.replace(config, values or {})))
    if evaluated:
        _evaluate(folder, **evaluation)
    return folder


def _read_runs(workdirs, fingerprint="f", **options):
    options = EvaluationOptions(**options)
    videos = types.SimpleNamespace(fingerprint=fingerprint)
    return runs.read_runs(runs.candidates(workdirs, options), options, videos)


def _labels(*workdirs):
    return [run.label for run in _read_runs(workdirs)]


def test_a_run_holds_its_config_its_document_and_its_values(tmp_path):
    workdir = _workdir(tmp_path / "a", model="dfn")
    (run,) = _read_runs([workdir])
    assert (run.workdir, run.config.model_name, run.document["step"]) == (workdir, "dfn", 7)
    assert {system: list(values) for system, values in run.values.items()} == {
        "dfn": ["mse"],
        "zeros": ["mse"],
    }
    assert run.values["dfn"]["mse"].shape == (5, 3)


def test_runs_are_named_by_model_and_preset(tmp_path):
    names = [("lmvp", "small"), ("lmvp", "demo"), ("conv_lstm", "demo"), ("last_frame", "demo")]
    workdirs = [_workdir(tmp_path / f"{m}-{p}", m, p) for m, p in names]
    assert _labels(*workdirs) == ["LMVP small", "LMVP demo", "ConvLSTM demo", "last frame"]


def test_runs_of_one_model_and_preset_are_named_by_folder(tmp_path):
    workdirs = [_workdir(tmp_path / name) for name in ("whole", "lmvp-small-no_motion")]
    assert _labels(*workdirs) == ["LMVP whole", "LMVP small-no_motion"]


def test_a_run_that_is_not_its_presets_is_named_by_folder(tmp_path):
    changed = _workdir(tmp_path / "dfn-small-sharp", "dfn", values={"losses.gdl_weight": 0.5})
    longer = _workdir(tmp_path / "long", "fpm", values={"training.max_steps": 99_000})
    assert _labels(changed, longer) == ["DFN small-sharp", "FPM small"]


def test_folders_of_one_name_are_named_by_path(tmp_path):
    workdirs = [_workdir(tmp_path / name / "run") for name in "ab"]
    assert _labels(*workdirs) == [f"LMVP {workdir}" for workdir in workdirs]


def test_a_folder_that_is_called_like_a_preset_is_no_doubt(tmp_path):
    workdirs = [_workdir(tmp_path / "x", preset="small")]
    workdirs += [_workdir(tmp_path / name, preset="demo") for name in ("small", "y")]
    assert len(set(_labels(*workdirs))) == 3


@pytest.fixture(name="evaluations")
def _evaluations(monkeypatch):
    """The evaluations asked for, which leave a document of the first checkpoint's step."""
    calls = []

    def evaluate(workdir, options):
        calls.append((workdir.name, options))
        _evaluate(workdir, options.num_sequences or 10_000, step=8)

    monkeypatch.setattr(runs, "evaluate_workdir", evaluate)
    return calls


def test_what_was_not_evaluated_is_on_as_many_sequences_as_the_others(tmp_path, evaluations):
    done, missing = _workdir(tmp_path / "a"), _workdir(tmp_path / "b", evaluated=False)
    (_, run) = _read_runs([done, missing], batch_size=4)
    assert evaluations == [("b", EvaluationOptions(num_sequences=5, batch_size=4))]
    assert run.document["num_sequences"] == 5


def test_where_nothing_was_evaluated_it_is_as_asked_for_or_on_all(tmp_path, evaluations):
    _read_runs([_workdir(tmp_path / "a", evaluated=False)], num_sequences=3)
    _read_runs([_workdir(tmp_path / "b", evaluated=False)])
    assert [(name, o.num_sequences) for name, o in evaluations] == [("a", 3), ("b", None)]


def test_a_run_that_was_trained_on_since_is_evaluated_anew(tmp_path, evaluations):
    workdir = _workdir(tmp_path / "a", step=7)
    manager = tf.train.CheckpointManager(
        tf.train.Checkpoint(x=tf.Variable(0)), str(workdir / "checkpoints"), max_to_keep=2
    )
    manager.save(checkpoint_number=7)
    _read_runs([workdir])
    assert not evaluations
    manager.save(checkpoint_number=8)
    (run,) = _read_runs([workdir])
    assert (evaluations[0][1].num_sequences, run.document["step"]) == (5, 8)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UserError, match=rf"there is no folder {tmp_path}/a"):
        _read_runs([tmp_path / "a"])


def test_a_folder_of_something_else_is_named(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path} is no workdir of run_train.py"):
        _read_runs([tmp_path])


def test_an_unknown_model_is_named_with_where_it_stands(tmp_path):
    workdir = _workdir(tmp_path / "a")
    text = (workdir / "config.json").read_text()
    (workdir / "config.json").write_text(text.replace('"lmvp"', '"lmvq"'))
    with pytest.raises(UserError, match=r"a/config.json: --model must be one of .*lmvq"):
        _read_runs([workdir])


def test_a_folder_given_twice_is_refused(tmp_path):
    workdir = _workdir(tmp_path / "a")
    with pytest.raises(UserError, match="names a folder twice"):
        _read_runs([workdir, workdir / ".." / "a"])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"dataset": "highway"}, r"a and .*b are of two datasets \(moving_mnist, highway\)"),
        (
            {"values": {"data.num_inputs": 5}},
            "a and .*b cannot be compared: data.num_inputs is 10 in one and 5",
        ),
        ({"values": {"data.size": 32}}, "data.height is 64 in one and 32"),
    ],
)
def test_runs_on_other_data_are_refused_before_anything_is_evaluated(
    tmp_path, evaluations, other, message
):
    workdirs = [_workdir(tmp_path / "a"), _workdir(tmp_path / "b", evaluated=False, **other)]
    with pytest.raises(UserError, match=message):
        _read_runs(workdirs)
    assert not evaluations


@pytest.mark.parametrize("other", [{"num_sequences": 6, "data_hash": "def"}, {"data_hash": "def"}])
def test_runs_evaluated_on_other_sequences_are_refused(tmp_path, other):
    workdirs = [_workdir(tmp_path / "a"), _workdir(tmp_path / "b", "dfn", **other)]
    message = r"a and .*b were evaluated on other test sequences \(5 of them, sha256 abc; [56] of"
    with pytest.raises(UserError, match=message) as caught:
        _read_runs(workdirs)
    assert f"run_eval.py --workdir={workdirs[1]} --num_sequences=5" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["metrics.json", "per_sequence.npz"])
def test_a_damaged_evaluation_is_named_with_what_to_do(tmp_path, name):
    workdir = _workdir(tmp_path / "a")
    (workdir / "eval" / name).write_bytes(b"{")
    with pytest.raises(UserError, match=rf"eval/{name} is damaged .*: evaluate again by"):
        _read_runs([workdir])


def test_data_that_have_moved_are_found_by_the_given_path(tmp_path):
    workdir = _workdir(tmp_path / "a")
    (run,) = _read_runs([workdir], data={"data.path": "there.npz"})
    assert run.setting.data.path == "there.npz"
    saved = json.loads((workdir / "config.json").read_text())
    assert saved["data"]["path"] == ""
    assert dataclasses.replace(run.setting.data, path="") == configs.create().data


def test_an_evaluation_by_an_older_program_is_made_anew(tmp_path, evaluations, capsys):
    workdir = _workdir(tmp_path / "a")
    path = workdir / "eval" / "metrics.json"
    document = json.loads(path.read_text())
    del document["overlap"]
    path.write_text(json.dumps(document))
    _read_runs([workdir])
    assert [name for name, _ in evaluations] == ["a"]
    assert "has an evaluation by an older program" in capsys.readouterr().out
