"""Curves of results: the paper's Figure 5, the log of a training run, validation of several runs.

Each is drawn on a matplotlib figure of its own (no pyplot): nothing is shared between calls and no
display is needed.
"""

from __future__ import annotations

import itertools
import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator

from lmvp_tf.evaluation.draw.colors import ACCENT, FAINT, INK, RULE, SPARE_COLORS, system_colors
from lmvp_tf.evaluation.labels import label
from lmvp_tf.evaluation.training_log import Points, read_columns
from lmvp_tf.files import atomic_path
from lmvp_tf.metrics.registry import METRICS

PerStep = Mapping[str, Mapping[str, Any]]  # {system: {metric: list over predicted steps, or None}}

_CURVE_COLORS = (ACCENT, "#2866b0", "#2d8a5f", "#d98a1f", "#8a56ac", *SPARE_COLORS)
_FLOOR_DASHES = {"last_frame": (0, (5, 2)), "zeros": (0, (1, 1.5)), "mean_image": (0, (5, 2, 1, 2))}


def per_step_figure(
    per_step: PerStep, path: pathlib.Path, num_inputs: int, metrics: Sequence[str]
) -> None:
    """Draws metrics against the time step like the paper's Figure 5; the floors are dashed.

    A floor that is nowhere near the others would press them together: it is left out.

    Args:
      per_step: the values.
      path: the PNG to write.
      num_inputs: T0; the first predicted frame is t = T0 + 1.
      metrics: one panel each; one that a system lacks is left out.

    Raises:
      RunError: the file cannot be written.
    """
    per_step = {name: values for name, values in per_step.items() if _is_near(name, per_step)}
    metrics = [m for m in metrics if all(values[m] is not None for values in per_step.values())]
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
                label=label(name),
                linestyle=_FLOOR_DASHES.get(name, "-"),
                linewidth=1.4 if floor else 2.2,
                marker=None if floor else "o",
                markersize=4,
            )
        _dress(panel, METRICS[metric].axis, "time step t")
        panel.xaxis.set_major_locator(MaxNLocator(integer=True))
    _legend_below(figure, panel)
    _save(figure, path)


def _is_near(name: str, per_step: PerStep) -> bool:
    """False for a floor that is 6 dB of PSNR or more below some other system at every step."""
    if name not in _FLOOR_DASHES:
        return True
    best = np.max([values["psnr"] for values in per_step.values()], axis=0)
    return bool(np.any(best - per_step[name]["psnr"] < 6.0))


def validation_figure(runs: Mapping[str, Points], path: pathlib.Path) -> None:
    """Draws validation values of several runs against the time and the sequences they cost.

    A row of panels for each metric that some run was validated by.

    Args:
      runs: {label: what `validation_points` returned}, at least one point in all.
      path: the PNG to write.

    Raises:
      RunError: the file cannot be written.
    """
    seen = {name for points in runs.values() for point in points for name in point}
    metrics = [metric for metric in METRICS if metric in seen]
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
            for name, color in system_colors(runs).items():
                points = [point for point in runs[name] if metric in point]
                panel.plot(
                    [point[axis] / scale for point in points],
                    [point[metric] for point in points],
                    "o-",
                    color=color,
                    label=name,
                    linewidth=1.8,
                    markersize=3.5,
                )
            _dress(panel, f"validation {METRICS[metric].axis}", title)
            panel.set_xlim(left=0)
            panel.xaxis.set_major_locator(MaxNLocator(5))  # numbers of six digits need the room
        if not METRICS[metric].higher_is_better:
            _spread(row[0], 5)
    _legend_below(figure, panel)
    _save(figure, path)


def training_curves(log_csv: pathlib.Path, path: pathlib.Path) -> None:
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
    columns = read_columns(log_csv)
    last_step = max(1, *(steps.max() for steps, _ in columns.values()))
    groups: dict[str, list[str]] = {}
    for name in columns:
        prefix = name.split("/")[0]
        groups.setdefault(name if prefix == "validation" else prefix, []).append(name)
    num_columns = min(4 if len(groups) > 6 else 3, len(groups))
    num_rows = math.ceil(len(groups) / num_columns)
    figure = _figure(4.4 * num_columns, 3.1 * num_rows)
    panels = figure.subplots(num_rows, num_columns, squeeze=False).flat
    for panel, (group, names) in zip(panels, groups.items(), strict=False):
        for name, color in zip(names, itertools.cycle(_CURVE_COLORS), strict=False):
            steps, values = columns[name]
            _curve(panel, steps, values, name.removeprefix(f"{group}/"), color)
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


def _curve(
    panel: Any,
    steps: npt.NDArray[np.float64],
    values: npt.NDArray[np.float64],
    label: str,
    color: str,
) -> None:
    """Draws a curve; a long one faintly, with its moving average over 2% of the points above it."""
    window = len(values) // 50
    if window < 2:
        panel.plot(steps, values, ".-", color=color, linewidth=1.8, label=label)
        return
    panel.plot(steps, values, color=color, linewidth=0.6, alpha=0.3)
    smooth = np.convolve(values, np.full(window, 1 / window), "valid")
    panel.plot(steps[window - 1 :], smooth, color=color, linewidth=1.8, label=label)


def _figure(width: float, height: float) -> Any:
    figure: Any = Figure(figsize=(width, height), dpi=160, facecolor="white", layout="constrained")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.12)
    FigureCanvasAgg(figure)
    return figure


def _spread(panel: Any, factor: float) -> None:
    """Makes the y axis logarithmic where positive values differ by more than `factor`."""
    values = np.concatenate([line.get_ydata() for line in panel.lines])
    if values.min() > 0 and values.max() > factor * values.min():
        panel.set_yscale("log")
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        panel.yaxis.set_major_formatter("{x:g}")
        panel.yaxis.set_minor_locator(NullLocator())


def _legend_below(figure: Any, panel: Any) -> None:
    """Puts the legend of a panel under the figure, in as many columns as have room."""
    handles, labels = panel.get_legend_handles_labels()
    letters = max(map(len, labels)) + 7  # the line before a label is as long as 7 letters
    ncols = int(np.clip(12 * figure.get_figwidth() // letters, 1, len(labels)))
    figure.legend(
        handles, labels, loc="outside lower center", ncols=ncols, fontsize=9, frameon=False
    )


def _dress(panel: Any, title: str, x_label: str) -> None:
    panel.set_title(title, color=INK, fontsize=11, loc="left")
    panel.set_xlabel(x_label, color=INK, fontsize=9)
    panel.tick_params(colors=FAINT, labelcolor=INK, labelsize=9, length=3)
    panel.grid(color=RULE, linewidth=0.6)
    panel.set_axisbelow(True)
    for side, spine in panel.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(FAINT)


def _save(figure: Any, path: pathlib.Path) -> None:
    with atomic_path(path) as temporary:
        figure.savefig(temporary)
