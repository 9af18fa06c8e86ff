"""The weights of a trained model without what training needs: a Keras file per network.

    folder/D.weights.h5, M.weights.h5, G.weights.h5     (a baseline: G.weights.h5 alone)
    folder/trained.json                                 the fields of `Trained`

A tenth of a checkpoint's size or less, and read by Keras alone: what is published.
"""

import json
import typing

import h5py

from lmvp_tf.errors import UserError
from lmvp_tf.files import atomic_path, write_json


class Trained(typing.NamedTuple):
    """How long a model was trained."""

    step: int  # batches
    seconds: float  # of the clock
    cpu_seconds: float  # of all processor cores together; 0 where they were not counted


def write(model, trained, folder):
    """Writes the weights of a VideoPredictor.

    Args:
      model: a built VideoPredictor.
      trained: how long it was, a Trained.
      folder: a pathlib.Path, made when it is missing.

    Raises:
      RunError: a file cannot be written.
    """
    for name, part in model.parts().items():
        with atomic_path(folder / f"{name}.weights.h5") as path:
            part.save_weights(path)
    write_json(folder / "trained.json", trained._asdict())


def are_in(folder):
    """Whether a folder holds weights by `write`."""
    return (folder / "trained.json").is_file()


def read(model, folder):
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
