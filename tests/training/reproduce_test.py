"""A step again: the values of the log, from the state before it, and nothing written."""

import csv

import pytest

from lmvp_tf import configs
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.training import loop
from lmvp_tf.training.reproduce import reproduce

pytestmark = pytest.mark.usefixtures("eagerly")


def _values(lines):
    return {line.split()[0]: line.split()[1] for line in lines[2:]}


def test_a_step_is_reproduced_bit_for_bit_and_nothing_is_written(
    tiny_config, digits_file, tmp_path
):
    config = configs.replace(tiny_config, {"data.path": str(digits_file)})
    first = configs.replace(config, {"training.max_steps": 2})
    loop.train(first, tmp_path)
    wild = configs.replace(
        config, {"training.learning_rate": 1e38, "training.clip_norm": 0.0, "training.max_steps": 6}
    )
    with pytest.raises(RunError, match="not finite at step 3 .*--reproduce=3"):
        loop.train(wild, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    lines = reproduce(wild, tmp_path, 3)
    assert lines[0] == "Step 3 (phase pretrain) again, from step 2 on: batch 2 of --seed=0"
    assert lines[1].split()[:2] == ["batch", "2x7x32x32x1,"]
    bad = [line for line in lines if line.endswith("not finite")]
    assert any(line.split()[0] == "update_norm/G" for line in bad)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before

    assert loop.train(configs.replace(config, {"training.max_steps": 4}), tmp_path)
    with (tmp_path / "log.csv").open() as file:
        logged = list(csv.DictReader(file))[2]
    shown = _values(reproduce(config, tmp_path, 3))
    assert shown["gradient_norm/G"] == logged["gradient_norm/G"]
    assert all(shown[name] == logged[name] for name in shown)
    with pytest.raises(UserError, match="has no checkpoint from before step 2 any more"):
        reproduce(config, tmp_path, 2)
    with pytest.raises(UserError, match="--reproduce=9: the run has 6 steps"):
        reproduce(config, tmp_path, 9)
