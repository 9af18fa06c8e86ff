"""The weights of a trained model without what training needs: a Keras file per network.

    folder/D.weights.h5, M.weights.h5, G.weights.h5 (a baseline: G.weights.h5 alone)
    folder/trained.json                             a `Trained`, and the SHA-256 of these files

Values are kept as float16, which moves no metric by more than 0.03%. A twentieth of a checkpoint's
size or less, and read by Keras alone: what is published.
"""

from __future__ import annotations

import hashlib
import math
import pathlib
import tempfile
import typing
from collections.abc import Iterable, Mapping

import h5py
import keras
import msgspec
import numpy as np
from absl import logging

from lmvp_tf import hdf5, readers
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.files import atomic_path, write_json
from lmvp_tf.models.predictor import VideoPredictor

_RECORD = "trained.json"
_OVERHEAD = 2**20  # bytes of an HDF5 file besides its arrays


class Trained(typing.NamedTuple):
    """How long a model was trained."""

    step: int  # batches
    seconds: float  # of the clock
    cpu_seconds: float  # of all processor cores together; 0 where they were not counted


class _Record(msgspec.Struct):
    """What trained.json holds: the fields of `Trained`, and {name of a file: its SHA-256}."""

    step: readers.Count
    seconds: readers.Seconds
    cpu_seconds: readers.Seconds = 0.0
    sha256: dict[str, readers.SHA256] = {}


def write(model: VideoPredictor, trained: Trained, folder: pathlib.Path) -> None:
    """Writes the weights of a VideoPredictor.

    Args:
      model: a built VideoPredictor.
      trained: how long it was, a Trained.
      folder: a pathlib.Path, made when it is missing.

    Raises:
      RunError: a file cannot be written, or a weight is not finite.
    """
    for name, part in model.parts().items():
        if strange := _not_finite(part):
            raise RunError(f"{strange} has a NaN or an infinity: no weights were written")
        file = f"{name}.weights.h5"
        with atomic_path(folder / file) as path, tempfile.TemporaryDirectory() as scratch:
            part.save_weights(pathlib.Path(scratch, file))
            _copy_halved(pathlib.Path(scratch, file), path)
    paths = [folder / f"{name}.weights.h5" for name in model.parts()]
    write_json(folder / _RECORD, {**trained._asdict(), "sha256": _hashes(paths)})


def add_hashes(folder: pathlib.Path) -> None:
    """Writes the SHA-256 of the weights that lie in a folder into its trained.json.

    Raises:
      FileNotFoundError, UserError: trained.json is missing or damaged.
      RunError: it cannot be written.
    """
    record = readers.read_json(folder / _RECORD, _Record)
    record.sha256 = _hashes(folder.glob("*.weights.h5"))
    write_json(folder / _RECORD, msgspec.to_builtins(record))


def _hashes(paths: Iterable[pathlib.Path]) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(paths)}


def _not_finite(part: keras.Model) -> str:
    """Path of the first variable that has a NaN or an infinity; empty: none has."""
    for variable in part.variables:
        values = variable.value.numpy()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            return variable.path
    return ""


def _copy_halved(source: pathlib.Path, target: pathlib.Path) -> None:
    """Copies an HDF5 file with its floats as float16, but arrays with values beyond its range."""
    with h5py.File(source) as whole, h5py.File(target, "w") as halved:

        def copy(name: str, item: h5py.HLObject) -> None:
            if isinstance(item, h5py.Dataset):
                values = item[...]
                fits = values.dtype.kind == "f" and np.abs(values).max(initial=0) < 65504
                halved[name] = values.astype(np.float16) if fits else values
            else:
                halved.require_group(name).attrs.update(item.attrs)

        whole.visititems(copy)
        halved.attrs.update(whole.attrs)


def are_in(folder: pathlib.Path) -> bool:
    """Whether a folder holds weights by `write`."""
    return (folder / _RECORD).exists()


def read(model: VideoPredictor, folder: pathlib.Path) -> Trained:
    """Reads the weights into a built model.

    Returns:
      How long it was trained, a Trained.

    Raises:
      UserError: a file is missing, damaged, not the one that was written, or of another model.
    """
    advice = "get the folder anew from where it came from"
    try:
        record = readers.read_json(folder / _RECORD, _Record, advice)
    except FileNotFoundError as error:
        raise UserError(f"{folder / _RECORD} is missing: {advice}") from error
    if not record.sha256:
        logging.warning(
            "%s has no SHA-256 of the weights: that they are those that were written is not "
            "checked. tools/hash_weights.py adds it where you know that they are",
            folder / _RECORD,
        )
    for name, part in model.parts().items():
        path = folder / f"{name}.weights.h5"
        try:
            _load(part, path, record.sha256)
        except FileNotFoundError as error:
            raise UserError(f"{path} is missing: {advice}") from error
    return Trained(record.step, record.seconds, record.cpu_seconds)


def _load(part: keras.Model, path: pathlib.Path, hashes: Mapping[str, str]) -> None:
    """Reads one file, after what it declares was looked at, and checks that all is finite."""
    numbers = sum(math.prod(variable.shape) for variable in part.variables)
    most = 8 * numbers + _OVERHEAD  # as float64
    advice = "get it anew from where it came from, or it is of another model than the config"
    with readers.reading(path, advice):
        content = readers.read_bytes(path, most)
        if hashes and hashlib.sha256(content).hexdigest() != hashes.get(path.name):
            raise ValueError(f"its SHA-256 is not the one in {_RECORD}")
    with hdf5.opened(path, advice) as file:
        hdf5.check_arrays(file, most)
    with readers.reading(path, advice):
        part.load_weights(path)
        if strange := _not_finite(part):
            raise ValueError(f"{strange} has a NaN or an infinity")
