"""The weights of a trained model without what training needs: a Keras file per network.

    folder/D.weights.h5, M.weights.h5, G.weights.h5     (a baseline: G.weights.h5 alone)
    folder/trained.json                                 {"step", "seconds"}

A tenth of a checkpoint's size or less, and read by Keras alone: what is published.
"""

import json

import h5py

from lmvp_tf.errors import UserError
from lmvp_tf.files import atomic_path, write_json


def write(model, step, seconds, folder):
    """Writes the weights of a VideoPredictor.

    Args:
      model: a built VideoPredictor.
      step, seconds: how long it was trained.
      folder: a pathlib.Path, made when it is missing.

    Raises:
      RunError: a file cannot be written.
    """
    for name, part in model.parts().items():
        with atomic_path(folder / f"{name}.weights.h5") as path:
            part.save_weights(path)
    write_json(folder / "trained.json", {"step": step, "seconds": seconds})


def are_in(folder):
    """Whether a folder holds weights by `write`."""
    return (folder / "trained.json").is_file()


def read(model, folder):
    """Reads the weights into a built model.

    Returns:
      (step, seconds): how long it was trained.

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
        return int(trained["step"]), float(trained["seconds"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{folder / 'trained.json'} cannot be read ({error})") from error
