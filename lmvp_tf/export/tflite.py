"""A trained model as .tflite files: one for each way to keep its weights and to compute.

| variant      | weights                       | computes in                                       |
|--------------|-------------------------------|---------------------------------------------------|
| float32      | float32                       | float32                                           |
| float16      | float16                       | float32                                           |
| weight_int8  | int8, a scale for each channel | float32                                          |
| dynamic_int8 | int8                          | int8 where there are weights, scaled as it runs   |
| mixed_int8   | int8 in convolutions          | int8 in convolutions, scaled by training videos;  |
|              |                               | float32 in filters, recurrence and all else       |

A file has two signatures, which share the weights: "serve" and "serve_step" of
`lmvp_tf.export.endpoints`, with a batch of one video.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib.metadata
import io
import pathlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from absl import logging

from lmvp_tf import configs
from lmvp_tf.datasets.base import Dataset
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.errors import RunError, UserError, one_line
from lmvp_tf.export import tflite_measure
from lmvp_tf.export.about import about, into_tflite
from lmvp_tf.export.endpoints import (
    Endpoint,
    Exportable,
    endpoints,
    input_shape,
    load_exportable,
    use_filter,
)
from lmvp_tf.export.exporter import Exporter, ExportOptions
from lmvp_tf.export.tflite_measure import Comparison, Figures, Measured, Signatures
from lmvp_tf.files import whole_folder, write_json

VARIANTS = ("float32", "float16", "weight_int8", "dynamic_int8", "mixed_int8")
_PACKAGES = ("ai-edge-litert", "litert-quantizer")
_CALIBRATION_VIDEOS = 16


class TFLite(Exporter):
    """`<output>/<variant>.tflite` for small devices, each measured beside the model."""

    reads = frozenset({"horizon", "variants", "num_sequences", "data"})

    def export(self, workdir: pathlib.Path, output: pathlib.Path, options: ExportOptions) -> None:
        variants = VARIANTS if options.variants is None else options.variants
        compared = export(
            workdir, output, variants, options.horizon, options.num_sequences, options.data
        )
        print(f"\n{tflite_measure.table(compared)}\n")
        passed = [f"{name}.tflite" for name, one in compared.files.items() if not one.failure]
        if not passed:
            raise RunError(f"no variant passed; what they predict is in {output / 'tflite.json'}")
        print(f"Written to {output}: {', '.join(passed)}, tflite.json")


def export(
    workdir: pathlib.Path,
    output: pathlib.Path,
    variants: Sequence[str] = VARIANTS,
    horizon: int | None = None,
    num_sequences: int = 64,
    data: Mapping[str, Any] | None = None,
) -> Comparison:
    """Writes `<output>/<variant>.tflite` and `<output>/tflite.json`, what was measured.

    Each variant predicts test sequences, and one that fails there is not left behind, not even from
    an earlier export: see `tflite_measure.compare`. Files of variants not asked for stay.

    Args:
      workdir: a pathlib.Path that run_train.py wrote.
      output: a pathlib.Path, a folder; made when it is missing.
      variants: of `VARIANTS`.
      horizon: S, how many frames to predict; None for as many as in training.
      num_sequences: how many test sequences to measure on.
      data: {path of a config field: value} that differs from the training run's, for data that
        have moved since.

    Returns:
      Comparison.

    Raises:
      UserError: no such run, variant or data, a model that cannot be exported, a missing package.
      RunError: the files cannot be written, or the model not converted.
    """
    _check(variants)
    exportable = load_exportable(workdir, horizon)
    num_inputs = exportable.config.data.num_inputs
    config = configs.replace(
        exportable.config, {**(data or {}), "data.num_frames": num_inputs + exportable.horizon}
    )
    videos = open_dataset(config)
    print(f"Data: {videos.source}")
    before = [f"{name}.tflite" for name in variants]
    with whole_folder(output, "tflite.json", before) as new, _scratch(new) as folder:
        paths, failed = convert(exportable, variants, videos, folder)
        test = np.concatenate(list(videos.test(num_sequences, _CALIBRATION_VIDEOS)))
        model, measured = measure(exportable, paths, test)
        compared = Comparison(model, failed | measured)
        for name, path in paths.items():
            if not measured[name].failure:
                path.replace(new / path.name)
        write_json(new / "tflite.json", _document(exportable, compared, len(test)))
    return compared


@contextlib.contextmanager
def _scratch(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    """A folder in another for what is not to stay."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        yield pathlib.Path(name)


def convert(
    exportable: Exportable,
    variants: Sequence[str],
    videos: Dataset | None,
    folder: pathlib.Path,
) -> tuple[dict[str, pathlib.Path], dict[str, Measured]]:
    """Writes the variants to a folder, unmeasured.

    Args:
      exportable: an Exportable. Its model is left with the filters that are exported.
      variants: of `VARIANTS`.
      videos: the dataset, from `open_dataset`: "mixed_int8" is scaled by its training videos.
      folder: a pathlib.Path.

    Returns:
      {variant: pathlib.Path} of the files, and {variant: Measured}, failed, of those that the
      quantizer could not make.

    Raises:
      RunError: the model cannot be converted at all.
    """
    base, origin = folder / "base.tflite", about(exportable)
    paths: dict[str, pathlib.Path] = {}
    failed: dict[str, Measured] = {}
    by_name = endpoints(exportable, batch_size=1)
    signatures = {name: by_name[name] for name in Signatures._fields}
    base.write_bytes(float32(exportable, signatures, folder / "saved_model"))
    for variant in variants:
        path = folder / f"{variant}.tflite"
        try:
            content = _quantized(base, variant, exportable, videos)
            path.write_bytes(into_tflite(content, origin))
            paths[variant] = path
        except OSError:
            raise
        except Exception as error:  # the quantizer raises whatever its parts do
            reason = f"it cannot be made: {one_line(error)}"
            failed[variant] = Measured({name: Figures() for name in Signatures._fields}, reason)
    return paths, failed


def measure(
    exportable: Exportable, paths: Mapping[str, pathlib.Path], videos: npt.NDArray[np.float32]
) -> Comparison:
    """Runs files beside the model that they are from.

    Args:
      exportable: the Exportable.
      paths: {name: pathlib.Path} of .tflite files.
      videos: [N, T0 + S, H, W, C] float32 in [0, 1], test sequences.

    Returns:
      Comparison. A file that failed is not timed.

    Raises:
      RunError: the model itself predicts values that are not finite.
    """
    shape = input_shape(exportable.config)
    state_shapes = exportable.model.state_shapes(shape)
    predict = functools.partial(
        tflite_measure.predict, videos=videos, num_inputs=shape[0], state_shapes=state_shapes
    )
    model, truth = tflite_measure.open_model(exportable), videos[:, shape[0] :]
    expected = predict(model)
    compared = Comparison(tflite_measure.compare(expected, expected, truth), {})
    if compared.model.failure:
        raise RunError(f"the model itself fails: {compared.model.failure}")
    for name, path in paths.items():
        predictions = predict(tflite_measure.open_file(path))
        measured = tflite_measure.compare(predictions, expected, truth)
        measured.size = path.stat().st_size
        compared.files[name] = measured
    passed = {name: path for name, path in paths.items() if not compared.files[name].failure}
    tflite_measure.add_latencies(compared, model, passed, videos[:1, : shape[0]], state_shapes)
    return compared


def _check(variants: Sequence[str]) -> None:
    """Refuses unknown variants, and says what must be installed.

    Raises:
      UserError: either.
    """
    if unknown := [name for name in variants if name not in VARIANTS]:
        raise UserError(
            f"--variants: there is no {', '.join(unknown)}. There are {', '.join(VARIANTS)}"
        )
    if not variants:
        raise UserError(f"--variants is empty. There are {', '.join(VARIANTS)}")
    try:
        import ai_edge_litert.interpreter  # noqa: F401
        import litert_quantizer  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"--format=tflite lacks a package ({error}): pip install 'lmvp-tf[tflite]'"
        ) from error


def float32(exportable: Exportable, asked: Mapping[str, Endpoint], folder: pathlib.Path) -> bytes:
    """The bytes of the model's .tflite file in float32.

    Of the other ways into a .tflite file two end in one whose every output is NaN
    (`from_concrete_functions` with a Keras model, and a SavedModel of a Keras model). A Keras
    archive with several endpoints would lose all but the first.

    Args:
      exportable: an Exportable. Its model is left with the filters that are exported.
      asked: the file's signatures by name, for a batch of one.
      folder: a pathlib.Path, for the SavedModel on the way.

    Raises:
      RunError: the model cannot be converted.
    """
    use_filter(exportable.model, "reference")
    module = tf.Module()
    module.parameters = [variable.value for variable in exportable.model.variables]
    signatures = {
        name: tf.function(endpoint.function, input_signature=endpoint.specs, autograph=False)
        for name, endpoint in asked.items()
    }
    try:
        tf.saved_model.save(module, str(folder), signatures)
    except tf.errors.OpError as error:
        raise RunError(f"cannot write to {folder}: {one_line(error.message)}") from error
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder), signature_keys=list(signatures)
    )
    try:
        return converter.convert()
    except Exception as error:  # ConverterError is no public name
        raise RunError(
            f"--model={exportable.config.model_name} cannot be converted: {one_line(error)}"
        ) from error


def _quantized(
    base: pathlib.Path, variant: str, exportable: Exportable, videos: Dataset | None
) -> bytes:
    """The bytes of a variant of the float32 file."""
    if variant == "float32":
        return base.read_bytes()
    from litert_quantizer import calibrator, quantizer

    with _quiet():
        work, ranges = quantizer.Quantizer(str(base), _recipe(variant)), None
        if work.need_calibration:
            mode = calibrator.CalibrationMode.CALIBRATION_PROFILER_BASED
            assert videos is not None, "calibration needs training videos"
            ranges = work.calibrate(_calibration(base, exportable, videos), mode=mode)
        quantized = work.quantize(ranges, enable_progress_report=False).quantized_model
    return _with_float_outputs(quantized)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keeps back bars of progress over a second, and a warning for each weight that both
    signatures use.
    """
    verbosity = logging.get_verbosity()
    logging.set_verbosity(logging.ERROR)
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        logging.set_verbosity(verbosity)


def _with_float_outputs(content: bytes) -> bytes:
    """Gives a quantized file the outputs again that its signatures name.

    Of an output that an int8 convolution reads too, litert-quantizer 0.11 hands out the int8 copy,
    and nothing keeps the tensor that the signature names.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    for signature in model.signatureDefs:
        outputs = [output.tensorIndex for output in signature.outputs]
        model.subgraphs[signature.subgraphIndex].outputs = outputs
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _recipe(variant: str) -> list[dict[str, Any]]:
    """The quantizer's recipe of a variant."""
    from litert_quantizer import qtyping, recipe, recipe_manager

    operations = qtyping.TFLOperationName
    if variant == "weight_int8":
        return recipe.weight_only_wi8_afp32()
    if variant == "dynamic_int8":
        return recipe.dynamic_wi8_afp32()
    manager = recipe_manager.RecipeManager()
    if variant == "float16":
        manager.add_weight_only_config(
            ".*", operations.ALL_SUPPORTED, 16, algorithm_key=recipe.AlgorithmName.FLOAT_CASTING
        )
    else:
        manager.add_static_config(".*", operations.CONV_2D, 8, 8)
    return manager.get_quantization_recipe()


def _calibration(
    base: pathlib.Path, exportable: Exportable, videos: Dataset
) -> dict[str, list[dict[str, Any]]]:
    """{signature: list of inputs} from training videos, for the ranges of all tensors."""
    shape = input_shape(exportable.config)
    state_shapes = exportable.model.state_shapes(shape)
    seed = exportable.config.training.seed
    batch = next(iter(videos.train(seed, _CALIBRATION_VIDEOS))).numpy()[:, : shape[0]]
    step = tflite_measure.open_file(base).serve_step
    asked: list[dict[str, Any]] = []

    def recorded(**inputs: Any) -> dict[str, Any]:
        asked.append(inputs)
        return step(**inputs)

    for frames in batch:
        tflite_measure.stream(recorded, frames[None], state_shapes, exportable.horizon)
    return {"serve": [{"frames": frames[None]} for frames in batch], "serve_step": asked}


def _document(exportable: Exportable, compared: Comparison, num_sequences: int) -> dict[str, Any]:
    """tflite.json: what was measured, on what."""
    return {
        "config": configs.to_dict(exportable.config),
        "step": exportable.step,
        "horizon": exportable.horizon,
        "num_sequences": num_sequences,
        "model": _entry(compared.model),
        "variants": {
            name: {"passed": not one.failure, **_entry(one)} for name, one in compared.files.items()
        },
        "versions": {name: importlib.metadata.version(name) for name in ("tensorflow", *_PACKAGES)},
    }


def _entry(one: Measured) -> dict[str, Any]:
    entry = dataclasses.asdict(one)
    entry["seconds"] = {
        name: {
            str(threads or "all"): dict(zip(("median", "minimum"), pair, strict=True))
            for threads, pair in timed.items()
        }
        for name, timed in one.seconds.items()
    }
    return entry
