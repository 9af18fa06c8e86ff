"""The files of an evaluation: metrics.json, per_step.csv and per_sequence.npz.

metrics.json is read by other programs; its keys are fixed. It holds what the run is, and

    num_inputs, num_predicted, num_sequences, data, data_hash, overlap     of the test
    protocol                           how each metric is computed
    metrics, per_step                  the model's means; lists over the predicted steps
    floors[name]                       a floor's means, and its lists under per_step
    per_clip[recording]                num_sequences, metrics, per_step and floors of each, if any
    config                             the Config, with the data that it was tested on

`stored` reads them.
"""

from __future__ import annotations

import csv
import io
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt

from lmvp_tf.evaluation.evaluate.floors import FLOORS
from lmvp_tf.files import atomic_path, write_json, write_text
from lmvp_tf.metrics import registry
from lmvp_tf.metrics.accumulator import MetricAccumulator

Document = dict[str, Any]
# {system: {metric: [N, S]}} of every test sequence and predicted step
Values = dict[str, dict[str, npt.NDArray[np.float32]]]

DOCUMENT, VALUES = "metrics.json", "per_sequence.npz"


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
    write_json(folder / DOCUMENT, document)
    write_text(folder / "per_step.csv", _per_step_csv(document))
    arrays: dict[str, Any] = {
        f"{name}/{metric}": values
        for name, accumulator in accumulators.items()
        for metric, values in accumulator.values().items()
    }
    with atomic_path(folder / VALUES) as path:
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
