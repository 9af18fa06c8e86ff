"""A step that is not finite: who is named, what is skipped, when it is too much."""

import math
import types

import pytest

from lmvp_tf.errors import RunError
from lmvp_tf.training.hooks.finite import Finite
from lmvp_tf.training.hooks.hook import Report


def run_at(step, precision="none"):
    training = types.SimpleNamespace(seed=5, mixed_precision=precision, on_nonfinite="stop")
    return types.SimpleNamespace(
        config=types.SimpleNamespace(training=training),
        state=types.SimpleNamespace(optimizers={"D": None, "G": None}),
        step=step,
    )


def report(**scalars):
    return Report("main", {name.replace("__", "/"): value for name, value in scalars.items()})


def test_the_network_the_loss_the_batch_and_the_seed_are_named():
    with pytest.raises(RunError) as caught:
        Finite().after_step(run_at(7), report(L_dis=0.5, L_gen=math.nan, update_norm__G=math.inf))
    message = str(caught.value)
    assert message.startswith(
        "L_gen, the update of G not finite at step 7 (L_dis=0.5, L_gen=nan): training has diverged."
    )
    assert "batch 6 of --seed=5 (phase main)" in message
    assert "--reproduce=7" in message
    assert "\n" not in message


def test_an_infinite_gradient_is_an_end_but_where_its_step_is_left_out_anyway():
    infinite = report(L_dis=0.5, gradient_norm__D=math.inf, update_norm__D=0.0)
    with pytest.raises(RunError, match="^the update of D not finite"):
        Finite().after_step(run_at(1), infinite)
    Finite().after_step(run_at(1, "float16"), infinite)


def test_twenty_in_a_row_of_one_network_are_the_end(capsys):
    hook = Finite()
    for step in range(1, 60):  # never so many in a row
        skipped = {"skipped__D": float(step % 20 == 0), "skipped__G": float(step % 20 != 0)}
        found = report(L_gen=math.nan, **skipped)
        hook.after_step(run_at(step), found)
        assert found.extras["skipped_in_a_row"] == (step % 20 or 1)
    hook.after_step(run_at(60), report(L_gen=0.5, skipped__D=0.0, skipped__G=0.0))
    for step in range(61, 80):
        hook.after_step(run_at(step), report(L_gen=math.nan, skipped__D=0.0, skipped__G=1.0))
    with pytest.raises(RunError, match="^after 20 skipped updates in a row L_gen not finite at st"):
        hook.after_step(run_at(80), report(L_gen=math.nan, skipped__D=0.0, skipped__G=1.0))
    hook.end(run_at(80))
    assert "77 updates of G were not finite and left out" in capsys.readouterr().out
