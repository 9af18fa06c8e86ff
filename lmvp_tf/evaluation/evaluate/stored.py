"""An evaluation as it lies in its folder, read and checked: see `results` for what is in it."""

from __future__ import annotations

import pathlib
from typing import Annotated, Any, NamedTuple

import msgspec
import numpy as np

from lmvp_tf import configs, manifest
from lmvp_tf.evaluation.evaluate.results import DOCUMENT, VALUES, Document, Values
from lmvp_tf.metrics import registry
from lmvp_tf.metrics.metric import FrameShape
from lmvp_tf.readers import Count, Seconds, read_json, read_npz, reading

_Positive = Annotated[int, msgspec.Meta(ge=1, le=2**31)]
_Means = dict[str, float | None]
_PerStep = dict[str, list[float] | None]
_MOST_BYTES = 2**30  # of per_sequence.npz: 10,000 sequences of ten frames are 10 MB


class _Part(msgspec.Struct):
    metrics: _Means
    per_step: _PerStep
    floors: dict[str, dict[str, float | _PerStep | None]]


class _Recording(_Part):
    num_sequences: _Positive


class _Document(_Part):
    """What a report needs of a metrics.json."""

    model: str
    preset: str
    parameters: dict[str, Count]
    step: Count
    sequences_seen: Count
    train_seconds: Seconds
    num_sequences: _Positive
    data_hash: str
    overlap: _Positive
    config: dict[str, Any]
    train_cpu_seconds: Seconds = 0.0
    data: str = ""
    per_clip: dict[str, _Recording] = {}


class Stored(NamedTuple):
    """An evaluation."""

    document: Document
    values: Values


def read(folder: pathlib.Path) -> Stored | None:
    """The evaluation in a folder; None where there is none, or one by a program that knew less.

    Every metric of today is in its document, None where it was not known then.

    Raises:
      UserError: it is damaged.
    """
    advice = f"evaluate again by python run_eval.py --workdir={folder.parent}"
    if not ((folder / DOCUMENT).exists() and (folder / VALUES).exists()):
        return None
    manifest.check(folder, (DOCUMENT, VALUES), advice)
    document = read_json(folder / DOCUMENT, dict[str, Any], advice)
    if any(name not in document for name in _needed()):
        return None
    with reading(folder / DOCUMENT, advice):
        checked = msgspec.convert(document, _Document)
        config = configs.from_dict(checked.config)
        if checked.model != config.model_name or "total" not in checked.parameters:
            raise ValueError("it does not say which model was evaluated")
        _check_floors(checked)
        completed = _completed_document(document, config.data.frame_shape)
    values = _read_values(folder, checked, advice)
    return Stored({"train_cpu_seconds": 0.0, **document, **completed}, values)


def _needed() -> list[str]:
    return [field.name for field in msgspec.structs.fields(_Document) if field.required]


def _check_floors(document: _Document) -> None:
    for part in (document, *document.per_clip.values()):
        if part.floors.keys() != document.floors.keys():
            raise ValueError("its recordings have other floors than the whole")
        if not all(isinstance(floor.get("per_step"), dict) for floor in part.floors.values()):
            raise ValueError("a floor has no values of each step")


def _read_values(folder: pathlib.Path, document: _Document, advice: str) -> Values:
    """{system: {metric: [N, S]}} of the model and the floors that the document names."""
    arrays = read_npz(folder / VALUES, _MOST_BYTES, advice=advice)
    values: Values = {name: {} for name in (document.model, *document.floors)}
    steps = [x for means in (document.per_step,) for x in means.values() if x is not None]
    shape = (document.num_sequences, len(steps[0]) if steps else 0)
    with reading(folder / VALUES, advice):
        for key, array in arrays.items():
            system, _, metric = key.partition("/")
            if system not in values:
                raise ValueError(f"it has values of {system}, and {DOCUMENT} has none")
            if array.dtype.kind != "f" or array.shape != shape or not np.isfinite(array).all():
                raise ValueError(f"{key} is not {shape} finite numbers, as {DOCUMENT} has it")
            values[system][metric] = array
        for system, metrics in values.items():
            if metrics.keys() != values[document.model].keys() or not metrics:
                raise ValueError(f"it lacks values of {system}")
    return values


def _completed_document(document: Document, frame_shape: FrameShape) -> Document:
    completed = _completed_part(document, frame_shape)
    if "per_clip" in document:
        completed["per_clip"] = {
            name: {**part, **_completed_part(part, frame_shape)}
            for name, part in document["per_clip"].items()
        }
    return completed


def _completed_part(part: Document, frame_shape: FrameShape) -> Document:
    """`metrics`, `per_step` and `floors` with every metric of today."""
    floors = part["floors"]
    reference = floors.get("last_frame", {})
    reference_steps = _arrays(reference.get("per_step", {}))

    def of(means: Document, per_step: Document) -> tuple[Document, Document]:
        steps = registry.completed(_arrays(per_step), frame_shape, reference_steps)
        return _plain(registry.completed(means, frame_shape, reference)), _plain(steps)

    metrics, per_step = of(part["metrics"], part["per_step"])
    return {
        "metrics": metrics,
        "per_step": per_step,
        "floors": {
            name: {**means, "per_step": steps}
            for name, floor in floors.items()
            for means, steps in [of(floor, floor["per_step"])]
        },
    }


def _arrays(per_step: Document) -> Document:
    return {name: None if v is None else np.asarray(v) for name, v in per_step.items()}


def _plain(values: Document) -> Document:
    """NumPy values as JSON has them."""
    if not all(np.isfinite(v).all() for v in values.values() if v is not None):
        raise ValueError("values that follow from those in it are not finite")
    return {name: v if v is None else np.asarray(v).tolist() for name, v in values.items()}
