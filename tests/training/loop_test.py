"""The training run: exact resume, clean stops, what it refuses, what it writes."""

import csv
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.training import loop
from lmvp_tf.training.checkpoint import load_trained
from lmvp_tf.training.hooks.hook import Hook
from lmvp_tf.training.hooks.saving import Saving
from lmvp_tf.training.hooks.stop_signals import StopSignals

ROOT = pathlib.Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(name="config", scope="module")
def _config(fast_config):
    return fast_config


@pytest.fixture(scope="module")
def lmvp(tiny_config, digits_file):
    """Of the model that has all phases, networks and losses."""
    return configs.replace(tiny_config, {"data.path": str(digits_file)})


def weights(workdir, config):
    model, trained = load_trained(workdir, config)
    return [v.numpy() for v in model.trainable_variables], trained.step


def run_in_new_process(config, workdir):
    """Trains as run_train.py does, in a process that shares nothing with this one."""
    program = (
        "import json, pathlib, sys\n"
        "from lmvp_tf import configs\n"
        "from lmvp_tf.training import loop\n"
        "loop.train(configs.from_dict(json.loads(sys.argv[1])), pathlib.Path(sys.argv[2]))"
    )
    arguments = [json.dumps(configs.to_dict(config)), str(workdir)]
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, cwd=ROOT
    )


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_a_resumed_run_equals_an_uninterrupted_one_bit_for_bit(lmvp, tmp_path):
    """3 steps, a new process, another step: two phases, every optimizer, the order of the data."""
    values = {"data.num_frames": 5, "data.num_inputs": 3, "training.max_steps": 4}
    values |= {"training.one_step_steps": 0, "training.pretrain_steps": 2}
    config = configs.replace(lmvp, values)
    loop.train(config, tmp_path / "whole")
    shorter = configs.replace(config, {"training.max_steps": 3})
    loop.train(shorter, tmp_path / "parts")
    assert weights(tmp_path / "parts", config)[1] == 3
    run_in_new_process(config, tmp_path / "parts")
    whole, parts = weights(tmp_path / "whole", config), weights(tmp_path / "parts", config)
    assert whole[1] == parts[1] == 4
    for one, other in zip(whole[0], parts[0], strict=True):
        np.testing.assert_array_equal(one, other)
    losses = []
    for name in ("whole", "parts"):
        with (tmp_path / name / "log.csv").open() as file:
            losses.append(
                [(row["step"], row["L_recons"], row["L_dis"]) for row in csv.DictReader(file)]
            )
    assert losses[0] == losses[1]
    assert [int(step) for step, *_ in losses[0]] == [1, 2, 3, 4]


@pytest.fixture(scope="module")
def trained_once(config, eagerly, tmp_path_factory):
    """A workdir of two steps, to be copied."""
    config = configs.replace(config, {"training.max_steps": 2, "training.validate_every": 2})
    workdir = tmp_path_factory.mktemp("trained") / "run"
    assert loop.train(config, workdir)
    return config, workdir


@pytest.fixture
def trained(trained_once, tmp_path):
    """A workdir of two steps."""
    config, workdir = trained_once
    return config, shutil.copytree(workdir, tmp_path / "run")


def test_it_writes_config_log_and_tensorboard(lmvp, tmp_path):
    config, workdir = configs.replace(lmvp, {"training.max_steps": 2}), tmp_path / "run"
    assert loop.train(config, workdir)
    assert configs.load(workdir / "config.json") == config
    with (workdir / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["phase"] for row in rows] == ["one_step", "one_step"]
    assert float(rows[1]["validation/mse_per_frame"]) > 0
    assert float(rows[1]["seconds"]) > float(rows[0]["seconds"]) > 0
    assert float(rows[0]["sequences_per_second"]) > 0
    tags = set()
    for path in workdir.glob("events*"):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            tags |= {value.tag for value in event.summary.value}
    assert {
        "losses/L_dis (Eq. 1)",
        "losses/L_recons (in Eq. 4)",
        "D_accuracy/real",
        "gradient_norm/G",
        "update_norm/M",
        "learning_rate/D",
        "sequences_per_second",
        "data_wait_fraction",
        "prediction",
        "filters",
        "config",
    } <= tags


@pytest.mark.usefixtures("traced")
def test_profiled_steps_are_recorded_with_their_operations(config, tmp_path):
    config = configs.replace(config, {"training.max_steps": 2, "training.validate_every": 3})
    loop.train(config, tmp_path / "run", profile=(2, 2))
    (recorded,) = (tmp_path / "run").glob("plugins/profile/*/*.xplane.pb")
    assert b"Conv2DBackpropFilter" in recorded.read_bytes()
    with pytest.raises(UserError, match="--profile=2,5: the run is at step 2 already"):
        loop.train(config, tmp_path / "run", profile=(2, 5))


def test_the_same_command_after_the_end_trains_no_further(trained):
    config, workdir = trained
    before = weights(workdir, config)
    assert loop.train(config, workdir)
    after = weights(workdir, config)
    assert before[1] == after[1] == 2
    for one, other in zip(before[0], after[0], strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_workdir_of_another_config_is_refused_and_left_as_it_was(trained):
    config, workdir = trained
    other = configs.replace(config, {"model.kernel_size": 5, "training.seed": 5})
    with pytest.raises(
        UserError, match="model.kernel_size: 3 there, 5 here.*training.seed: 0 there"
    ):
        loop.train(other, workdir)
    assert configs.load(workdir / "config.json") == config


def test_other_digits_than_the_run_began_with_are_refused(trained, tmp_path):
    config, workdir = trained
    path = tmp_path / "other.npz"
    digits = np.full((4, 28, 28), 9, np.uint8)
    np.savez(path, x_train=digits, x_test=digits)
    with pytest.raises(UserError, match="trained on other data"):
        loop.train(configs.replace(config, {"data.path": str(path)}), workdir)


def test_data_that_cannot_be_opened_leave_nothing_and_the_corrected_command_works(config, tmp_path):
    wrong = configs.replace(config, {"data.path": str(tmp_path / "none.npz"), "training.seed": 5})
    with pytest.raises(UserError, match="none.npz"):
        loop.train(wrong, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert loop.train(configs.replace(config, {"training.max_steps": 1}), tmp_path / "run")


def test_a_run_that_ends_before_phases_begin_says_which(lmvp, tmp_path, capsys):
    config = configs.replace(lmvp, {"training.max_steps": 1})
    loop.train(config, tmp_path / "run[1]*")
    assert "pretrain (from step 2 on) and main (from step 4 on)" in capsys.readouterr().out
    assert weights(tmp_path / "run[1]*", config)[1] == 1


def test_a_failure_ends_every_hook_and_saves_nothing(config, tmp_path, monkeypatch):
    class Failing(Hook):
        def after_step(self, run, report):
            raise RunError("a hook failed")

    closed = []
    monkeypatch.setattr(StopSignals, "close", lambda hook: closed.append(hook))
    hooks = [StopSignals(), Saving(), Failing()]
    monkeypatch.setattr(loop, "make_hooks", lambda: hooks)
    monkeypatch.setattr(StopSignals, "begin", lambda hook, run: None)
    with pytest.raises(RunError, match="a hook failed"):
        loop.train(config, tmp_path / "run")
    assert closed == hooks[:1]
    assert not list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_damaged_checkpoint_is_named(trained):
    config, workdir = trained
    data = next((workdir / "checkpoints").glob("*.data-*"))
    data.write_bytes(data.read_bytes()[: data.stat().st_size // 2])
    with pytest.raises(UserError, match="checkpoints/ckpt-2 cannot be restored"):
        loop.train(config, workdir)


def _logged(workdir):
    with (workdir / "log.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def test_a_run_goes_on_without_tensorflows_list_of_checkpoints(trained, capsys):
    config, workdir = trained
    (workdir / "checkpoints" / "checkpoint").unlink()
    for name in (".config-host-1-x.json", ".log-old.csv", "checkpoints/.ckpt-2-host-1-x.json"):
        (workdir / name).write_text("{")
    (workdir / "checkpoints" / "ckpt-1_temp").mkdir()
    assert loop.train(configs.replace(config, {"training.max_steps": 3}), workdir)
    assert "Goes on from step 2" in capsys.readouterr().out
    assert _logged(workdir) == [1, 2, 3]
    left = [path.name for path in workdir.rglob("*") if path.name.startswith(".")]
    assert set(left) <= {".lock"}
    assert not list(workdir.rglob("*_temp"))


def test_a_run_whose_checkpoints_are_damaged_begins_anew_by_restart_alone(trained, capsys):
    config, workdir = trained
    index = workdir / "checkpoints" / "ckpt-2.index"
    index.write_bytes(b"")
    log = (workdir / "log.csv").read_bytes()
    with pytest.raises(UserError, match="ckpt-2 cannot be restored .*--restart"):
        loop.train(config, workdir)
    assert (workdir / "log.csv").read_bytes() == log
    other = configs.replace(config, {"training.max_steps": 1, "training.seed": 3})
    assert loop.train(other, workdir, restart=True)
    assert f"the run that was in {workdir} is in {workdir}/before-1 now" in capsys.readouterr().out
    assert (workdir / "before-1" / "log.csv").read_bytes() == log
    assert (workdir / "before-1" / "checkpoints" / "ckpt-2.index").exists()
    assert weights(workdir, other)[1] == 1
    assert _logged(workdir) == [1]


def test_a_second_trainer_is_refused_with_the_first_one_named(trained):
    config, workdir = trained
    program = (
        "import pathlib, sys\n"
        "from lmvp_tf.locks import only_writer\n"
        "with only_writer(pathlib.Path(sys.argv[1])):\n"
        "    print('ready', flush=True)\n"
        "    sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program, str(workdir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as first:
        first.stdout.readline()
        before = {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}
        with pytest.raises(UserError, match=f"run is in use by process {first.pid} on "):
            loop.train(configs.replace(config, {"training.max_steps": 3}), workdir)
        with pytest.raises(UserError, match=f"run is in use by process {first.pid} on "):
            loop.train(config, workdir, restart=True)
        assert weights(workdir, config)[1] == 2  # a reader is never refused
        after = {path: path.read_bytes() for path in workdir.rglob("*") if path.is_file()}
        assert after == before
        first.kill()  # and its lock is no obstacle then
    assert loop.train(configs.replace(config, {"training.max_steps": 3}), workdir)


def test_a_checkpoint_of_another_model_is_named(trained):
    config, workdir = trained
    wider = configs.replace(config, {"model.pixel_widths": (6,)})
    with pytest.raises(UserError, match="cannot be restored: it is damaged or of another model"):
        load_trained(workdir, wider)


def test_a_workdir_that_cannot_be_written_is_named(config, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file/run is not writable"):
        loop.train(config, tmp_path / "file" / "run")


def test_a_diverged_run_stops_and_keeps_the_last_good_checkpoint(config, tmp_path):
    config = configs.replace(
        config, {"training.learning_rate": 1e30, "training.clip_norm": 0.0, "training.max_steps": 6}
    )
    with pytest.raises(RunError, match="not finite at step .*lower --set training.learning_rate"):
        loop.train(config, tmp_path / "run")


def test_a_diverged_run_goes_on_with_another_rate_and_keeps_when(trained):
    config, workdir = trained
    wild = {"training.learning_rate": 1e30, "training.clip_norm": 0.0, "training.max_steps": 6}
    message = r"not finite at step \d.*: training has diverged.* batch \d of --seed=0 \(phase "
    with pytest.raises(RunError, match=message):
        loop.train(configs.replace(config, wild), workdir)
    tame = configs.replace(config, {"training.learning_rate": 5e-4, "training.max_steps": 3})
    assert loop.train(tame, workdir)
    assert weights(workdir, tame)[1] == 3
    with (workdir / "log.csv").open() as file:
        rates = [float(row["learning_rate/G"]) for row in csv.DictReader(file)]
    assert rates == [1e-3, 1e-3, 5e-4]
    with (workdir / "changes.csv").open() as file:
        changes = [tuple(row) for row in csv.reader(file)]
    assert ("2", "training.learning_rate", "0.001", "1e+30") in changes
    assert ("2", "training.learning_rate", "1e+30", "0.0005") in changes


def test_it_stops_after_max_seconds_and_says_it_is_complete(config, tmp_path):
    config = configs.replace(config, {"training.max_seconds": 1e-3})
    assert loop.train(config, tmp_path / "run")
    assert weights(tmp_path / "run", config)[1] == 1


def test_a_baseline_trains_logs_and_comes_back(tiny_values, digits_file, tmp_path):
    values = {path: value for path, value in tiny_values.items() if path[:5] != "model"}
    values |= {"training.one_step_steps": 1, "training.max_steps": 2, "training.pretrain_steps": 1}
    values |= {"model.encoder_widths": (4, 4), "model.kernel_size": 3}
    values["data.path"] = str(digits_file)
    config = configs.validate(configs.replace(configs.create(model="dfn"), values))
    assert loop.train(config, tmp_path / "run")
    assert configs.load(tmp_path / "run" / "config.json") == config
    with (tmp_path / "run" / "log.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["phase"] for row in rows] == ["one_step", "open_loop"]
    assert float(rows[1]["update_norm/G"]) > 0
    assert weights(tmp_path / "run", config)[1] == 2


@pytest.mark.slow
@pytest.mark.usefixtures("traced")
def test_a_step_compiled_as_a_whole_with_its_batch_inside_trains_the_same(
    tiny_values, digits_file, tmp_path
):
    values = {path: value for path, value in tiny_values.items() if path[:5] != "model"}
    values |= {"training.max_steps": 2, "data.path": str(digits_file)}
    values |= {"data.num_frames": 5, "data.num_inputs": 3}
    values |= {"model.encoder_widths": (4, 4), "model.kernel_size": 3}
    config = configs.validate(configs.replace(configs.create(model="dfn"), values))
    compiled = configs.replace(config, {"training.jit_compile": True})
    loop.train(config, tmp_path / "plain")
    loop.train(compiled, tmp_path / "compiled")
    runs = [weights(tmp_path / name, config)[0] for name in ("plain", "compiled")]
    for one, other in zip(*runs, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_model_without_weights_has_nothing_to_train_and_can_be_loaded(
    digits_file, tmp_path, capsys
):
    config = configs.replace(configs.create(model="last_frame"), {"data.path": str(digits_file)})
    assert loop.train(config, tmp_path / "run")
    assert "last_frame has nothing to train." in capsys.readouterr().out
    assert weights(tmp_path / "run", config) == ([], 0)


def test_a_config_that_names_another_model_than_its_settings_are_of_is_refused(config):
    with pytest.raises(UserError, match="choose a model by --model"):
        configs.replace(config, {"model_name": "lmvp"})


@pytest.mark.slow
def test_a_signal_saves_and_says_how_to_go_on(config, digits_file, tmp_path):
    settings = configs.flatten(configs.replace(config, {"training.max_steps": 100000}))
    command = [sys.executable, "run_train.py", f"--workdir={tmp_path / 'run'}", "--model=dfn"]
    for path, value in settings.items():
        if "." in path and path != "data.dataset":
            text = ",".join(map(str, value)) if isinstance(value, tuple) else value
            command.append(f"--set={path}={text}")
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env=os.environ)
    log = tmp_path / "run" / "log.csv"
    for _ in range(600):
        if log.exists() and log.read_text().count("\n") > 2:
            break
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "The same command goes on from there." in output
    step = int(output.split("saved at step ")[1].split(".")[0])
    assert weights(tmp_path / "run", configs.load(tmp_path / "run" / "config.json"))[1] == step >= 2
