"""Several replicas beside one, and batches by tf.data service beside those of the plain pipeline.

All replicas share the processors of this machine: twice the sequences take twice the time, where
nothing is lost. So the step of one replica on the whole batch is the baseline, and its ratio to
the step of both is the efficiency.
"""

import concurrent.futures
import contextlib
import json
import pathlib
import socket
import tempfile

import keras
import numpy as np
import tensorflow as tf

from benchmarks.common import Row, side_by_side
from benchmarks.processes import value_of, values_of
from lmvp_tf import configs
from lmvp_tf.datasets import data_service
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.distribution import open_devices
from lmvp_tf.presets import named
from lmvp_tf.training.checkpoint import TrainState
from lmvp_tf.training.graphs import traced_steps

_REPLICAS = 2


def mirrored_over_single(quick):
    """A step of two replicas on two parts of the CPU, in one process."""
    both = value_of(step_seconds, "mirrored", quick)
    return _row("mirrored_over_single", both, value_of(step_seconds, "none", quick))


def multi_worker_over_single(quick):
    """A step of two processes of this machine, over 127.0.0.1."""
    with concurrent.futures.ThreadPoolExecutor(_REPLICAS) as pool:
        workers = [
            pool.submit(
                lambda one=one: list(values_of(step_seconds, "multi_worker", quick, TF_CONFIG=one))
            )
            for one in _clusters()
        ]
        both = max(worker.result()[0] for worker in workers)
    return _row("multi_worker_over_single", both, value_of(step_seconds, "none", quick))


def _row(name, both, single):
    baseline = "one replica, the whole batch"
    return Row(name, both / single, "steps of one replica", baseline, single / both)


def _clusters():
    """TF_CONFIG of each worker."""
    with contextlib.ExitStack() as held:
        free = [
            held.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(_REPLICAS)
        ]
        addresses = [f"127.0.0.1:{one.getsockname()[1]}" for one in free]
    tasks = [{"type": "worker", "index": index} for index in range(_REPLICAS)]
    return [json.dumps({"cluster": {"worker": addresses}, "task": task}) for task in tasks]


def step_seconds(kind, quick):
    """The shortest of some steps of DFN, preset small, on a batch of 8. Yields one number."""
    devices = open_devices(kind, _REPLICAS if kind == "mirrored" else None)
    config = named.get("moving_mnist", "small", "dfn")
    config = configs.replace(config, {"training.batch_size": 8})
    if quick:
        config = configs.replace(config, {"data.num_frames": 8, "data.num_inputs": 4})
    keras.utils.set_random_seed(0)
    step = traced_steps(TrainState(config, devices))["open_loop"]
    shape = (8 // devices.replicas, config.data.num_frames, *config.data.frame_shape)
    video = np.random.default_rng(0).random(shape, np.float32)
    batch = devices.strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(video)
    )
    steps = {"step": lambda: [float(value) for value in step(batch).values()]}
    yield side_by_side(steps, 3 if quick else 10)["step"]


def data_service_rate(quick):
    """A sequence of Moving MNIST by a service in this process, which sends it through a socket."""
    service = tf.data.experimental.service
    dispatcher = service.DispatchServer()
    worker = service.WorkerServer(service.WorkerConfig(dispatcher.target.removeprefix("grpc://")))
    batch_size, number = 16, 20 if quick else 80
    with tempfile.TemporaryDirectory() as folder:
        digits = np.random.default_rng(0).integers(0, 256, (1000, 28, 28), np.uint8)
        path = pathlib.Path(folder, "digits.npz")
        np.savez(path, x_train=digits, x_test=digits)
        videos = open_dataset(configs.replace(configs.create(), {"data.path": str(path)}))

    def take(batches):
        for _ in batches.take(number):
            pass

    drawn = 0, batch_size, 0, (1, 0)
    seconds = side_by_side(
        {
            "service": lambda: take(data_service.batches(videos, *drawn, dispatcher.target)),
            "plain": lambda: take(videos.train(*drawn)),
        },
        3,
    )
    del worker
    value = 1e3 * seconds["service"] / (number * batch_size)
    ratio = seconds["plain"] / seconds["service"]
    return Row("data_service_rate", value, "ms a sequence", "the pipeline of the process", ratio)
