"""The flags that say over which devices a program is spread, the same for every program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from absl import flags

if TYPE_CHECKING:
    from lmvp_tf.distribution import Distribution

DISTRIBUTE = flags.DEFINE_enum(
    "distribute",
    "none",
    ["none", "mirrored", "multi_worker", "tpu"],
    "Spread over the GPUs of this machine, over machines (by TF_CONFIG or Slurm), or over a TPU. "
    "A batch is shared out among all: what is computed stays the same.",
)
_REPLICAS = flags.DEFINE_integer(
    "replicas",
    None,
    "With --distribute=mirrored: how many of the GPUs; where there is none, how many parts of the "
    "CPU, to try it out.",
    1,
)


def open_devices(data_service: str | None = None) -> Distribution:
    """The devices that the flags name. TensorFlow may have computed nothing yet.

    Args:
      data_service: address of a tf.data service that is to make the batches.
    """
    from lmvp_tf import distribution

    return distribution.open_devices(DISTRIBUTE.value, _REPLICAS.value, data_service)
