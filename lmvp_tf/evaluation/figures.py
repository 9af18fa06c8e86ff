"""Pictures of predictions: the paper's Figures 2-4, the same as a film, and the systems' colours.

Frames are drawn pixel by pixel with Pillow: no display is needed.
"""

import functools
import importlib.util
import itertools
import math
import pathlib

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from lmvp_tf.files import atomic_path
from lmvp_tf.films.writer import write_film
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
    "input": INK,
    "lmvp": ACCENT,
    "dfn": "#2866b0",
    "conv_lstm": "#2d8a5f",
    "fpm": "#8a56ac",
    "flow": "#d98a1f",
    "last_frame": "#5d636b",
    "zeros": "#a3a9b1",
    "mean_image": "#8f7f6b",
}
_KEYS = {label: key for key, label in LABELS.items()}
SPARE_COLORS = ("#0f8b9d", "#b83b7e", "#6f8f1d", "#4b4fc4", "#a65a2a", "#5aa0d8")


def system_colors(names):
    """Gives each system its colour: a fixed one if it is known, else one in order of appearance.

    Known are the keys of `LABELS`, the labels, and the first name that goes on from a label: "LMVP
    small" is in LMVP's colour.
    """
    colors, spare = {}, itertools.cycle(SPARE_COLORS)
    for name in names:
        keys = (key for label, key in _KEYS.items() if f"{name} ".startswith(f"{label} "))
        color = _COLORS.get(next(keys, name))
        known = color and color not in colors.values()
        colors[name] = color if known else next(spare)
    return colors


def prediction_figure(inputs, truth, predictions, path, titles=(), smooth=False):
    """Draws examples like the paper's Figures 2-4: input and truth above, one row a system below.

    Under each predicted frame stands its PSNR in dB, as far as there is truth. Without any, a
    single system's predictions follow the inputs in the same row.

    Args:
      inputs: [N, T0, H, W, C] in [0, 1], C = 1 or 3.
      truth: [N, S', H, W, C]; S' < S where the predictions go on beyond the end of a video.
      predictions: {system: [N, S, H, W, C]}.
      path: the PNG to write.
      titles: a word or two on each example, or none at all.
      smooth: enlarge frames as a camera's, smoothly; False: each pixel becomes a square.

    Raises:
      RunError: the file cannot be written.
    """
    videos = np.concatenate([inputs, truth], axis=1)  # [N, T0 + S', H, W, C]
    num_examples, num_known, height, width = videos.shape[:4]
    num_inputs = np.shape(inputs)[1]
    length = num_inputs + max(frames.shape[1] for frames in predictions.values())  # T0 + S
    one_row = num_known == num_inputs and len(predictions) == 1
    # Whole, so that pixels stay square, and wide enough for a PSNR.
    scale = int(max(np.clip(2600 // (length * width), 1, 4), np.ceil(48 / width)))
    cell_w, cell_h, caption_h, gap = width * scale + 6, height * scale + 6, 28, 30
    margin, split, header_h = 28, 20, 84
    label_w = 0 if one_row else max(0, 200 - num_inputs * cell_w)  # names stand under the inputs
    lefts = [margin + label_w + t * cell_w + split * (t >= num_inputs) for t in range(length)]
    first_row = 0 if one_row else cell_h
    example_h = first_row + len(predictions) * (cell_h + caption_h)
    sheet = _Sheet(
        lefts[-1] + cell_w + margin - 6,
        2 * margin + header_h + num_examples * (example_h + gap) - gap - 10,
    )
    divider = lefts[num_inputs] - 13
    _time_header(sheet, lefts, num_inputs, num_known - num_inputs, margin, width * scale)
    for n, video in enumerate(videos):
        top = margin + header_h + n * (example_h + gap)
        sheet.vertical(divider, top, top + example_h - caption_h - 6, ACCENT)
        for x, frame in zip(lefts, video, strict=False):
            sheet.frame(x, top, frame, scale, smooth)
        if titles:
            sheet.text(lefts[0], top + cell_h + 14, titles[n], FAINT, 18)
        for i, (name, color) in enumerate(system_colors(predictions).items()):
            row = top + first_row + i * (cell_h + caption_h)
            if not one_row:
                label = LABELS.get(name, name)
                sheet.text(divider - 16, row + cell_h / 2, label, color, 24, "rm", bold=True)
            for s, frame in enumerate(predictions[name][n]):
                x = lefts[num_inputs + s]
                sheet.frame(x, row, frame, scale, smooth)
                if num_inputs + s < num_known:
                    score = f"{_frame_psnr(video[num_inputs + s], frame):.1f}"
                    sheet.text(x + width * scale / 2, row + cell_h + 7, score, FAINT, 18, "mm")
    sheet.save(path)


def _time_header(sheet, lefts, num_inputs, num_truth, top, frame_w):
    """Writes over each column its time step, and over each part what it is."""
    predicted = "truth, and predictions with PSNR in dB" if num_truth else "prediction"
    parts = {"input": lefts[:num_inputs], predicted: lefts[num_inputs:]}
    for title, columns in parts.items():
        half = _font(24, False).getlength(title) / 2
        center = min((columns[0] + columns[-1] + frame_w) / 2, sheet.image.width - half - 4)
        sheet.text(center, top + 12, title, size=24, anchor="mm")
    for t, x in enumerate(lefts, start=1):
        sheet.text(x + frame_w / 2, top + 56, "t = 1" if t == 1 else str(t), FAINT, 20, "mm")


def _frame_psnr(truth, prediction):
    return float(psnr(np.mean(np.square(np.float64(truth) - prediction))))


def film(inputs, truth, predictions, path, fps=5, first_step=1, smooth=False):
    """Writes a GIF or MP4 that plays truth and predictions side by side.

    Frames that every system was given have a grey border; from the first predicted frame on each
    panel has the border of its system, and the clock below turns to that colour. A single sequence
    has the PSNR of the shown frame under each prediction.

    Args:
      inputs: [N, T0, H, W, C] in [0, 1], C = 1 or 3; T0 may be 0.
      truth: [N, S', H, W, C]; S' < S where the predictions go on beyond the end of a video. Its
        panel is empty from there, or is not there at all where S' = 0.
      predictions: {system: [N, S, H, W, C]}.
      path: the .gif, which plays in a loop, or .mp4 to write.
      fps: frames a second; the last frame stays for a second more.
      first_step: the clock's t of the first frame.
      smooth: enlarge frames as a camera's, smoothly; False: each pixel becomes a square.

    Raises:
      RunError: the file cannot be written.
    """
    known = {"truth": truth} if np.shape(truth)[1] else {}
    panels = {
        name: np.concatenate([inputs, frames], axis=1)
        for name, frames in {**known, **predictions}.items()
    }
    num_inputs = np.shape(inputs)[1]
    length = max(frames.shape[1] for frames in panels.values())
    pictures = (
        _film_frame(panels, t, length, num_inputs, first_step, smooth) for t in range(length)
    )
    write_film(path, pictures, fps, length)


def _film_frame(panels, t, length, num_inputs, first_step, smooth):
    """Draws time step t (from 0) of all sequences: [height, width, 3] uint8."""
    num_sequences, _, height, width = next(iter(panels.values())).shape[:4]
    scale = max(1, round(192 / width))
    border, gap, margin, caption_h, clock_h = 5, 10, 24, 44, 54
    score_h = 34 if num_sequences == 1 and "truth" in panels else 0
    panel_w, panel_h = width * scale + 2 * border + gap, height * scale + 2 * border + gap
    group_w = len(panels) * panel_w + 30
    columns = max(1, min(num_sequences, round(math.sqrt(num_sequences * panel_h / group_w) * 1.3)))
    rows = math.ceil(num_sequences / columns)
    content_w = columns * group_w - 30 - gap
    sheet = _Sheet(
        2 * margin + max(content_w, 420),  # 420: room for the clock
        2 * margin + caption_h + rows * panel_h - gap + score_h + clock_h,
    )
    left = (sheet.image.width - content_w) // 2
    labels = {name: LABELS.get(name, name) for name in panels}
    letters = min(24, int(1.3 * panel_w / max(map(len, labels.values()))))  # long names: small ones
    for i, (name, color) in enumerate(system_colors(panels).items()):
        for n in range(num_sequences):
            x = left + (n % columns) * group_w + i * panel_w
            y = margin + caption_h + (n // columns) * panel_h
            center = x + (panel_w - gap) / 2
            if n < columns:
                sheet.text(center, margin + 14, labels[name], color, letters, "mm", bold=True)
            predicting = num_inputs <= t < panels[name].shape[1]
            sheet.box(x, y, panel_w - gap, panel_h - gap, color if predicting else RULE)
            _film_panel(sheet, x + border, y + border, panels[name][n], t, scale, smooth)
        if num_sequences == 1 and t >= num_inputs:
            sheet.text(center, y + panel_h + 8, _score(panels, name, t), color, 20, "mm")
    _clock(sheet, t, num_inputs, length, margin, first_step)
    return np.asarray(sheet.image)


def _film_panel(sheet, x, y, video, t, scale, smooth):
    """Draws frame t of a video [T, H, W, C], or that there is none any more."""
    if t < len(video):
        sheet.frame(x, y, video[t], scale, smooth)
        return
    height, width = video.shape[1] * scale, video.shape[2] * scale
    sheet.box(x, y, width, height, "white")
    sheet.text(x + width / 2, y + height / 2, "the film has ended", FAINT, 18, "mm")


def _score(panels, name, t):
    """The PSNR of a system's frame t, where there is one."""
    truth = panels.get("truth", panels[name][:, :0])
    if name == "truth" or t >= truth.shape[1]:
        return ""
    return f"PSNR {_frame_psnr(truth[0, t], panels[name][0, t]):.1f} dB"


def _clock(sheet, t, num_inputs, length, margin, first_step):
    """Draws the row of time steps under a film: done ones filled, predicted ones in colour."""
    y, text_w = sheet.image.height - margin - 22, 244
    step_w = (sheet.image.width - 2 * margin - text_w) / length
    box_w = step_w - 4 if step_w > 6 else math.ceil(step_w)  # many steps make one bar
    color = ACCENT if t >= num_inputs else FAINT
    word = "prediction" if t >= num_inputs else "input"
    sheet.text(margin, y + 8, f"{word}  t = {t + first_step}", color, 22, "lm", bold=True)
    for i in range(length):
        done = ACCENT if i >= num_inputs else FAINT
        sheet.box(margin + text_w + i * step_w, y, box_w, 16, done if i <= t else RULE)


class _Sheet:
    """A white picture to put frames and words on, in pixels from its top left corner."""

    def __init__(self, width, height):
        self.image = Image.new("RGB", (int(width), int(height)), "white")
        self._draw = ImageDraw.Draw(self.image)

    def frame(self, x, y, frame, scale, smooth):
        """Pastes a frame [H, W, C] in [0, 1], `scale` times as large."""
        pixels = np.uint8(np.round(np.clip(frame, 0, 1) * 255))
        image = Image.fromarray(np.broadcast_to(pixels, (*pixels.shape[:2], 3)).copy())
        method = Image.Resampling.BICUBIC if smooth else Image.Resampling.NEAREST
        self.image.paste(
            image.resize((image.width * scale, image.height * scale), method), (round(x), round(y))
        )

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
    # matplotlib ships DejaVu Sans, so that pictures look the same on every machine. It is not
    # imported for it: that takes a third of a second.
    package = importlib.util.find_spec("matplotlib").submodule_search_locations[0]
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(pathlib.Path(package, "mpl-data", "fonts", "ttf", name), size)
