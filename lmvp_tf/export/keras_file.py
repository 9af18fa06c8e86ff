"""A trained model as one .keras file, which any Keras backend loads: TensorFlow, JAX or PyTorch."""

from __future__ import annotations

import pathlib

import keras
import numpy as np

from lmvp_tf import files
from lmvp_tf.errors import RunError
from lmvp_tf.export.endpoints import load_exportable, use_filter
from lmvp_tf.export.exporter import Exporter, ExportOptions

TOLERANCE = 1e-5  # of a pixel, between the checkpoint's model and the file's


class KerasFile(Exporter):
    """`<output>/<model>.keras`, for `keras.saving.load_model`, once the model's module is imported.

    That module, lmvp_tf.models.lmvp or another, needs TensorFlow on TensorFlow's backend alone.
    """

    def export(self, workdir: pathlib.Path, output: pathlib.Path, options: ExportOptions) -> None:
        exportable = load_exportable(workdir)
        model, horizon = exportable.model, exportable.horizon
        use_filter(model, "reference")
        path = output / f"{exportable.config.model_name}.keras"
        shape = exportable.config.data.num_inputs, *exportable.config.data.frame_shape
        frames = np.random.default_rng(0).random((2, *shape), np.float32)
        with files.atomic_path(path) as aside:
            model.save(aside)
            loaded = keras.saving.load_model(aside)
            expected, found = (
                net(frames, num_predicted=horizon).numpy() for net in (model, loaded)
            )
            difference = float(np.abs(found - expected).max())
            if not difference < TOLERANCE:  # so that NaN fails too
                raise RunError(
                    f"the .keras file does not predict what the checkpoint of {workdir} predicts: "
                    f"they differ by {difference:.1e} (allowed: {TOLERANCE:.0e}). It was removed"
                )
        print(f"{path}: {path.stat().st_size / 1e6:.1f} MB, {difference:.1e} from the checkpoint")
