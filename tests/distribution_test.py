"""Several replicas train as one does: on parts of a CPU, and as two processes of this machine."""

import dataclasses
import json
import os
import pathlib
import socket
import subprocess
import sys
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs, distribution
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.errors import UserError, WorkerLost
from lmvp_tf.evaluation.evaluate.measure import measure
from lmvp_tf.training.checkpoint import TrainState
from lmvp_tf.training.graphs import traced_steps

ROOT = pathlib.Path(__file__).parents[1]
pytestmark = pytest.mark.usefixtures("eagerly")  # what the test's own process trains


def train_every_phase(config, devices):
    """What a run of all steps leaves: {name: array} of weights, of the optimizers' moments, of the
    last report of each phase, and of the metrics of five test sequences in batches of three.
    """
    keras.utils.set_random_seed(config.training.seed)
    state = TrainState(config, devices)
    steps = traced_steps(state)
    videos = open_dataset(config)
    batches = devices.batches(videos, config.training, 0)
    left = {}
    for number in range(config.training.max_steps):
        phase = state.procedure.phase(number)
        report = steps[phase](next(batches))
        left |= {f"report/{phase}/{name}": value.numpy() for name, value in report.items()}
    for network, variables in state.model.networks.items():
        left |= {f"weight/{network}/{i}": v.numpy() for i, v in enumerate(variables)}
    for network, optimizer in state.optimizers.items():
        left |= {f"moment/{network}/{i}": v.numpy() for i, v in enumerate(optimizer.variables)}
    predict = devices.spread(lambda x: state.model(x, num_predicted=config.data.num_predicted))
    systems, test = {"model": lambda x, _: predict(x)}, videos.test(5, 3)
    measured = measure(systems, test, config.data.num_inputs, distribution=devices)["model"]
    return left | {f"metric/{name}": values for name, values in measured.values().items()}


def main(kind, replicas, folder, *names):
    """Trains the configs of a folder on these devices, and leaves what comes of them there."""
    devices = distribution.open_devices(kind, int(replicas) or None)
    for name in names:
        config = configs.load(pathlib.Path(folder, f"{name}.json"))
        left = train_every_phase(config, devices)
        if devices.is_chief:
            np.savez(pathlib.Path(folder, f"{name}-{kind}.npz"), **left)


def start(kind, replicas, folder, names, environment=()):
    command = [sys.executable, str(pathlib.Path(__file__)), kind, str(replicas), str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **dict(environment)}
    return subprocess.Popen([*command, *names], cwd=ROOT, env=environment)


def two_workers():
    """The environments of two workers on this machine."""
    free = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    cluster = {"worker": [f"127.0.0.1:{one.getsockname()[1]}" for one in free]}
    for one in free:
        one.close()
    tasks = [{"type": "worker", "index": index} for index in range(2)]
    return [{"TF_CONFIG": json.dumps({"cluster": cluster, "task": task})} for task in tasks]


@pytest.fixture(scope="module")
def every_phase(tiny_config, digits_file, tmp_path_factory):
    """A folder of configs, five steps in each phase: of LMVP, of its main loop alone (a phase takes
    seconds in each process), and of DFN by Muon.
    """
    values = {
        "data.path": str(digits_file),
        "data.num_frames": 4,
        "data.num_inputs": 2,
        "model.clip_length": 2,
        "training.batch_size": 4,
        # Adam makes steps of this size of gradients near 0, whose sign may be rounding's.
        "training.learning_rate": 1e-4,
        "training.one_step_steps": 0,
        "training.pretrain_steps": 5,
        "training.max_steps": 10,
    }
    folder = tmp_path_factory.mktemp("phases")
    lmvp = configs.replace(tiny_config, values)
    dfn = configs.create(model="dfn")
    dfn = dataclasses.replace(dfn, data=lmvp.data, training=lmvp.training, losses=lmvp.losses)
    dfn = configs.replace(
        dfn,
        {
            "model.encoder_widths": (4, 4),
            "model.kernel_size": 3,
            "training.one_step_steps": 5,
            "training.optimizer": "muon",
        },
    )
    main_loop = {"training.pretrain_steps": 0, "training.max_steps": 5}
    main_loop = configs.replace(lmvp, main_loop)
    for name, config in {"lmvp": lmvp, "main_loop": main_loop, "dfn": dfn}.items():
        (folder / f"{name}.json").write_text(json.dumps(configs.to_dict(configs.validate(config))))
    return folder


@pytest.mark.slow
def test_replicas_train_as_one_does_in_every_phase(every_phase):
    """Two replicas of half a batch, by either strategy; with clipping, whose norm is of all.

    That their graphs are what a step alone is eagerly is tested by it, too.
    """
    trained = {"mirrored": ["lmvp"], "multi_worker": ["main_loop", "dfn"]}
    processes = [start("mirrored", 2, every_phase, trained["mirrored"])]
    processes += [
        start("multi_worker", 0, every_phase, trained["multi_worker"], one) for one in two_workers()
    ]
    alone = {
        name: train_every_phase(
            configs.load(every_phase / f"{name}.json"), distribution.Distribution()
        )
        for names in trained.values()
        for name in names
    }
    assert [process.wait(timeout=900) for process in processes] == [0, 0, 0]
    assert alone["lmvp"]["report/main/gradient_norm/D"] > 1  # and so clipped
    for kind, names in trained.items():
        for name in names:
            with np.load(every_phase / f"{name}-{kind}.npz") as together:
                assert set(together) == set(alone[name])
                for what, value in alone[name].items():
                    np.testing.assert_allclose(
                        together[what], value, rtol=1e-4, atol=1e-5, err_msg=f"{name} {kind} {what}"
                    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("batch_size", 4, "training.batch_size is shared out .* here 3: .* Received: 4"),
        ("jit_compile", True, "training.jit_compile makes one program .*--distribute=mirrored"),
        ("on_nonfinite", "skip", "training.on_nonfinite=skip .*--distribute=mirrored"),
    ],
)
def test_what_cannot_be_spread_is_refused_with_the_reason(tiny_config, field, value, message):
    class ThreeReplicas:
        num_replicas_in_sync = 3

    values = {"training.batch_size": 6, f"training.{field}": value}
    devices = distribution.Distribution(ThreeReplicas(), "mirrored")
    with pytest.raises(UserError, match=message):
        devices.check(configs.replace(tiny_config, values).training)


@pytest.mark.parametrize(
    ("kind", "replicas", "message"),
    [
        ("multi_worker", None, "said by TF_CONFIG, or by Slurm's"),
        ("multi_worker", 2, "--replicas is of --distribute=mirrored"),
        ("none", 2, "--replicas is of --distribute=mirrored"),
        ("tpu", None, "--distribute=tpu: no TPU is found"),
    ],
)
def test_devices_that_are_not_there_are_refused(monkeypatch, kind, replicas, message):
    for name in ("TF_CONFIG", "SLURM_PROCID"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=message):
        distribution.open_devices(kind, replicas)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("gone: /job:worker/replica:0/task:1\nThe tasks have crashed", "worker 1 is lost"),
        ("Socket closed\nmore", r"another one \(Socket closed\) is lost"),
    ],
)
def test_a_lost_worker_is_told_in_one_line(said, told):
    workers = distribution.Distribution(workers=2, worker=0)
    with (
        pytest.raises(WorkerLost, match=f"^worker 0 of 2: {told}. The same command") as caught,
        workers.loss_told(),
    ):
        raise tf.errors.UnavailableError(None, None, said)
    assert "\n" not in str(caught.value)


def test_an_error_of_a_lone_process_stays_what_it_is():
    with pytest.raises(tf.errors.InternalError), distribution.Distribution().loss_told():
        raise tf.errors.InternalError(None, None, "a bug")


def _cluster(task, **jobs):
    return json.dumps({"cluster": jobs, "task": dict(zip(("type", "index"), task, strict=True))})


_SRUN = {
    "SLURM_PROCID": "1",
    "SLURM_STEP_NUM_TASKS": "2",
    "SLURM_STEP_NODELIST": "node[1-2]",
    "SLURM_STEP_TASKS_PER_NODE": "1(x2)",
}


@pytest.mark.parametrize(
    ("environment", "place"),
    [
        ({"TF_CONFIG": _cluster(("worker", 1), worker=["a:1", "b:1"])}, (2, 1)),
        ({"TF_CONFIG": _cluster(("chief", 0), chief=["a:1"], worker=["b:1"])}, (2, 0)),
        ({"TF_CONFIG": _cluster(("worker", 0), chief=["a:1"], worker=["b:1"])}, (2, 1)),
        (_SRUN, (2, 1)),
    ],
)
def test_a_worker_knows_its_place(monkeypatch, environment, place):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert distribution._place(distribution._resolver()) == place


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (_cluster(("ps", 0), ps=["a:1"], worker=["b:1"]), "Received: ps"),
        (_cluster(("worker", 2), worker=["a:1", "b:1"]), "worker 2 is none of 2"),
        ("{", "TF_CONFIG cannot be read"),
        ('["a:1"]', "Received: None"),
        ("{}", "Received: None"),
    ],
)
def test_a_task_that_is_no_worker_is_refused(monkeypatch, cluster, message):
    monkeypatch.setenv("TF_CONFIG", cluster)
    with pytest.raises(UserError, match=message):
        distribution.open_devices("multi_worker")


if __name__ == "__main__":
    main(*sys.argv[1:])


def test_what_is_drawn_for_a_batch_is_shared_out(monkeypatch):
    drawn = np.arange(12).reshape(6, 2)
    np.testing.assert_array_equal(distribution.part_of_replica(tf.constant(drawn)), drawn)

    def part(replica):
        context = types.SimpleNamespace(num_replicas_in_sync=3, replica_id_in_sync_group=replica)
        monkeypatch.setattr(tf.distribute, "get_replica_context", lambda: context)
        return distribution.part_of_replica(tf.constant(drawn))

    np.testing.assert_array_equal(np.concatenate([part(i) for i in range(3)]), drawn)
