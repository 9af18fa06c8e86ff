"""Steps run by JAX alone are those of the training loop."""

import csv
import subprocess
import sys

import numpy as np
import pytest

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.locks import only_writer
from lmvp_tf.training import loop
from lmvp_tf.training.checkpoint import TrainState, load_trained, newest_step
from lmvp_tf.training.offline import compiled_step

pytest.importorskip("jax")


@pytest.fixture
def config(tiny_values, digits_file):
    values = {path: value for path, value in tiny_values.items() if path[:5] != "model"}
    values |= {"model.encoder_widths": (4, 4), "model.kernel_size": 3}
    values |= {"model.decoder_widths": (4,), "model.pixel_widths": (4,)}
    values |= {"data.num_frames": 5, "data.num_inputs": 3, "data.path": str(digits_file)}
    values |= {"training.one_step_steps": 2, "training.max_steps": 4, "training.pretrain_steps": 2}
    return configs.validate(configs.replace(configs.create(model="dfn"), values))


def run_steps(directory, *options):
    command = [sys.executable, directory / "run_steps.py", directory, "--log_every=1", *options]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_steps_run_by_jax_in_two_parts_come_back_as_the_loops_own(config, tmp_path):
    lines = compiled_step.dump_run(config, None, tmp_path / "steps")
    assert "starts at step 0" in lines[1]
    run_steps(tmp_path / "steps", "--steps=3")
    trained = tmp_path / "steps" / "trained.npz"
    output = run_steps(tmp_path / "steps", f"--state={trained}")
    assert "one_step: compiled" not in output  # step 3 is of the other phase
    assert compiled_step.load_run(config, tmp_path / "back", trained) == 4
    loop.train(config, tmp_path / "here")
    back, here = (load_trained(tmp_path / name, config) for name in ("back", "here"))
    assert back[1].step == here[1].step == 4
    assert back[1].seconds > 0
    for one, other in zip(back[0].variables, here[0].variables, strict=True):
        np.testing.assert_allclose(one, other, atol=2e-5, err_msg=one.path)
    logs = []
    for name in ("back", "here"):
        with (tmp_path / name / "log.csv").open() as file:
            logs.append(list(csv.DictReader(file)))
    phases = ["one_step", "one_step", "open_loop", "open_loop"]
    assert [row["phase"] for row in logs[0]] == [row["phase"] for row in logs[1]] == phases
    losses = [[float(row["L_recons"]) for row in rows] for rows in logs]
    np.testing.assert_allclose(*losses, rtol=1e-4)


def test_the_program_is_what_a_plugin_of_jax_takes(config, tmp_path):
    from jax._src.lib import xla_client

    compiled_step.dump_run(config, None, tmp_path)
    program = xla_client.XlaComputation((tmp_path / "open_loop.hlo").read_bytes())
    mlir = xla_client._xla.mlir
    module = mlir.xla_computation_to_mlir_module(program)
    # What JAX does before it hands a program to a GPU's plugin; it refuses all but StableHLO.
    assert mlir.serialize_portable_artifact(module, "1.9.0")


def test_every_variable_of_the_state_has_a_name_of_its_own(tiny_config):
    state = TrainState(tiny_config)
    named = compiled_step.state_variables(state)
    expected = (
        3 + len(state.model.variables) + sum(len(o.variables) for o in state.optimizers.values())
    )
    assert len(named) == len({id(v) for v in named.values()}) == expected


@pytest.fixture(name="state")
def _state(config):
    """The arrays of a state, as run_steps.py brings them back."""
    named = compiled_step.state_variables(TrainState(config))
    return {name: variable.numpy() for name, variable in named.items()} | {"step": np.int64(3)}


def _but(name, value):
    return lambda state: state | {name: value(state[name]) if callable(value) else value}


SLOT = "optimizers/G/003"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: b"", "is damaged or another file"),
        (lambda state: {"step": np.int64(1)}, "of another model or run: .* the first is seconds"),
        (_but("more", np.zeros(3)), "of another model or run: 1 of .* the first is more"),
        (_but("step", np.float64(5.7)), "of another model or run: 1 of .* the first is step"),
        (_but("step", np.array("5")), "of another model or run: 1 of .* the first is step"),
        (_but("step", np.array([5])), "of another model or run: 1 of .* the first is step"),
        (_but("step", np.array(None)), "is damaged or another file"),
        (_but("step", np.int64(-1)), "cannot be loaded: its step is -1"),
        (_but("step", np.int64(2**40)), "cannot be loaded: its step is 1099511627776"),
        (_but("seconds", np.float64(np.nan)), "cannot be loaded: seconds has a NaN"),
        (_but(SLOT, lambda v: v + np.inf), f"cannot be loaded: {SLOT} has a NaN or an infinity"),
        (
            _but(SLOT, lambda v: v.astype(float) + 1e300),
            f"cannot be loaded: {SLOT} has a NaN or an infinity",
        ),
        (_but(SLOT, lambda v: v.astype(str)), f"of another model or run: .* {SLOT}"),
        (_but(SLOT, lambda v: v.astype(int)), f"of another model or run: .* {SLOT}"),
        (_but(SLOT, lambda v: v.T[None]), f"of another model or run: .* {SLOT}"),
        (_but(SLOT, np.zeros(10**7)), "cannot be read .* bytes, at most"),
    ],
)
def test_a_wrong_state_is_refused_and_leaves_no_checkpoint(
    config, state, tmp_path, change, message
):
    path = tmp_path / "trained.npz"
    content = change(state)
    path.write_bytes(content) if isinstance(content, bytes) else np.savez(path, **content)
    with pytest.raises(UserError, match=message) as caught:
        compiled_step.load_run(config, tmp_path / "run", path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_state_is_not_loaded_over_a_run_that_is_further(config, state, tmp_path):
    path = tmp_path / "trained.npz"
    np.savez(path, **state)
    assert compiled_step.load_run(config, tmp_path / "run", path) == 3
    np.savez(path, **state | {"step": np.int64(2)})
    with pytest.raises(UserError, match="run is at step 3 already and .* at step 2"):
        compiled_step.load_run(config, tmp_path / "run", path)
    with only_writer(tmp_path / "run"), pytest.raises(UserError, match="is in use by process"):
        compiled_step.load_run(config, tmp_path / "run", path)
    assert newest_step(tmp_path / "run") == 3


def test_a_model_that_has_nothing_to_train_has_no_step_to_dump(digits_file, tmp_path):
    config = configs.create(model="last_frame")
    config = configs.replace(config, {"data.path": str(digits_file)})
    with pytest.raises(UserError, match="--model=last_frame has nothing to train"):
        compiled_step.dump_run(config, None, tmp_path / "steps")
    assert not (tmp_path / "steps").exists()
