"""The weights that come with the program."""

from __future__ import annotations

import pathlib

from lmvp_tf.errors import UserError

_PACKAGE = pathlib.Path(__file__).parents[1] / "pretrained"  # where a wheel has them
_RESULTS = pathlib.Path(__file__).parents[2] / "results"  # where a checkout has them
# setup.py copies the same runs.
_RUNS = {
    "moving_mnist": "moving_mnist/lmvp-paper",
    "highway": "highway/lmvp-small",
    "driving": "driving/lmvp-small",
}
PRETRAINED = {
    name: _PACKAGE / name if (_PACKAGE / name).is_dir() else _RESULTS / run
    for name, run in _RUNS.items()
}


def find(name: str) -> pathlib.Path:
    """The workdir of a key of `PRETRAINED`.

    Raises:
      UserError: there is no such key, or the weights are missing.
    """
    if name not in PRETRAINED:
        raise UserError(f"there are weights for {', '.join(PRETRAINED)}. Received: {name}")
    path = PRETRAINED[name]
    if not path.is_dir():
        raise UserError(
            f"the published weights are missing: there is no {path}. Install the program again, "
            "from a wheel or a checkout with its results/"
        )
    return path
