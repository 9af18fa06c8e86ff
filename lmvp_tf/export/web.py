"""A model for the page of docs/web, which runs it in the browser, frame by frame."""

from __future__ import annotations

import pathlib
import tempfile

import numpy as np
import tensorflow as tf

from lmvp_tf.errors import RunError, UserError
from lmvp_tf.export.about import about
from lmvp_tf.export.endpoints import Exportable, input_shape, load_exportable, step_endpoint
from lmvp_tf.export.exporter import Exporter, ExportOptions
from lmvp_tf.export.tflite import float32
from lmvp_tf.files import whole_folder, write_json

TOLERANCE = 1e-4  # the file's outputs may be so far from the model's


class Web(Exporter):
    """`<output>/model.tflite`, and `<output>/model.json`, what it says of itself.

    The file has one signature, "serve_step", in float32, with the flow of the filters. It holds the
    network once, where `serve` holds it once for each frame: it is smaller than a file of halves
    with both, a page can show each frame as it comes, and it predicts as far as one likes.
    """

    reads = frozenset({"horizon"})

    def export(self, workdir: pathlib.Path, output: pathlib.Path, options: ExportOptions) -> None:
        try:
            import ai_edge_litert.interpreter  # noqa: F401
        except ImportError as error:
            raise UserError(
                f"--format=web lacks a package ({error}): pip install 'lmvp-tf[tflite]'"
            ) from error
        exportable = load_exportable(workdir, options.horizon)
        endpoint = step_endpoint(exportable, batch_size=1, with_flow=True)
        with whole_folder(output, "model.json") as folder:
            path = folder / "model.tflite"
            with tempfile.TemporaryDirectory() as scratch:
                signatures = {"serve_step": endpoint}
                path.write_bytes(float32(exportable, signatures, pathlib.Path(scratch)))
            difference = _difference(exportable, path)
            if not difference < TOLERANCE:  # so that NaN fails too
                raise RunError(
                    f"the file does not predict what the model of {workdir} predicts: they differ "
                    f"by {difference:.1e} (allowed: {TOLERANCE:.0e})"
                )
            size = path.stat().st_size
            write_json(folder / "model.json", _document(exportable))
        print(
            f"Written to {output}: model.tflite, {size / 1e6:.1f} MB, and model.json. The file's "
            f"outputs are the model's up to {difference:.0e}"
        )


def _document(exportable: Exportable) -> dict[str, object]:
    """What the page has to know: `about`, how many frames go in, and their shape."""
    num_inputs, *frame_shape = input_shape(exportable.config)
    return {"num_inputs": num_inputs, "frame_shape": frame_shape, **about(exportable)}


def _difference(exportable: Exportable, path: pathlib.Path) -> float:
    """How far the file's outputs are from the model's, over T0 frames of noise; NaN for a NaN."""
    from ai_edge_litert.interpreter import Interpreter

    endpoint = step_endpoint(exportable, batch_size=1, with_flow=True)
    model = tf.function(endpoint.function, input_signature=endpoint.specs, autograph=False)
    run = Interpreter(str(path)).get_signature_runner("serve_step")
    rng, (frame_spec, *state_specs) = np.random.default_rng(0), endpoint.specs
    state = {spec.name: np.zeros(spec.shape, np.float32) for spec in state_specs}
    differences = []
    for _ in range(input_shape(exportable.config)[0]):
        frame = rng.random(frame_spec.shape, np.float32)
        expected = model(frame, *state.values())
        received = run(frame=frame, **state)
        differences += [np.abs(received[name] - expected[name]).max() for name in expected]
        state = {name: received[name] for name in state}
    return float(np.max(differences))
