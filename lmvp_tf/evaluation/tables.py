"""Tables of systems and metrics as aligned text, beside what others reported."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from lmvp_tf.datasets.base import Dataset, PerFrameValues
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.metrics.metric import CitedMetric, Metric
from lmvp_tf.metrics.registry import METRICS

PAPER_PSNR_STEPS = (2, 4, 6, 8, 10)  # of the paper's Table 3

Means = Mapping[str, Any]  # {metric: mean or None}


class Column(NamedTuple):
    """A metric in a data set's tables."""

    key: str
    metric: Metric

    def cell(self, value: float | None, sign: str = "") -> str:
        """A value as the metric is written; `sign` "+" gives positive ones a sign."""
        return cell(value, sign + self.metric.form)


def columns_of(dataset: str) -> list[Column]:
    """The columns of a data set's tables."""
    return [Column(name, METRICS[name]) for name in dataset_class(dataset).columns]


def computed_columns_of(dataset: str) -> list[Column]:
    """The same without those that are only cited."""
    return [c for c in columns_of(dataset) if not isinstance(c.metric, CitedMetric)]


def notes(dataset: str) -> list[str]:
    """What the columns mean, and where the cited rows are from."""
    data = dataset_class(dataset)
    columns = [column.metric for column in columns_of(dataset)]
    meanings = "; ".join(f"{metric.title}: {metric.note}" for metric in columns if metric.note)
    return [f"Means over frames. {meanings}.", *_cited_note(data)]


def _cited_note(data: type[Dataset]) -> list[str]:
    return [f"(cited): from {data.cited_from}, on other test sequences."] if data.cited else []


def cited_rows(dataset: str) -> list[list[str]]:
    """The rows that others reported, as they wrote them; "-" for what they did not."""
    columns = columns_of(dataset)
    return [
        [f"{name} (cited)", *(cell(values.get(column.key), "g") for column in columns)]
        for name, values in dataset_class(dataset).cited.items()
    ]


def comparison_table(dataset: str, systems: Mapping[str, Means]) -> str:
    """Lays out systems x metrics, then the cited rows and what the columns mean.

    Args:
      dataset: its name.
      systems: {name: Means}; "-" stands where a metric is missing.
    """
    columns = columns_of(dataset)
    ours = [
        [name, *(column.cell(means.get(column.key)) for column in columns)]
        for name, means in systems.items()
    ]
    header = ["system", *(column.metric.title for column in columns)]
    table = text_table(header, [*ours, *cited_rows(dataset)])
    return "\n".join([table, "", *map(_wrapped, notes(dataset))])


def evaluation_table(document: Mapping[str, Any]) -> str:
    """The tables of one run and, above them, what was measured on what.

    Args:
      document: a metrics.json.
    """
    dataset, model = document["dataset"], document["model"]
    run = (
        f"{model}, preset {document['preset']}: step {document['step']}, "
        f"{document['sequences_seen']} sequences seen in {document['train_seconds']:.0f} s of "
        f"training, {document['parameters']['total']} parameters"
    )
    test = (
        f"{dataset}, {document['num_sequences']} test sequences: {document['num_inputs']} frames "
        f"in (T0), {document['num_predicted']} predicted. Data: {document['data']}"
    )
    parts = [f"{run}\n{test}"]
    parts.append(comparison_table(dataset, {model: document["metrics"], **document["floors"]}))
    if "per_clip" in document:
        parts.append(_recordings_table(document))
    return "\n\n".join(parts)


def _recordings_table(document: Mapping[str, Any]) -> str:
    """Every recording's values of each predicted step and their mean, last frame and model."""
    columns = computed_columns_of(document["dataset"])
    body: list[list[str]] = []
    for name, part in {"all": document, **document["per_clip"]}.items():
        floor = part["floors"]["last_frame"]
        systems = {
            "last_frame": (floor, floor["per_step"]),
            document["model"]: (part["metrics"], part["per_step"]),
        }
        for step in [*range(document["num_predicted"]), None]:
            for system, (means, per_step) in systems.items():
                values = means if step is None else _at(per_step, step)
                cells = (column.cell(values.get(column.key)) for column in columns)
                label = "mean" if step is None else str(step + 1)
                body.append([f"{name}, {system}", label, *cells])
    header = ["recording, system", "step", *(column.metric.title for column in columns)]
    return text_table(header, body)


def _at(per_step: Mapping[str, Any], step: int) -> Means:
    """The metrics of one predicted step, from 0."""
    return {name: values and values[step] for name, values in per_step.items()}


def psnr_rows(
    systems: Mapping[str, Sequence[Sequence[float]]], cited: PerFrameValues
) -> tuple[list[list[str]], list[list[str]]]:
    """PSNR at every second predicted step of two examples, beside the paper's Table 3.

    Args:
      systems: {name: [2, S] PSNR in dB of two sequences}.
      cited: the same of the paper's, at its steps: Dataset.cited_psnr.

    Returns:
      (ours, cited): rows of a name and the values at `PAPER_PSNR_STEPS` of the first example, then
      of the second; "-" for steps beyond S.
    """
    ours = {
        name: [
            [sequence[step - 1] if step <= len(sequence) else None for step in PAPER_PSNR_STEPS]
            for sequence in sequences
        ]
        for name, sequences in systems.items()
    }
    theirs = {f"{name} (cited)": sequences for name, sequences in cited.items()}
    return _psnr_cells(ours), _psnr_cells(theirs)


def _psnr_cells(rows: Mapping[str, Iterable[Iterable[float | None]]]) -> list[list[str]]:
    return [
        [name, *(cell(value, ".2f") for sequence in sequences for value in sequence)]
        for name, sequences in rows.items()
    ]


def cell(value: float | None, form: str) -> str:
    """Writes a value, "-" where there is none."""
    return "-" if value is None else format(value, form)


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Aligns columns by spaces, the first to the left and the others to the right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return "  ".join(padded).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(header), rule, *map(line, rows)])


def _wrapped(text: str) -> str:
    return textwrap.fill(text, 100, break_long_words=False)
