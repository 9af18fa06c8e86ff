"""Batches by way of tf.data service: those of the plain pipeline, each once."""

import socket

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.datasets import data_service
from lmvp_tf.datasets.records import builder
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions


@pytest.fixture(scope="module")
def start():
    """Starts a dispatcher with so many workers in this process; returns its address."""
    service, running = tf.data.experimental.service, []

    def started(workers):
        dispatcher = service.DispatchServer()
        address = dispatcher.target
        config = service.WorkerConfig(address.removeprefix("grpc://"))
        running.append((dispatcher, [service.WorkerServer(config) for _ in range(workers)]))
        return address

    return started


@pytest.fixture(scope="module")
def windows(tmp_path_factory):
    """A data set of 24 training windows of 3 frames."""
    folder = tmp_path_factory.mktemp("films")
    frames = np.random.default_rng(0).integers(0, 256, (34, 16, 16, 1), np.uint8)
    np.save(folder / "drive.npy", frames)
    options = builder.BuildOptions(FrameOptions(16, 16), "test:drive@26-", validation="0")
    builder.build([folder / "drive.npy"], folder / "data", options)
    values = {"path": str(folder / "data"), "size": 16, "num_frames": 3, "num_inputs": 2}
    values |= {"mirror": True, "crop": 1.0}
    config = configs.create("highway")
    return configs.replace(config, {f"data.{name}": value for name, value in values.items()})


def test_one_worker_gives_the_batches_in_their_order(start, digits_file):
    config = configs.replace(configs.create(), {"data.path": str(digits_file)})
    videos = open_dataset(config)
    served = data_service.batches(videos, 3, 2, 5, (2, 1), start(1)).take(3)
    plain = videos.train(3, 2, first_step=5, shard=(2, 1)).take(3)
    for one, other in zip(served, plain, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_epoch_by_two_workers_has_the_same_windows(start, windows):
    videos = open_dataset(windows)
    plain = [batch.tobytes() for batch in videos.train(0, 4).take(20).as_numpy_iterator()]
    served = data_service.batches(videos, 0, 4, 0, (1, 0), start(2)).take(12)
    found = [batch.tobytes() for batch in served.as_numpy_iterator()]
    assert len(set(found)) == 12
    # Which of two workers is ahead nobody knows: some batches come earlier or later.
    assert set(plain[:6]) <= set(found) <= set(plain)


def test_wrong_addresses_are_named():
    with pytest.raises(UserError, match="--data_service is grpc://HOST:PORT. Received: host:5050"):
        data_service.check("host:5050")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(UserError, match=f"--data_service=grpc://127.0.0.1:{port}: nobody answers"):
        data_service.check(f"grpc://127.0.0.1:{port}")
