"""Tables of systems and metrics, as aligned text or Markdown, beside the paper's figures."""

from lmvp_tf.datasets.registry import dataset_class

PAPER_PSNR_STEPS = (2, 4, 6, 8, 10)  # of the paper's Table 3

_COLUMNS = {
    "bce": ("BCE/px", ".4f"),
    "bce_per_frame": ("BCE/frame", ".1f"),
    "mse": ("MSE/px", ".5f"),
    "ratio": ("/last frame", ".3f"),
    "mse_per_frame": ("MSE/frame", ".1f"),
    "psnr": ("PSNR", ".2f"),
    "ssim_tf": ("SSIM tf", ".3f"),
    "ssim_skimage": ("SSIM skimage", ".3f"),
    "ssim_openstl": ("SSIM openstl", ".3f"),
    "ssim_paper": ("SSIM paper", ".3f"),
}


def columns_of(dataset):
    """(metric, title, format) of the columns in a data set's tables."""
    return [(metric, *_COLUMNS[metric]) for metric in dataset_class(dataset).columns]


NOTES = (
    "Means over frames; BCE in nats (/frame is /px times the pixels), PSNR in dB.",
    "SSIM tf: 11x11 Gaussian window, range 1; skimage: 7x7 uniform, range 1; openstl: the same, "
    "range 2.",
    "(cited): the paper's own figures, on other test sequences; it does not define its SSIM and "
    "PSNR.",
)


def comparison_table(dataset, systems, markdown=False):
    """Lays out systems x metrics, then the paper's rows and what the columns mean.

    Args:
      dataset: its name.
      systems: {name: {metric: mean or None}}, for instance `MetricAccumulator.result()["metrics"]`.
        On Highway, `last_frame` among them gives the ratios of MSE.
      markdown: a Markdown table instead of aligned text.

    Returns:
      The table, one string; "-" where a row lacks a figure.
    """
    columns = columns_of(dataset)
    body = []
    for name, metrics in systems.items():
        figures = _with_ratio(metrics, systems)
        body.append([name, *(cell(figures.get(key), form) for key, _, form in columns)])
    for name, figures in dataset_class(dataset).cited.items():
        body.append([f"{name} (cited)", *(cell(figures.get(key), "g") for key, _, _ in columns)])
    header = ["system", *(title for _, title, _ in columns)]
    if markdown:
        return "\n\n".join([markdown_table(header, body), "  \n".join(NOTES)])
    return "\n".join([text_table(header, body), "", *NOTES])


def clip_table(clips, dataset, markdown=False):
    """Lays out every clip's figures of each predicted step and their mean, for every system.

    Args:
      clips: {clip: {system: what `MetricAccumulator.result` returned}}.
      dataset: its name.
      markdown: a Markdown table instead of aligned text.
    """
    columns = [column for column in columns_of(dataset) if column[0] != "ssim_paper"]
    body = []
    for clip, systems in clips.items():
        num_steps = len(next(iter(systems.values()))["per_step"]["mse"])
        for step in [*range(num_steps), None]:
            rows = {name: _at(result, step) for name, result in systems.items()}
            for name, metrics in rows.items():
                figures = _with_ratio(metrics, rows)
                cells = (cell(figures.get(key), form) for key, _, form in columns)
                label = "mean" if step is None else str(step + 1)
                body.append([f"{clip}, {name}", label, *cells])
    header = ["clip, system", "step", *(title for _, title, _ in columns)]
    return (markdown_table if markdown else text_table)(header, body)


def psnr_rows(systems, cited):
    """PSNR at every second predicted step of two examples, beside the paper's Table 3.

    Args:
      systems: {name: [2, S] PSNR in dB of two sequences}.
      cited: the same of the paper's, at its steps: Dataset.cited_psnr.

    Returns:
      (ours, paper): lists of rows, each a name and the figures at `PAPER_PSNR_STEPS` of the first
      example, then of the second; "-" for steps beyond S.
    """
    chosen = {
        name: [
            [sequence[step - 1] if step <= len(sequence) else None for step in PAPER_PSNR_STEPS]
            for sequence in sequences
        ]
        for name, sequences in systems.items()
    }
    paper = {f"{name} (cited)": sequences for name, sequences in cited.items()}
    return tuple(
        [
            [name, *(cell(value, ".2f") for sequence in sequences for value in sequence)]
            for name, sequences in rows.items()
        ]
        for rows in (chosen, paper)
    )


def cell(value, form):
    """Writes a figure, "-" where there is none."""
    return "-" if value is None else format(value, form)


def text_table(header, rows):
    """Aligns columns by spaces, the first to the left and the others to the right.

    Args:
      header: list of str.
      rows: list of lists of str, as long as the header.
    """
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells):
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return "  ".join(padded).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([line(header), rule, *map(line, rows)])


def markdown_table(header, rows):
    """Lays out a Markdown table, the first column aligned left and the others right."""
    alignment = ["---", *["---:"] * (len(header) - 1)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in [header, alignment, *rows])


def _with_ratio(metrics, systems):
    reference = systems.get("last_frame", {}).get("mse")
    return {**metrics, "ratio": metrics["mse"] / reference} if reference else metrics


def _at(result, step):
    """The metrics of one predicted step (from 0), or their mean over steps for None."""
    if step is None:
        return result["metrics"]
    return {name: values and values[step] for name, values in result["per_step"].items()}
