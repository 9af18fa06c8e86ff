"""Phases: which step is of which, where they end, which never begin."""

import pytest

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.training import horizons
from lmvp_tf.training.procedures import procedure_class


def lmvp(one_step, pretrain, last):
    values = {
        "training.one_step_steps": one_step,
        "training.pretrain_steps": pretrain,
        "training.max_steps": last,
    }
    return procedure_class("algorithm1")(configs.replace(configs.create(), values))


@pytest.mark.parametrize(
    ("lengths", "phases", "ends", "cut_off"),
    [
        (
            (2, 4, 6),
            ["one_step"] * 2 + ["pretrain"] * 2 + ["main"] * 2,
            {"one_step": 2, "pretrain": 4, "main": 6},
            {},
        ),
        ((0, 2, 3), ["pretrain"] * 2 + ["main"], {"pretrain": 2, "main": 3}, {}),
        ((2, 2, 3), ["one_step"] * 2 + ["main"], {"one_step": 2, "main": 3}, {}),
        ((0, 0, 2), ["main"] * 2, {"main": 2}, {}),
        ((5, 9, 3), ["one_step"] * 3, {"one_step": 3}, {"pretrain": 5, "main": 9}),
        (
            (2, 9, 4),
            ["one_step"] * 2 + ["pretrain"] * 2,
            {"one_step": 2, "pretrain": 4},
            {"main": 9},
        ),
        ((2, 2, 2), ["one_step"] * 2, {"one_step": 2}, {}),  # no main loop is wanted
    ],
)
def test_phases_follow_one_another(lengths, phases, ends, cut_off):
    procedure = lmvp(*lengths)
    assert [procedure.phase(step) for step in range(lengths[-1])] == phases
    assert list(procedure.ends().items()) == list(ends.items())
    assert procedure.cut_off() == cut_off


def test_the_horizon_grows_between_one_step_and_the_open_loop():
    values = {"training.one_step_steps": 2, "training.horizons": (2, 4)}
    values |= {"training.horizon_steps": 1, "training.pretrain_steps": 5, "training.max_steps": 7}
    config = configs.validate(configs.replace(configs.create(), values))
    procedure = procedure_class("algorithm1")(config)
    phases = ["one_step"] * 2 + ["horizon_2", "horizon_4", "pretrain"] + ["main"] * 2
    assert [procedure.phase(step) for step in range(7)] == phases
    supervised = procedure_class("supervised")(config)
    phases = ["one_step"] * 2 + ["horizon_2", "horizon_4"] + ["open_loop"] * 3
    assert [supervised.phase(step) for step in range(7)] == phases
    stages = horizons.stages(config, "open_loop")
    assert [stage.num_real for stage in stages.values()] == [19, 18, 16, 10]  # of T = 20


def test_a_horizon_of_all_frames_or_more_is_the_open_loop():
    values = {"training.horizons": (2, 4, 7), "data.num_frames": 14}
    config = configs.replace(configs.create(), values)
    stages = horizons.stages(config, "open_loop")
    assert {name: stage.num_real for name, stage in stages.items()} == {
        "one_step": 13,
        "horizon_2": 12,
        "open_loop": 10,
    }


def test_a_run_may_go_on_after_its_last_step():
    assert lmvp(2, 4, 6).phase(100) == "main"


def test_a_procedure_that_is_none_is_named():
    with pytest.raises(UserError, match="one of algorithm1, supervised, .*Received: magic"):
        procedure_class("magic")
