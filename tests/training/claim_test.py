"""Whose a workdir is."""

import types

import pytest

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.files import write_json
from lmvp_tf.training import claim

VIDEOS = types.SimpleNamespace(source="ours", fingerprint="1")
OTHER_VIDEOS = types.SimpleNamespace(source="theirs", fingerprint="2")


@pytest.fixture
def other(tiny_config):
    return configs.replace(tiny_config, {"training.seed": 5})


def test_a_workdir_without_a_checkpoint_is_anybodys(tiny_config, other, tmp_path):
    """What a command that failed left there is in nobody's way."""
    claim.write(tiny_config, tmp_path, VIDEOS)
    claim.write(other, tmp_path, OTHER_VIDEOS)
    assert configs.load(tmp_path / "config.json") == other


def test_a_workdir_with_a_checkpoint_is_its_runs_readable_or_not(tiny_config, other, tmp_path):
    claim.write(tiny_config, tmp_path, VIDEOS)
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "ckpt-3.index").write_bytes(b"damaged")
    before = {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    with pytest.raises(UserError, match="training.seed: 0 there, 5 here"):
        claim.write(other, tmp_path, VIDEOS)
    with pytest.raises(UserError, match=r"trained on other data \(ours\) than .*\(theirs\)"):
        claim.write(tiny_config, tmp_path, OTHER_VIDEOS)
    assert before == {path.name: path.read_bytes() for path in tmp_path.glob("*.json")}
    claim.write(tiny_config, tmp_path, VIDEOS)


def test_published_weights_are_not_trained_over(tiny_config, tmp_path):
    write_json(tmp_path / "trained.json", {"step": 1, "seconds": 1.0})
    with pytest.raises(UserError, match="weights of a finished run and nothing to go on from"):
        claim.check(tiny_config, tmp_path)
