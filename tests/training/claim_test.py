"""Whose a workdir is."""

import types

import pytest

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.files import write_json
from lmvp_tf.training import claim

VIDEOS = types.SimpleNamespace(source="ours", fingerprint="1")
REBUILT_VIDEOS = types.SimpleNamespace(source="ours", fingerprint="3")
OTHER_VIDEOS = types.SimpleNamespace(source="theirs", fingerprint="2")


@pytest.fixture
def other(tiny_config):
    return configs.replace(tiny_config, {"training.seed": 5})


def test_a_workdir_without_a_checkpoint_is_anybodys(tiny_config, other, tmp_path):
    """What a command that failed left there is in nobody's way."""
    claim.write(tiny_config, tmp_path, VIDEOS, 0)
    claim.write(other, tmp_path, OTHER_VIDEOS, 0)
    assert configs.load(tmp_path / "config.json") == other


def test_a_log_without_the_folder_of_its_checkpoints_is_not_begun_anew(tiny_config, tmp_path):
    claim.write(tiny_config, tmp_path, VIDEOS, 0)
    (tmp_path / "log.csv").write_text("step,loss\n7,0.5\n")
    claim.write(tiny_config, tmp_path, VIDEOS, 0)  # killed before its first checkpoint
    (tmp_path / "checkpoints").rmdir()
    for file in (False, True):
        if file:
            (tmp_path / "checkpoints").write_text("")
        with pytest.raises(UserError, match=r"log.csv up to step 7, and .* checkpoints is missing"):
            claim.write(tiny_config, tmp_path, VIDEOS, 0)
    assert claim.set_aside(tmp_path)
    claim.write(tiny_config, tmp_path, VIDEOS, 0)


def test_a_workdir_with_a_checkpoint_is_its_runs_readable_or_not(tiny_config, other, tmp_path):
    claim.write(tiny_config, tmp_path, VIDEOS, 0)
    (tmp_path / "checkpoints" / "ckpt-3.index").write_bytes(b"damaged")
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    with pytest.raises(UserError, match="training.seed: 0 there, 5 here"):
        claim.write(other, tmp_path, VIDEOS, 0)
    with pytest.raises(UserError, match=r"trained on other data \(ours\) than .*\(theirs\)"):
        claim.write(tiny_config, tmp_path, OTHER_VIDEOS, 0)
    with pytest.raises(UserError, match="other data than ours holds now: .* data.cache_mib"):
        claim.write(tiny_config, tmp_path, REBUILT_VIDEOS, 0)
    assert before == {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    claim.write(tiny_config, tmp_path, VIDEOS, 0)


def test_what_a_run_that_goes_on_changes_is_kept_with_its_step(tiny_config, tmp_path, capsys):
    claim.write(tiny_config, tmp_path, VIDEOS, 0)
    slower = configs.replace(tiny_config, {"training.learning_rate": 1e-4})
    claim.write(slower, tmp_path, VIDEOS, 0)  # no checkpoint yet: a new run
    assert not (tmp_path / "changes.csv").exists()
    (tmp_path / "checkpoints" / "ckpt-3.index").write_bytes(b"")
    other = {"training.clip_norm": 0.0, "training.guider_learning_rate": 0.5}
    claim.write(slower, tmp_path, VIDEOS, 3)
    claim.write(configs.replace(slower, other), tmp_path, VIDEOS, 3)
    claim.write(configs.replace(slower, other), tmp_path, VIDEOS, 4)
    claim.write(slower, tmp_path, VIDEOS, 5)
    assert (tmp_path / "changes.csv").read_text().splitlines() == [
        "step,field,before,after",
        "3,training.guider_learning_rate,0.001,0.5",
        "3,training.clip_norm,1.0,0.0",
        "5,training.guider_learning_rate,0.5,0.001",
        "5,training.clip_norm,0.0,1.0",
    ]
    said = capsys.readouterr().out
    assert "From step 3 on training.guider_learning_rate is 0.5, it was 0.001." in said


def test_published_weights_are_not_trained_over(tiny_config, tmp_path):
    write_json(tmp_path / "trained.json", {"step": 1, "seconds": 1.0})
    with pytest.raises(UserError, match="weights of a finished run and nothing to go on from"):
        claim.check(tiny_config, tmp_path)


def test_a_run_that_is_made_longer_keeps_its_decay_and_wants_a_floor(tiny_config, tmp_path):
    values = {"training.max_steps": 20, "training.decay": "cosine"}
    first = configs.replace(tiny_config, values)
    claim.write(first, tmp_path, VIDEOS, 0)
    (tmp_path / "checkpoints" / "ckpt-3.index").write_bytes(b"")
    longer = configs.replace(first, {"training.max_steps": 30})
    with pytest.raises(UserError, match="rate falls to 0 at step 20.*learning_rate_floor"):
        claim.check(longer, tmp_path)
    longer = configs.replace(longer, {"training.learning_rate_floor": 0.25})
    for _ in range(2):  # the same command again, too
        claim.write(longer, tmp_path, VIDEOS, 20)
    assert configs.load(tmp_path / "config.json").training.decay_steps == 20
    jump = configs.replace(longer, {"training.decay_steps": 30})
    assert claim.check(jump, tmp_path) == jump
