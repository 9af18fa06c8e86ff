"""Curves of results: the paper's Figure 5, the log of a training run, validation of several runs.

Each is drawn on a matplotlib figure of its own (no pyplot): nothing is shared between calls and no
display is needed.
"""

import csv
import itertools
import math
import pathlib

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.figures import (
    ACCENT,
    FAINT,
    INK,
    LABELS,
    RULE,
    SPARE_COLORS,
    system_colors,
)
from lmvp_tf.files import atomic_path

_CURVE_COLORS = (ACCENT, "#2866b0", "#2d8a5f", "#d98a1f", "#8a56ac", *SPARE_COLORS)
_ERRORS = ("bce", "mse_per_frame")
_TIME_COLUMNS = ("step", "seconds", "cpu_seconds", "sequences")
_FLOOR_DASHES = {"last_frame": (0, (5, 2)), "zeros": (0, (1, 1.5)), "mean_image": (0, (5, 2, 1, 2))}
_METRIC_TITLES = {
    "bce": "BCE per pixel (nats)",
    "bce_per_frame": "BCE per frame (nats)",
    "mse": "MSE per pixel",
    "mse_per_frame": "MSE per frame",
    "psnr": "PSNR (dB)",
    "psnr_of_mean_mse": "PSNR of the mean MSE (dB)",
    "ssim_tf": "SSIM (tf)",
    "ssim_skimage": "SSIM (skimage)",
    "ssim_openstl": "SSIM (openstl)",
}


def per_step_figure(per_step, path, num_inputs, metrics=("ssim_tf", "psnr", "mse_per_frame")):
    """Draws metrics against the time step like the paper's Figure 5; the floors are dashed.

    A floor that is nowhere near the others would press them together: it is left out.

    Args:
      per_step: {system: {metric: list over predicted steps}}.
      path: the PNG to write.
      num_inputs: T0; the first predicted frame is t = T0 + 1.
      metrics: one panel each.

    Raises:
      RunError: the file cannot be written.
    """
    per_step = {name: values for name, values in per_step.items() if _is_near(name, per_step)}
    figure = _figure(4.2 * len(metrics), 3.9)
    colors = system_colors(per_step)
    for panel, metric in zip(
        figure.subplots(1, len(metrics), squeeze=False)[0], metrics, strict=True
    ):
        for name, values in per_step.items():
            steps = num_inputs + 1 + np.arange(len(values[metric]))
            floor = name in _FLOOR_DASHES
            panel.plot(
                steps,
                values[metric],
                color=colors[name],
                label=LABELS.get(name, name),
                linestyle=_FLOOR_DASHES.get(name, "-"),
                linewidth=1.4 if floor else 2.2,
                marker=None if floor else "o",
                markersize=4,
            )
        _dress(panel, _METRIC_TITLES[metric], "time step t")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_below(figure, panel)
    _save(figure, path)


def _is_near(name, per_step):
    """False for a floor that is 6 dB of PSNR or more below some other system at every step."""
    if name not in _FLOOR_DASHES:
        return True
    best = np.max([values["psnr"] for values in per_step.values()], axis=0)
    return bool(np.any(best - per_step[name]["psnr"] < 6.0))


def validation_points(log_csv):
    """Reads the rows of a training log that hold validation figures.

    Args:
      log_csv: the log.csv of a workdir; a run that left none has no points.

    Returns:
      [{"step": ..., "seconds": ..., "sequences": ..., metric: ...}, ...], in order; with
      "cpu_seconds" where the log has it.

    Raises:
      UserError: the log cannot be read.
    """
    points = []
    for row in _read_rows(log_csv) if pathlib.Path(log_csv).exists() else []:
        point = {name: _number(row.get(name)) for name in _TIME_COLUMNS}
        if point["cpu_seconds"] is None:  # a run elsewhere does not count it
            del point["cpu_seconds"]
        scores = {
            name.removeprefix("validation/"): _number(value)
            for name, value in row.items()
            if name and name.startswith("validation/") and _number(value) is not None
        }
        if scores and None not in point.values():
            points.append(point | scores)
    return points


def validation_figure(runs, path, metrics=("bce", "mse_per_frame", "ssim_tf")):
    """Draws validation figures of several runs against the time and the sequences they cost.

    Args:
      runs: {label: what `validation_points` returned}, at least one point in all.
      path: the PNG to write.
      metrics: one row of panels each; one that no run has is left out.

    Raises:
      RunError: the file cannot be written.
    """
    seen = {name for points in runs.values() for point in points for name in point}
    metrics = [metric for metric in metrics if metric in seen]
    every = [point for points in runs.values() for point in points]
    # Other work on the machine does not lengthen the time of the processor cores.
    counted = all("cpu_seconds" in point for point in every)
    seconds, kind = ("cpu_seconds", "CPU time") if counted else ("seconds", "training")
    longest = max(point[seconds] for point in every)
    unit, length = ("minutes", 60) if longest < 3 * 3600 else ("hours", 3600)
    axes = {f"{unit} of {kind}": (seconds, length), "sequences seen": ("sequences", 1)}
    figure = _figure(8.4, 2.9 * len(metrics) + 0.4)
    panels = figure.subplots(len(metrics), len(axes), squeeze=False, sharey="row")
    for row, metric in zip(panels, metrics, strict=True):
        for panel, (title, (axis, scale)) in zip(row, axes.items(), strict=True):
            for label, color in system_colors(runs).items():
                points = [point for point in runs[label] if metric in point]
                panel.plot(
                    [point[axis] / scale for point in points],
                    [point[metric] for point in points],
                    "o-",
                    color=color,
                    label=label,
                    linewidth=1.8,
                    markersize=3.5,
                )
            _dress(panel, f"validation {_METRIC_TITLES[metric]}", title)
            panel.set_xlim(left=0)
            panel.xaxis.set_major_locator(MaxNLocator(5))  # numbers of six digits need the room
        if metric in _ERRORS:
            _spread(row[0], 5)
    _legend_below(figure, panel)
    _save(figure, path)


def training_curves(log_csv, path):
    """Draws the columns of a training log against its `step`.

    Columns `group/name` share the panel of their group, any other has a panel of its own, and so
    has each `validation/name`: they are in different units. `seconds`, `sequences`, and cells that
    hold no number are left out. A panel of positive values that differ by more than 30 times is
    logarithmic.

    Args:
      log_csv: a CSV file with a header and a column `step`.
      path: the PNG to write.

    Raises:
      UserError: the log cannot be read, has no `step` or no row with a number.
      RunError: the picture cannot be written.
    """
    columns = _read_log(log_csv)
    last_step = max(1, *(steps.max() for steps, _ in columns.values()))
    groups = {}
    for name in columns:
        prefix = name.split("/")[0]
        groups.setdefault(name if prefix == "validation" else prefix, []).append(name)
    num_columns = min(4 if len(groups) > 6 else 3, len(groups))
    num_rows = math.ceil(len(groups) / num_columns)
    figure = _figure(4.4 * num_columns, 3.1 * num_rows)
    panels = figure.subplots(num_rows, num_columns, squeeze=False).flat
    for panel, (group, names) in zip(panels, groups.items(), strict=False):
        for name, color in zip(names, itertools.cycle(_CURVE_COLORS), strict=False):
            _curve(panel, *columns[name], name.removeprefix(f"{group}/"), color)
        _spread(panel, 30)
        panel.set_xlim(0, last_step)
        _dress(panel, group, "step")
        if len(names) > 1:
            panel.legend(
                loc="upper center",
                bbox_to_anchor=(0.5, -0.2),
                ncols=min(4, len(names)),
                fontsize=8,
                frameon=False,
            )
    for panel in figure.axes[len(groups) :]:
        panel.axis("off")
    _save(figure, path)


def _read_log(path):
    """Reads {column: (steps, values)} of the numeric columns of a training log."""
    rows = _read_rows(path)
    if not rows or "step" not in rows[0]:
        raise UserError(f"{path} is no training log: it has no row with a step")
    columns = {}
    for name in rows[0]:
        points = [(_number(row["step"]), _number(row[name])) for row in rows]
        points = [point for point in points if None not in point]
        if name not in _TIME_COLUMNS and points:
            columns[name] = np.transpose(points)
    if not columns:
        raise UserError(f"{path} has no column of numbers to draw against step")
    return columns


def _read_rows(path):
    try:
        with pathlib.Path(path).open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except OSError as error:
        raise UserError(f"cannot read the training log {path}: {error.strerror}") from error


def _number(text):
    """Returns the number that a cell holds, or None: another kind of cell, or a line cut short."""
    try:
        return float(text)
    except (TypeError, ValueError):
        return None


def _curve(panel, steps, values, label, color):
    """Draws a curve; a long one faintly, with its moving average over 2% of the points above it."""
    window = len(values) // 50
    if window < 2:
        panel.plot(steps, values, ".-", color=color, linewidth=1.8, label=label)
        return
    panel.plot(steps, values, color=color, linewidth=0.6, alpha=0.3)
    smooth = np.convolve(values, np.full(window, 1 / window), "valid")
    panel.plot(steps[window - 1 :], smooth, color=color, linewidth=1.8, label=label)


def _figure(width, height):
    figure = Figure(figsize=(width, height), dpi=160, facecolor="white", layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    FigureCanvasAgg(figure)
    return figure


def _spread(panel, factor):
    """Makes the y axis logarithmic where positive values differ by more than `factor`."""
    values = np.concatenate([line.get_ydata() for line in panel.lines])
    if values.min() > 0 and values.max() > factor * values.min():
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(NullLocator())


def _legend_below(figure, panel):
    """Puts the legend of a panel under the figure, in as many columns as have room."""
    handles, labels = panel.get_legend_handles_labels()
    letters = max(map(len, labels)) + 7  # the line before a label is as long as 7 letters
    ncols = int(np.clip(12 * figure.get_figwidth() // letters, 1, len(labels)))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=ncols, fontsize=9, frameon=False
    )


def _dress(panel, title, x_label):
    panel.set_title(title, color=INK, fontsize=11, loc="left")
    panel.set_xlabel(x_label, color=INK, fontsize=9)
    panel.tick_params(colors=FAINT, labelcolor=INK, labelsize=9, length=3)
    panel.grid(color=RULE, linewidth=0.6)
    panel.set_axisbelow(True)
    for side, spine in panel.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)


def _save(figure, path):
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
