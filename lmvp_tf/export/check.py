"""Runs an exported SavedModel in a process that knows nothing of the project's models."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf.errors import RunError

# What a fresh process runs: main, with TensorFlow imported as our programs import it.
_PROGRAM = """
import sys
from lmvp_tf import runtime
runtime.prepare()
runtime.import_tensorflow()
from lmvp_tf.export import check
check.main(*sys.argv[1:])
"""
Tensors = dict[str, dict[str, npt.NDArray[Any]]]  # {endpoint: {name: array}}


def answers(folder: os.PathLike[str] | str, requests: Tensors) -> Tensors:
    """Asks a SavedModel in a fresh process.

    Args:
      folder: of the SavedModel.
      requests: {endpoint: {name: array}}.

    Returns:
      {endpoint: {name: array}}, what it answered.

    Raises:
      RunError: it cannot be loaded or run.
    """
    root = str(pathlib.Path(__file__).parents[2])
    paths = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    with tempfile.TemporaryDirectory() as temporary:
        asked, answered = (pathlib.Path(temporary) / f"{name}.npz" for name in ("in", "out"))
        np.savez(asked, **_flatten(requests))
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, folder, asked, answered],
            env={**os.environ, "PYTHONPATH": paths},
            capture_output=True,
            text=True,
        )
        if done.returncode:
            reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
            raise RunError(f"the SavedModel does not run in a process of its own: {reason}")
        return _by_endpoint(answered)


def main(folder: str, asked: str, answered: str) -> None:
    """Loads the SavedModel, asks it what is in one file and writes the answers to another."""
    signatures = tf.saved_model.load(folder).signatures
    results = {
        name: signatures[name](**{part: tf.constant(value) for part, value in inputs.items()})
        for name, inputs in _by_endpoint(asked).items()
    }
    np.savez(answered, **_flatten(results))


def _flatten(tensors: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    return {f"{name}/{part}": x for name, parts in tensors.items() for part, x in parts.items()}


def _by_endpoint(path: os.PathLike[str] | str) -> Tensors:
    tensors: Tensors = {}
    with np.load(path) as arrays:
        for key, value in arrays.items():
            name, part = key.split("/")
            tensors.setdefault(name, {})[part] = value
    return tensors
