"""Training batches made on other machines, by tf.data service."""

from __future__ import annotations

import re
import socket

import tensorflow as tf

from lmvp_tf.datasets.base import Dataset
from lmvp_tf.datasets.pipeline import counter, mapped
from lmvp_tf.errors import UserError

_SECONDS = 10.0  # for a dispatcher to answer
_AHEAD = 4  # batches that wait here for their step


def check(address: str) -> None:
    """Checks that a dispatcher answers: TensorFlow itself would try for an hour.

    Args:
      address: as "grpc://host:port".

    Raises:
      UserError: it is no such address, or nobody answers there.
    """
    found = re.fullmatch(r"grpc://(.+):(\d+)", address)
    if not found:
        raise UserError(f"--data_service is grpc://HOST:PORT. Received: {address}")
    try:
        socket.create_connection((found[1], int(found[2])), _SECONDS).close()
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--data_service={address}: nobody answers there ({error}). Start a dispatcher: python "
            "-m lmvp_tf data_service --port=5050"
        ) from error


def batches(
    videos: Dataset,
    seed: int,
    batch_size: int,
    first_step: int,
    shard: tuple[int, int],
    address: str,
) -> tf.data.Dataset:
    """The batches of `videos.train`, each made once, by one of the workers of a service.

    With one worker they come in their order. Several take turns as each has one ready.

    Args:
      videos: the Dataset. Its training data are sent to the workers: they are to fit into memory.
      seed, batch_size, first_step, shard: as for `Dataset.train`.
      address: of the dispatcher, as "grpc://host:port".

    Raises:
      UserError: the training data do not fit into memory.
    """
    draw = videos.in_graph(seed, batch_size, shard, hold=tf.constant)
    numbers = counter(first_step)
    made = mapped(numbers, draw, tf.data.AUTOTUNE)
    return made.apply(
        tf.data.experimental.service.distribute(
            tf.data.experimental.service.ShardingPolicy.DYNAMIC, address
        )
    ).prefetch(_AHEAD)
