"""Tables of systems and metrics, as aligned text or Markdown, beside the paper's figures."""

# Tables 1 and 2 of the paper: BCE and MSE per pixel (BCE per frame is BCE x 4096). It does not say
# how it computes SSIM and PSNR, so its SSIM has a column of its own.
PAPER = {
    "moving_mnist": {
        "ConvLSTM": {"bce": 0.0896, "bce_per_frame": 367.0, "ssim_paper": 0.61, "psnr": 10.74},
        "FPM": {"bce": 0.0833, "bce_per_frame": 341.2},
        "DFN": {"bce": 0.0689, "bce_per_frame": 282.2, "ssim_paper": 0.83, "psnr": 18.4},
        "LMVP": {"bce": 0.0613, "bce_per_frame": 251.1, "ssim_paper": 0.87, "psnr": 19.6},
    },
    "highway": {
        "Last Frame": {"mse": 0.01034, "ratio": 1.0, "ssim_paper": 0.83, "psnr": 22.11},
        "DFN": {"mse": 0.00308, "ratio": 0.298, "ssim_paper": 0.92, "psnr": 26.95},
        "LMVP": {"mse": 0.00267, "ratio": 0.258, "ssim_paper": 0.927, "psnr": 27.23},
    },
}

# Table 3 of the paper: PSNR at these predicted steps of its two examples of Figure 4.
PAPER_PSNR_STEPS = (2, 4, 6, 8, 10)
PAPER_PSNR = {
    "DFN": ((23.42, 21.19, 19.01, 18.21, 18.46), (18.70, 18.38, 18.32, 17.91, 17.76)),
    "LMVP": ((25.25, 22.99, 22.01, 20.28, 20.44), (21.73, 21.29, 21.05, 20.85, 20.45)),
}

_SIMILARITY_COLUMNS = (
    ("psnr", "PSNR", ".2f"),
    ("ssim_tf", "SSIM tf", ".3f"),
    ("ssim_skimage", "SSIM skimage", ".3f"),
    ("ssim_openstl", "SSIM openstl", ".3f"),
    ("ssim_paper", "SSIM paper", ".3f"),
)
COLUMNS = {
    "moving_mnist": (
        ("bce", "BCE/px", ".4f"),
        ("bce_per_frame", "BCE/frame", ".1f"),
        ("mse_per_frame", "MSE/frame", ".1f"),
        *_SIMILARITY_COLUMNS,
    ),
    "highway": (
        ("mse", "MSE/px", ".5f"),
        ("ratio", "/last frame", ".3f"),
        *_SIMILARITY_COLUMNS,
    ),
}

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
      dataset: a key of `COLUMNS`: moving_mnist or highway.
      systems: {name: {metric: mean or None}}, for instance `MetricAccumulator.result()["metrics"]`.
        On Highway, `last_frame` among them gives the ratios of MSE.
      markdown: a Markdown table instead of aligned text.

    Returns:
      The table, one string; "-" where a row lacks a figure.
    """
    columns = COLUMNS[dataset]
    body = []
    for name, metrics in systems.items():
        figures = _with_ratio(metrics, systems)
        body.append([name, *(cell(figures.get(key), form) for key, _, form in columns)])
    for name, figures in PAPER[dataset].items():
        body.append([f"{name} (cited)", *(cell(figures.get(key), "g") for key, _, _ in columns)])
    header = ["system", *(title for _, title, _ in columns)]
    if markdown:
        return "\n\n".join([markdown_table(header, body), "  \n".join(NOTES)])
    return "\n".join([text_table(header, body), "", *NOTES])


def clip_table(clips, dataset="highway", markdown=False):
    """Lays out every clip's figures of each predicted step and their mean, for every system.

    Args:
      clips: {clip: {system: what `MetricAccumulator.result` returned}}.
      dataset: a key of `COLUMNS`.
      markdown: a Markdown table instead of aligned text.
    """
    columns = [column for column in COLUMNS[dataset] if column[0] != "ssim_paper"]
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


def psnr_rows(systems):
    """PSNR at every second predicted step of two examples, beside the paper's Table 3.

    Args:
      systems: {name: [2, S] PSNR in dB of two sequences}.

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
    paper = {f"{name} (cited)": sequences for name, sequences in PAPER_PSNR.items()}
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
