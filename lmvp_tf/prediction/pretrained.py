"""The weights that come with the repository."""

from __future__ import annotations

import pathlib

from lmvp_tf.errors import UserError

_RESULTS = pathlib.Path(__file__).parents[2] / "results"
PRETRAINED = {
    "moving_mnist": _RESULTS / "moving_mnist" / "lmvp-paper",
    "highway": _RESULTS / "highway" / "lmvp-small",
}


def find(name: str) -> pathlib.Path:
    """The workdir of a key of `PRETRAINED`.

    Raises:
      UserError: there is no such key, or the package is installed without the repository.
    """
    if name not in PRETRAINED:
        raise UserError(f"there are weights for {', '.join(PRETRAINED)}. Received: {name}")
    path = PRETRAINED[name]
    if not path.is_dir():
        raise UserError(
            f"the trained weights are in the repository, not in the package: there is no {path}. "
            "Clone it, and install it by pip install -e ."
        )
    return path
