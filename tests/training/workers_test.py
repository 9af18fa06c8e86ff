"""Two workers of one run: stopped, lost, started again, as a scheduler sees it."""

import dataclasses
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from lmvp_tf import configs
from lmvp_tf.training import loop
from lmvp_tf.training.checkpoint import load_trained

ROOT = pathlib.Path(__file__).parents[2]
pytestmark = pytest.mark.usefixtures("eagerly")  # what the test's own process trains


@pytest.fixture(scope="module")
def config(digits_file):
    """A run without an end that is saved after every step."""
    values = {
        "data.path": str(digits_file),
        "data.size": 32,
        "data.num_frames": 4,
        "data.num_inputs": 2,
        "model.encoder_widths": (4, 4),
        "model.kernel_size": 3,
        "training.batch_size": 2,
        "training.one_step_steps": 2,
        "training.pretrain_steps": 2,
        "training.max_steps": 10**6,
        "training.log_every": 1,
        "training.validate_every": 10**6,
        "training.validation_sequences": 1,
        "training.checkpoint_seconds": 0.0,
    }
    config = configs.replace(configs.create(model="dfn"), values)
    return configs.validate(dataclasses.replace(config, preset="demo"))


def start_workers(config, workdir):
    """Two processes of the program, with the addresses of both."""
    free = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    cluster = {"worker": [f"127.0.0.1:{one.getsockname()[1]}" for one in free]}
    for one in free:
        one.close()
    command = [sys.executable, "run_train.py", "--distribute=multi_worker", "--preset=demo"]
    command += ["--model=dfn", f"--workdir={workdir}"]
    for path, value in configs.flatten(config).items():
        if path not in ("preset", "data.dataset"):
            text = ",".join(map(str, value)) if isinstance(value, tuple) else value
            command.append(f"--set={path}={text}")
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    return [
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "TF_CONFIG": json.dumps({"cluster": cluster, "task": task})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for task in tasks
    ]


def wait_for_rows(workdir, step):
    log = workdir / "log.csv"
    for _ in range(3000):
        rows = log.read_text().splitlines()[1:] if log.exists() else []
        if rows and int(rows[-1].split(",")[0]) >= step:
            return
        time.sleep(0.1)
    raise TimeoutError(f"step {step} was not reached")


def weights(workdir, config):
    model, trained = load_trained(workdir, config)
    return [v.numpy() for v in model.trainable_variables], trained.step


@pytest.mark.slow
def test_workers_that_are_stopped_or_lost_go_on_as_if_nothing_had_been(config, tmp_path):
    """SIGTERM to one, then kill -9 of one, then to the end on one replica: the weights are those of
    an uninterrupted run on one.
    """
    workdir = tmp_path / "run"
    workers = start_workers(config, workdir)
    wait_for_rows(workdir, 3)
    workers[1].send_signal(signal.SIGTERM)  # the one that does not write
    said = [worker.communicate(timeout=900) for worker in workers]
    assert [worker.returncode for worker in workers] == [143, 143], said
    stopped = weights(workdir, config)[1]
    assert all(f"Stopped and saved at step {stopped}." in output for output, _ in said)

    workers = start_workers(config, workdir)
    wait_for_rows(workdir, stopped + 2)
    workers[1].kill()
    killed = time.monotonic()
    said = [worker.communicate(timeout=900) for worker in workers]
    assert time.monotonic() - killed < 60
    assert workers[0].returncode == 143
    assert "worker 0 of 2: worker 1 is lost. The same command on all" in said[0][1]
    assert all(f"Goes on from step {stopped} " in output for output, _ in said)

    saved = weights(workdir, config)[1]
    ended = configs.replace(config, {"training.max_steps": saved + 2})
    assert loop.train(ended, workdir)
    assert loop.train(ended, tmp_path / "whole")
    for one, other in zip(
        weights(workdir, ended)[0], weights(tmp_path / "whole", ended)[0], strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)
    steps = [int(row.split(",")[0]) for row in (workdir / "log.csv").read_text().splitlines()[1:]]
    assert steps == list(range(1, saved + 3))
