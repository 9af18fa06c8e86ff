"""The files of an evaluation: metrics.json, per_step.csv and per_sequence.npz.

metrics.json is read by other programs; its keys are fixed. It holds what the run is, and

    num_inputs, num_predicted, num_sequences, data, data_hash, overlap     of the test
    protocol                           how each metric is computed
    metrics, per_step                  the model's means; lists over the predicted steps
    floors[name]                       a floor's means, and its lists under per_step
    per_clip[recording]                num_sequences, metrics, per_step and floors of each, if any
    config                             the Config, with the data that it was tested on

A file from before a metric was there, or a key that a report needs, is read all the same.
"""

from __future__ import annotations

import collections
import csv
import io
import json
import pathlib
import zipfile
from typing import Any

import numpy as np
import numpy.typing as npt

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.evaluate.floors import FLOORS
from lmvp_tf.files import atomic_path, write_json, write_text
from lmvp_tf.metrics import registry
from lmvp_tf.metrics.accumulator import MetricAccumulator
from lmvp_tf.metrics.metric import FrameShape

Document = dict[str, Any]
# {system: {metric: [N, S]}} of every test sequence and predicted step
Values = dict[str, dict[str, npt.NDArray[np.float32]]]

_NEEDED = (
    "model preset parameters step sequences_seen train_seconds num_sequences data_hash overlap "
    "metrics per_step floors config"
).split()


def results(
    accumulators: dict[str, MetricAccumulator], model: str, recordings: list[str] | None = None
) -> Document:
    """The measured part of metrics.json.

    Args:
      accumulators: what `measure` returned: of `model` and the floors.
      model: the model's name.
      recordings: the recording that each sequence is from, in order, or None.
    """
    document = {"protocol": registry.protocol(), **_part(accumulators, model, slice(None))}
    if recordings:
        names = np.array(recordings)
        document["per_clip"] = {
            name: {
                "num_sequences": int(np.sum(names == name)),
                **_part(accumulators, model, names == name),
            }
            for name in dict.fromkeys(recordings)
        }
    return document


def _part(accumulators: dict[str, MetricAccumulator], model: str, sequences: Any) -> Document:
    """The model's and the floors' values over some of the sequences."""
    last_frame = accumulators["last_frame"]
    part = {name: a.result(sequences, last_frame) for name, a in accumulators.items()}
    return {
        **part[model],
        "floors": {
            name: {**part[name]["metrics"], "per_step": part[name]["per_step"]}
            for name in FLOORS
            if name in part
        },
    }


def write(
    folder: pathlib.Path, document: Document, accumulators: dict[str, MetricAccumulator]
) -> None:
    """Writes the three files.

    per_step.csv has a row for every system and predicted step (from 1). per_sequence.npz holds, as
    `system/metric`, [N, S] float32 of every sequence and step, for statistics across runs.

    Raises:
      RunError: a file cannot be written.
    """
    write_json(folder / "metrics.json", document)
    write_text(folder / "per_step.csv", _per_step_csv(document))
    arrays: dict[str, Any] = {
        f"{name}/{metric}": values
        for name, accumulator in accumulators.items()
        for metric, values in accumulator.values().items()
    }
    with atomic_path(folder / "per_sequence.npz") as path:
        np.savez_compressed(path, **arrays)


def systems_per_step(document: Document) -> dict[str, dict[str, Any]]:
    """{system: {metric: list over steps, or None}} of the model and the floors."""
    floors = {name: floor["per_step"] for name, floor in document["floors"].items()}
    return {document["model"]: document["per_step"], **floors}


def _per_step_csv(document: Document) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = list(registry.computed())
    writer.writerow(["system", "step", *names])
    for system, per_step in systems_per_step(document).items():
        length = max(len(values) for values in per_step.values() if values)
        columns = [per_step[name] or [""] * length for name in names]
        for step, row in enumerate(zip(*columns, strict=True), start=1):
            writer.writerow([system, step, *row])
    return text.getvalue()


def read(folder: pathlib.Path) -> Document | None:
    """The metrics.json of a folder, or None where nothing was evaluated to it.

    Every metric of today is in it, None where it was not known then.

    Raises:
      UserError: it is damaged.
    """
    path = folder / "metrics.json"
    if not (path.exists() and _values_path(folder).exists()):
        return None
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if any(key not in document for key in _NEEDED):
            return None  # of an older program: to be evaluated anew
        frame_shape = configs.from_dict(document["config"]).data.frame_shape
        return {"train_cpu_seconds": 0.0, **document, **_completed_document(document, frame_shape)}
    except (OSError, ValueError, TypeError, AttributeError, KeyError) as error:
        raise _damaged(path, error) from error


def read_values(folder: pathlib.Path) -> Values:
    """The per_sequence.npz of a folder.

    Raises:
      UserError: it is damaged.
    """
    path = _values_path(folder)
    values: Values = collections.defaultdict(dict)
    try:
        with np.load(path) as arrays:
            for name in arrays:
                system, _, metric = name.partition("/")
                values[system][metric] = arrays[name]
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise _damaged(path, error) from error
    return dict(values)


def _values_path(folder: pathlib.Path) -> pathlib.Path:
    return folder / "per_sequence.npz"


def _damaged(path: pathlib.Path, error: Exception) -> UserError:
    return UserError(
        f"{path} cannot be read ({error}): evaluate again by python run_eval.py "
        f"--workdir={path.parent.parent}"
    )


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
    return {name: v if v is None else np.asarray(v).tolist() for name, v in values.items()}
