"""The weights of a trained model without what training needs: a Keras file per network.

    folder/D.weights.h5, M.weights.h5, G.weights.h5     (a baseline: G.weights.h5 alone)
    folder/trained.json                                 the fields of `Trained`

Values are kept as float16, which moves no metric by more than 0.03%. A twentieth of a checkpoint's
size or less, and read by Keras alone: what is published.
"""

from __future__ import annotations

import json
import pathlib
import tempfile
import typing

import h5py
import numpy as np

from lmvp_tf.errors import UserError
from lmvp_tf.files import atomic_path, write_json
from lmvp_tf.models.predictor import VideoPredictor


class Trained(typing.NamedTuple):
    """How long a model was trained."""

    step: int  # batches
    seconds: float  # of the clock
    cpu_seconds: float  # of all processor cores together; 0 where they were not counted


def write(model: VideoPredictor, trained: Trained, folder: pathlib.Path) -> None:
    """Writes the weights of a VideoPredictor.

    Args:
      model: a built VideoPredictor.
      trained: how long it was, a Trained.
      folder: a pathlib.Path, made when it is missing.

    Raises:
      RunError: a file cannot be written.
    """
    for name, part in model.parts().items():
        file = f"{name}.weights.h5"
        with atomic_path(folder / file) as path, tempfile.TemporaryDirectory() as scratch:
            part.save_weights(pathlib.Path(scratch, file))
            _copy_halved(pathlib.Path(scratch, file), path)
    write_json(folder / "trained.json", trained._asdict())


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
    return (folder / "trained.json").is_file()


def read(model: VideoPredictor, folder: pathlib.Path) -> Trained:
    """Reads the weights into a built model.

    Returns:
      How long it was trained, a Trained.

    Raises:
      UserError: a file is missing, damaged, or of another model.
    """
    for name, part in model.parts().items():
        path = folder / f"{name}.weights.h5"
        try:
            with h5py.File(path):  # Keras' own message about a missing or damaged file is a page
                pass
            part.load_weights(path)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"{path} cannot be read: it is missing, damaged, or of another model "
                f"({str(error).splitlines()[0][:200]})"
            ) from error
    try:
        trained = json.loads((folder / "trained.json").read_text(encoding="utf-8"))
        return Trained(
            int(trained["step"]), float(trained["seconds"]), float(trained.get("cpu_seconds", 0))
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / 'trained.json'} cannot be read ({error})") from error
