"""What the page of a report says: its tables, pictures and words, from the comparison alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.evaluation import tables
from lmvp_tf.evaluation.compare.comparison import BUDGET, Comparison
from lmvp_tf.evaluation.labels import label
from lmvp_tf.evaluation.report.markup import Page, Picture, Section, Table
from lmvp_tf.evaluation.tables import Column


def page(document: Comparison) -> Page:
    """Lays out a report.

    Args:
      document: what `lmvp_tf.evaluation.compare.comparison.compare` returned, and the `command`
        that made the report.

    Returns:
      A markup.Page.
    """
    sections = [
        _results(document),
        _recordings(document),
        _differences(document),
        _examples(document),
        _example_psnr(document),
        _per_step(document),
        _validation(document),
        _runs(document),
        _protocol(document),
    ]
    inputs, predicted = document["num_inputs"], document["num_predicted"]
    systems = " · ".join(run["label"] for run in document["runs"])
    title = dataset_class(document["dataset"]).title
    return Page(
        title=f"{title}: {inputs} frames in, {predicted} predicted",
        lead=f"{systems}. All on the same {document['num_sequences']:,} test sequences (sha256 "
        f"{document['data_hash'][:12]}), each predicted open loop from {inputs} real frames.",
        sections=[section for section in sections if section],
    )


def text_table(document: Comparison) -> str:
    """The main table as text, without intervals."""
    systems = {run["label"]: run["metrics"] for run in document["runs"]}
    systems |= {label(name): floor["metrics"] for name, floor in document["floors"].items()}
    means = {
        system: {metric: estimate and estimate["mean"] for metric, estimate in metrics.items()}
        for system, metrics in systems.items()
    }
    return tables.comparison_table(document["dataset"], means)


def _results(document: Comparison) -> Section:
    """The paper's Table 1 or 2 with what was found here above it."""
    columns = tables.columns_of(document["dataset"])
    header = [
        "system",
        *_titles(columns),
        "parameters",
        "sequences\nseen",
        "training\ntime",
        "CPU\ntime",
    ]
    ours = [
        [
            run["label"] + (" *" if run["below_budget"] else ""),
            *_estimates(run["metrics"], columns),
            f"{run['parameters']['total']:,}",
            f"{run['sequences_seen']:,}",
            _duration(run["train_seconds"]),
            _duration(run["train_cpu_seconds"]) if run["train_cpu_seconds"] else "-",
        ]
        for run in document["runs"]
    ]
    floors = [
        [label(name), *_estimates(floor["metrics"], columns), "0", "-", "-", "-"]
        for name, floor in document["floors"].items()
    ]
    cited = [[*row, *["-"] * 4] for row in tables.cited_rows(document["dataset"])]
    notes = [
        "CPU time is that of all processor cores together: other work on the machine does not "
        "lengthen it as it does the training time.",
        _interval_note(document),
        *tables.notes(document["dataset"]),
    ]
    if any(run["below_budget"] for run in document["runs"]):
        budget = document["budget"]
        kind = "CPU time" if budget["counted_in"] == "train_cpu_seconds" else "time"
        notes.insert(
            0,
            f"* trained for less than {BUDGET:.0%} of the longest training {kind} here "
            f"({_duration(budget['longest'])}): no comparison at equal cost.",
        )
    source = dataset_class(document["dataset"]).cited_from
    title = f"Results beside {source}" if source else "Results"
    return Section(title, [Table(header, [ours, floors, cited], notes)])


def _interval_note(document: Comparison) -> str:
    intervals = document["intervals"]
    block = intervals["block"]
    stretches = f" of stretches of {block} windows, which overlap" if block > 1 else ""
    return (
        f"In brackets: {intervals['level']:.0%} interval of the mean over test sequences, by "
        f"{intervals['resamples']:,} bootstrap resamples{stretches}. It tells of the choice of "
        "test sequences; how much another training seed would change is not in it."
    )


def _differences(document: Comparison) -> Section | None:
    """What lies between LMVP and each other model, sequence by sequence."""
    differences = document["differences"]
    if not differences:
        return None
    reference, runs = differences["reference"], differences["runs"]
    columns = [
        column
        for column in tables.columns_of(document["dataset"])
        if any(column.key in estimates for estimates in runs.values())
    ]
    rows = [[name, *_estimates(metrics, columns, "+")] for name, metrics in runs.items()]
    notes = [
        "An interval without 0 in it is more than the choice of test sequences explains. "
        f"{_better(columns)}: {reference} is the better one."
    ]
    header = [f"{reference}\nless the other", *_titles(columns)]
    return Section("Paired differences", [Table(header, [rows], notes)])


def _better(columns: Sequence[Column]) -> str:
    """Where a difference is one for the better."""
    sides = [
        (word, [c.metric.title for c in columns if c.metric.higher_is_better == higher])
        for word, higher in (("below", False), ("above", True))
    ]
    return ", ".join(f"{' and '.join(titles)} {word} 0" for word, titles in sides if titles)


def _recordings(document: Comparison) -> Section | None:
    """The table for each recording of the test split."""
    if not document["clips"]:
        return None
    columns = tables.computed_columns_of(document["dataset"])
    groups = [
        [
            [
                f"{label(system)}\n{name}, {part['num_sequences']:,} windows",
                *(column.cell(means.get(column.key)) for column in columns),
            ]
            for system, means in part["systems"].items()
        ]
        for name, part in document["clips"].items()
    ]
    return Section("Recording by recording", [Table(["system", *_titles(columns)], groups)])


def _examples(document: Comparison) -> Section:
    numbers = " and ".join(map(str, document["examples"]))
    text = f"Test sequences {numbers}: input and truth, and below it the prediction of every model"
    return Section(
        "Predictions",
        [
            Picture("examples.png", text, f"{text}, with the PSNR in dB of each frame."),
            Picture("film.gif", "The same as a film", "The same sequences as a film."),
        ],
    )


def _example_psnr(document: Comparison) -> Section | None:
    """The paper's Table 3."""
    cited = dataset_class(document["dataset"]).cited_psnr
    if not cited:
        return None
    steps = [
        f"step {step}\n{which}" for which in ("first", "second") for step in tables.PAPER_PSNR_STEPS
    ]
    groups = tables.psnr_rows(
        {run["label"]: run["example_psnr"] for run in document["runs"]}, cited
    )
    note = "Predicted steps of the two sequences above. The paper's rows are of two others."
    return Section(
        "PSNR of the two, beside the paper's Table 3",
        [Table(["PSNR (dB)", *steps], groups, [note])],
    )


def _per_step(document: Comparison) -> Section:
    text = "SSIM (tf) and PSNR of every model against the time step, means over the test set"
    return Section(
        "Against the time step, as the paper's Figure 5",
        [
            Picture(
                "per_step.png", text, f"{text}; predictors that have learned nothing are dashed."
            )
        ],
    )


def _validation(document: Comparison) -> Section | None:
    missing = [run["label"] for run in document["runs"] if not run["validation"]]
    if len(missing) == len(document["runs"]):
        return None
    text = "Validation values of every run against training time and sequences seen"
    caption = f"{text}, on sequences that no run is trained on (how many, a run's config says)."
    if missing:
        caption += f" Without a log: {', '.join(missing)}."
    return Section("While training", [Picture("validation.png", text, caption)])


def _runs(document: Comparison) -> Section:
    """What every row is."""
    lines = []
    for run in document["runs"]:
        line = (
            f"{run['label']}: {run['workdir']}, model {run['model']}, preset {run['preset']}, "
            f"step {run['step']:,}"
        )
        changes = ", ".join(f"{path}={value}" for path, value in run["changes"].items())
        lines.append(f"{line}; here with {changes}" if changes else line)
    sources = [f"Test data: {document['data']}", f"This report: {document['command']}"]
    return Section("The runs", [lines, *sources])


def _protocol(document: Comparison) -> Section:
    shown = ["prediction", "mean", *(c.key for c in tables.columns_of(document["dataset"]))]
    texts = document["protocol"]
    lines = [f"{name}: {texts[name]}" for name in shown if name in texts]
    return Section("How it is measured", [lines])


def _titles(columns: Sequence[Column]) -> list[str]:
    return [column.metric.title.replace(" ", "\n") for column in columns]


def _estimates(metrics: Mapping[str, Any], columns: Sequence[Column], sign: str = "") -> list[str]:
    """Cells of estimates: the mean, and under it the interval."""
    cells = []
    for column in columns:
        estimate = metrics.get(column.key)
        if estimate:
            mean, low, high = (column.cell(estimate[p], sign) for p in ("mean", "low", "high"))
            cells.append(f"{mean}\n[{low}, {high}]")
        else:
            cells.append("-")
    return cells


def _duration(seconds: float) -> str:
    """A time as one reads it: 45 s, 12 min, 3 h 05 min."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 100 else f"{minutes // 60} h {minutes % 60:02} min"
