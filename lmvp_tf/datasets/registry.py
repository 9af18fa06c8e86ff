"""The data sets by name. A new one is a file beside this one and a line here."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from lmvp_tf.errors import UserError

if TYPE_CHECKING:
    from lmvp_tf.configs import Config
    from lmvp_tf.datasets.base import Dataset

# Names of classes, imported when they are asked for: TensorFlow takes seconds.
DATASETS = {
    "moving_mnist": "lmvp_tf.datasets.moving_mnist.MovingMNIST",
    "highway": "lmvp_tf.datasets.highway.Highway",
    "video": "lmvp_tf.datasets.video.Video",
    "tfds": "lmvp_tf.datasets.tfds.TFDS",
}


def dataset_class(name: str) -> type[Dataset]:
    """The Dataset of a name.

    Raises:
      UserError: there is no such data set.
    """
    if name not in DATASETS:
        raise UserError(f"--dataset must be one of {', '.join(DATASETS)}. Received: {name}")
    module, _, attribute = DATASETS[name].rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def open_dataset(config: Config) -> Dataset:
    """Opens the data set of a Config.

    Raises:
      UserError: its files are missing or damaged.
    """
    return dataset_class(config.dataset)(config.data)
