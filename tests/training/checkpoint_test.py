"""Saving and restoring: every slot, and clear errors."""

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.training.checkpoint import Checkpoints, TrainState, load_trained, newest_step

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.mark.parametrize("precision", ["none", "float16"])  # which scales its losses
def test_every_variable_returns_optimizer_slots_included(
    tiny_config, tiny_video, tmp_path, precision
):
    tiny_config = configs.replace(tiny_config, {"training.mixed_precision": precision})
    state = TrainState(tiny_config)
    state.procedure.steps(state.model, state.optimizers)["pretrain"](tf.constant(tiny_video))
    state.step.assign(7)
    state.seconds.assign(1.5)
    state.cpu_seconds.assign(2.5)
    Checkpoints(tmp_path, state.checkpoint).save(7)
    fresh = TrainState(tiny_config)
    assert Checkpoints(tmp_path, fresh.checkpoint).restore()
    assert (int(fresh.step), float(fresh.seconds), float(fresh.cpu_seconds)) == (7, 1.5, 2.5)
    for name, optimizer in state.optimizers.items():
        restored = fresh.optimizers[name].variables
        for one, other in zip(optimizer.variables, restored, strict=True):
            np.testing.assert_array_equal(one, other, err_msg=one.path)
    slots = fresh.optimizers["G"].variables
    assert any(np.any(v.numpy()) for v in slots if "momentum" in v.path)


@pytest.mark.parametrize("precision", ["none", "bfloat16"])
def test_the_trained_model_has_every_weight_of_the_state_that_was_saved(
    tiny_config, tmp_path, precision
):
    tiny_config = configs.replace(tiny_config, {"training.mixed_precision": precision})
    state = TrainState(tiny_config)
    state.step.assign(3)
    Checkpoints(tmp_path, state.checkpoint).save(3)
    model, trained = load_trained(tmp_path, tiny_config)
    assert trained.step == 3
    assert {layer.compute_dtype for layer in model._flatten_layers()} == {"float32"}
    for one, other in zip(state.model.variables, model.variables, strict=True):
        np.testing.assert_array_equal(one, other, err_msg=one.path)


def test_averages_of_a_normalisation_return_too(tmp_path):
    """No gradient moves them, and a model predicts by them."""
    values = {"data.size": 32, "data.num_frames": 4, "data.num_inputs": 2, "model.num_blocks": 2}
    values |= {"model.frame_width": 2, "model.width": 4, "model.translator": "gsta"}
    config = configs.replace(configs.create(model="simvp"), values)
    state, video = TrainState(config), tf.random.uniform((2, 4, 32, 32, 1))
    state.model.supervise(video, 2, num_real=2)
    Checkpoints(tmp_path, state.checkpoint).save(1)
    model, _ = load_trained(tmp_path, config)
    fresh = TrainState(config).model
    for one, other, new in zip(
        state.model.statistics, model.statistics, fresh.statistics, strict=True
    ):
        np.testing.assert_array_equal(one, other, err_msg=one.path)
        assert np.any(np.asarray(one) != np.asarray(new)), one.path


def test_the_newest_two_are_kept(tiny_config, tmp_path):
    checkpoints = Checkpoints(tmp_path, TrainState(tiny_config).checkpoint)
    for step in (1, 2, 3):
        checkpoints.save(step)
    names = {path.name for path in (tmp_path / "checkpoints").glob("*.index")}
    assert names == {"ckpt-2.index", "ckpt-3.index"}


def test_a_workdir_without_checkpoint_is_named(tiny_config, tmp_path):
    with pytest.raises(UserError, match="has no checkpoint yet: train it by run_train.py first"):
        load_trained(tmp_path, tiny_config)


def test_a_checkpoint_that_cannot_be_written_ends_the_run_with_one_line(tiny_config, tmp_path):
    checkpoints = Checkpoints(tmp_path, TrainState(tiny_config).checkpoint)
    checkpoints.save(1)
    folder = tmp_path / "checkpoints"
    (folder / "ckpt-2.index").mkdir()  # what a full disk does: the rename to this name fails
    with pytest.raises(RunError, match="no checkpoint could be written to .*checkpoints at step 2"):
        checkpoints.save(2)
    fresh = TrainState(tiny_config)
    assert Checkpoints(tmp_path, fresh.checkpoint).restore()


@pytest.mark.parametrize("name", ["a[1]", "a]", "a*", "a?", "a\\b", "{a,b}", "é %s $HOME"])
def test_any_name_of_a_folder_is_taken_literally(tmp_path, name):
    """TensorFlow takes names of checkpoints for patterns."""
    neighbour = tmp_path / "ab" / "checkpoints" / "ckpt-1.index"  # a name that patterns match
    neighbour.parent.mkdir(parents=True)
    neighbour.write_bytes(b"")
    number = tf.Variable(0.0)
    checkpoints = Checkpoints(tmp_path / name, tf.train.Checkpoint(number=number))
    for step in (1, 2, 3):
        number.assign(step)
        checkpoints.save(step)
    names = {path.name for path in (tmp_path / name / "checkpoints").iterdir()}
    assert {n for n in names if n.endswith(".index")} == {"ckpt-2.index", "ckpt-3.index"}
    assert neighbour.exists()
    number.assign(9.0)
    again = Checkpoints(tmp_path / name, tf.train.Checkpoint(number=number))
    assert (again.newest, newest_step(tmp_path / name)) == (3, 3)
    assert again.restore()
    assert float(number) == 3


def test_looking_for_a_checkpoint_makes_no_folder(tmp_path):
    for name in ("run", "run[1]"):
        assert newest_step(tmp_path / name) is None
        assert not (tmp_path / name).exists()


@pytest.mark.parametrize("precision", ["none", "float16"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nothing_that_is_not_finite_is_saved(tiny_config, tmp_path, precision, value):
    tiny_config = configs.replace(tiny_config, {"training.mixed_precision": precision})
    state = TrainState(tiny_config)
    checkpoints = Checkpoints(tmp_path, state.checkpoint)
    checkpoints.save(1)
    before = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    slot = next(v for v in state.optimizers["D"].variables if "velocity" in v.path)
    places = {
        "the weights of G": state.model.networks["G"][-1],
        "what the optimizer keeps of the gradients of D": slot,
        "seconds": state.seconds,
    }
    for name, variable in places.items():
        good = variable.numpy()
        bad = np.array(good)
        bad.flat[-1] = value
        variable.assign(bad)
        with pytest.raises(RunError, match=f"^{name} not finite at step 2: .* Nothing was saved"):
            checkpoints.save(2)
        variable.assign(good)
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == before
    checkpoints.save(2)


def test_a_checkpoint_that_is_not_finite_is_not_gone_on_from(tiny_config, tmp_path):
    """One of an older program."""
    state = TrainState(tiny_config)
    weights = state.model.networks["M"][0]
    weights.assign(np.full(weights.shape, np.nan))
    (tmp_path / "checkpoints").mkdir()
    state.checkpoint.save_counter.assign_add(1)
    state.checkpoint.write(str(tmp_path / "checkpoints" / "ckpt-3"))
    for use in (
        lambda: Checkpoints(tmp_path, TrainState(tiny_config).checkpoint).restore(),
        lambda: load_trained(tmp_path, tiny_config),
    ):
        with pytest.raises(UserError, match="ckpt-3 cannot be used: the weights of M not finite"):
            use()
