"""Pictures of results: the paper's Figures 2-5, films of predictions, and training curves.

Frames are drawn pixel by pixel with Pillow, curves on matplotlib figures of their own (no pyplot):
nothing is shared between calls and no display is needed.
"""

import csv
import functools
import itertools
import math
import pathlib

import imageio.v3 as imageio
import numpy as np
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from PIL import Image, ImageDraw, ImageFont

from lmvp_tf.errors import UserError
from lmvp_tf.files import atomic_path
from lmvp_tf.metrics import psnr

INK, FAINT, RULE, ACCENT = "#22252a", "#858b94", "#d7dade", "#d1382c"
LABELS = {
    "truth": "ground truth",
    "lmvp": "LMVP",
    "dfn": "DFN",
    "conv_lstm": "ConvLSTM",
    "fpm": "FPM",
    "flow": "optical flow",
    "last_frame": "last frame",
    "zeros": "zeros",
    "mean_image": "mean image",
}
_COLORS = {
    "truth": INK,
    "lmvp": ACCENT,
    "dfn": "#2866b0",
    "conv_lstm": "#2d8a5f",
    "fpm": "#8a56ac",
    "flow": "#d98a1f",
    "last_frame": "#5d636b",
    "zeros": "#a3a9b1",
    "mean_image": "#8f7f6b",
}
_SPARE_COLORS = ("#0f8b9d", "#b83b7e", "#6f8f1d", "#4b4fc4", "#a65a2a", "#5aa0d8")
_CURVE_COLORS = (ACCENT, "#2866b0", "#2d8a5f", "#d98a1f", "#8a56ac", *_SPARE_COLORS)
_TIME_COLUMNS = ("step", "seconds", "sequences")
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


def system_colors(names):
    """Gives each system its colour: a fixed one if it is known, else one in order of appearance."""
    unknown = [name for name in names if name not in _COLORS]
    spare = {name: _SPARE_COLORS[i % len(_SPARE_COLORS)] for i, name in enumerate(unknown)}
    return {name: _COLORS.get(name) or spare[name] for name in names}


def prediction_figure(inputs, truth, predictions, path):
    """Draws examples like the paper's Figures 2-4: input and truth above, one row a system below.

    Under each predicted frame stands its PSNR in dB.

    Args:
      inputs: [N, T0, H, W, C] in [0, 1], C = 1 or 3.
      truth: [N, S, H, W, C].
      predictions: {system: [N, S, H, W, C]}.
      path: the PNG to write.

    Raises:
      RunError: the file cannot be written.
    """
    videos = np.concatenate([inputs, truth], axis=1)  # [N, T, H, W, C]
    num_examples, length, height, width = videos.shape[:4]
    num_inputs = length - np.shape(truth)[1]
    scale = int(np.clip(2600 // (length * width), 1, 4))  # whole, so that pixels stay square
    cell_w, cell_h, caption_h, gap = width * scale + 6, height * scale + 6, 28, 30
    margin, split, header_h = 28, 20, 84
    label_w = max(0, 200 - num_inputs * cell_w)  # names stand where the inputs leave room
    lefts = [margin + label_w + t * cell_w + split * (t >= num_inputs) for t in range(length)]
    example_h = cell_h + len(predictions) * (cell_h + caption_h)
    sheet = _Sheet(
        lefts[-1] + cell_w + margin - 6,
        2 * margin + header_h + num_examples * (example_h + gap) - gap - 10,
    )
    _time_header(sheet, lefts, num_inputs, margin, width * scale)
    for n, video in enumerate(videos):
        top = margin + header_h + n * (example_h + gap)
        divider = lefts[num_inputs] - 13
        sheet.vertical(divider, top, top + example_h - caption_h - 6, ACCENT)
        for x, frame in zip(lefts, video, strict=True):
            sheet.frame(x, top, frame, scale)
        for i, (name, color) in enumerate(system_colors(predictions).items()):
            row = top + cell_h + i * (cell_h + caption_h)
            label = LABELS.get(name, name)
            sheet.text(divider - 16, row + cell_h / 2, label, color, 24, "rm", bold=True)
            pairs = zip(predictions[name][n], truth[n], strict=True)
            for x, (frame, target) in zip(lefts[num_inputs:], pairs, strict=True):
                sheet.frame(x, row, frame, scale)
                score = f"{_frame_psnr(target, frame):.1f}"
                sheet.text(x + width * scale / 2, row + cell_h + 7, score, FAINT, 18, "mm")
    sheet.save(path)


def _time_header(sheet, lefts, num_inputs, top, frame_w):
    """Writes over each column its time step, and over each part what it is."""
    parts = {
        "input": lefts[:num_inputs],
        "truth, and predictions with PSNR in dB": lefts[num_inputs:],
    }
    for title, columns in parts.items():
        center = (columns[0] + columns[-1] + frame_w) / 2
        sheet.text(center, top + 12, title, size=24, anchor="mm")
    for t, x in enumerate(lefts, start=1):
        sheet.text(x + frame_w / 2, top + 56, "t = 1" if t == 1 else str(t), FAINT, 20, "mm")


def _frame_psnr(truth, prediction):
    return float(psnr(np.mean(np.square(np.float64(truth) - prediction))))


def film(inputs, truth, predictions, path, fps=5):
    """Writes a GIF that plays truth and predictions side by side, in a loop.

    Frames that every system was given have a grey border; from the first predicted frame on each
    panel has the border of its system, and the clock below turns to that colour.

    Args:
      inputs: [N, T0, H, W, C] in [0, 1], C = 1 or 3.
      truth: [N, S, H, W, C].
      predictions: {system: [N, S, H, W, C]}.
      path: the GIF to write.
      fps: frames a second; the last frame stays for a second more.

    Raises:
      RunError: the file cannot be written.
    """
    panels = {
        name: np.concatenate([inputs, frames], axis=1)
        for name, frames in {"truth": truth, **predictions}.items()
    }
    length = panels["truth"].shape[1]
    pictures = [_film_frame(panels, t, np.shape(inputs)[1]) for t in range(length)]
    durations = [1000 / fps] * (length - 1) + [1000 / fps + 1000]
    with atomic_path(path) as temporary:
        imageio.imwrite(temporary, pictures, plugin="pillow", duration=durations, loop=0)


def _film_frame(panels, t, num_inputs):
    """Draws time step t (from 0) of all sequences: [height, width, 3] uint8."""
    num_sequences, length, height, width = panels["truth"].shape[:4]
    scale = max(1, round(192 / width))
    border, gap, margin, caption_h, clock_h = 5, 10, 24, 44, 54
    panel_w, panel_h = width * scale + 2 * border + gap, height * scale + 2 * border + gap
    group_w = len(panels) * panel_w + 30
    columns = max(1, min(num_sequences, round(math.sqrt(num_sequences * panel_h / group_w) * 1.3)))
    rows = math.ceil(num_sequences / columns)
    sheet = _Sheet(
        2 * margin + columns * group_w - 30 - gap,
        2 * margin + caption_h + rows * panel_h - gap + clock_h,
    )
    predicting = t >= num_inputs
    for i, (name, color) in enumerate(system_colors(panels).items()):
        for n in range(num_sequences):
            x = margin + (n % columns) * group_w + i * panel_w
            y = margin + caption_h + (n // columns) * panel_h
            if n < columns:
                label = LABELS.get(name, name)
                size = min(24, int(1.5 * panel_w / len(label)))  # a long name gets small letters
                center = x + (panel_w - gap) / 2
                sheet.text(center, margin + 14, label, color, size, "mm", bold=True)
            sheet.box(x, y, panel_w - gap, panel_h - gap, color if predicting else RULE)
            sheet.frame(x + border, y + border, panels[name][n, t], scale)
    _clock(sheet, t, num_inputs, length, margin)
    return np.asarray(sheet.image)


def _clock(sheet, t, num_inputs, length, margin):
    """Draws the row of time steps under a film: done ones filled, predicted ones in colour."""
    y, text_w = sheet.image.height - margin - 22, 244
    step_w = (sheet.image.width - 2 * margin - text_w) / length
    color = ACCENT if t >= num_inputs else FAINT
    word = "prediction" if t >= num_inputs else "input"
    sheet.text(margin, y + 8, f"{word}  t = {t + 1}", color, 22, "lm", bold=True)
    for i in range(length):
        done = ACCENT if i >= num_inputs else FAINT
        sheet.box(margin + text_w + i * step_w, y, max(2, step_w - 4), 16, done if i <= t else RULE)


class _Sheet:
    """A white picture to put frames and words on, in pixels from its top left corner."""

    def __init__(self, width, height):
        self.image = Image.new("RGB", (int(width), int(height)), "white")
        self._draw = ImageDraw.Draw(self.image)

    def frame(self, x, y, frame, scale):
        """Pastes a frame [H, W, C] in [0, 1], each pixel as a square of `scale` pixels."""
        pixels = np.uint8(np.round(np.clip(frame, 0, 1) * 255))
        pixels = np.broadcast_to(pixels, (*pixels.shape[:2], 3))
        pixels = pixels.repeat(scale, axis=0).repeat(scale, axis=1)
        self.image.paste(Image.fromarray(pixels), (round(x), round(y)))

    def text(self, x, y, text, color=INK, size=22, anchor="lm", bold=False):
        self._draw.text((x, y), text, fill=color, font=_font(size, bold), anchor=anchor)

    def box(self, x, y, width, height, color):
        self._draw.rectangle((round(x), round(y), round(x + width) - 1, y + height - 1), color)

    def vertical(self, x, top, bottom, color):
        self._draw.line((x, top, x, bottom), color, width=3)

    def save(self, path):
        with atomic_path(path) as temporary:
            self.image.save(temporary)


@functools.cache
def _font(size, bold):
    # matplotlib ships DejaVu Sans, so that pictures look the same on every machine.
    weight = "bold" if bold else "normal"
    path = font_manager.findfont(font_manager.FontProperties(family="DejaVu Sans", weight=weight))
    return ImageFont.truetype(path, size)


def per_step_figure(per_step, path, num_inputs, metrics=("ssim_tf", "psnr", "mse_per_frame")):
    """Draws metrics against the time step like the paper's Figure 5; the floors are dashed.

    Args:
      per_step: {system: {metric: list over predicted steps}}.
      path: the PNG to write.
      num_inputs: T0; the first predicted frame is t = T0 + 1.
      metrics: one panel each.

    Raises:
      RunError: the file cannot be written.
    """
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
    handles, labels = panel.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False)
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
        values = np.concatenate([columns[name][1] for name in names])
        if values.min() > 0 and values.max() > 30 * values.min():
            panel.set_yscale("log")
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
    try:
        with pathlib.Path(path).open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise UserError(f"cannot read the training log {path}: {error.strerror}") from error
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
