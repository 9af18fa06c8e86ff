"""Films of predictions beside what came."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from lmvp_tf.evaluation.draw.colors import ACCENT, FAINT, RULE, system_colors
from lmvp_tf.evaluation.draw.sheet import Sheet, frame_psnr
from lmvp_tf.evaluation.labels import label
from lmvp_tf.films.writer import write_film

Frames = npt.NDArray[np.float32]  # [N, T, H, W, C]


def film(
    inputs: Frames,
    truth: Frames,
    predictions: Mapping[str, Frames],
    path: str | os.PathLike[str],
    fps: float = 5,
    first_step: int = 1,
    smooth: bool = False,
) -> None:
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
      smooth: enlarge frames smoothly.

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


def _film_frame(
    panels: Mapping[str, Frames],
    t: int,
    length: int,
    num_inputs: int,
    first_step: int,
    smooth: bool,
) -> npt.NDArray[np.uint8]:
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
    sheet = Sheet(
        2 * margin + max(content_w, 420),  # 420: room for the clock
        2 * margin + caption_h + rows * panel_h - gap + score_h + clock_h,
        smooth,
    )
    left = (sheet.image.width - content_w) // 2
    labels = {name: label(name) for name in panels}
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
            _film_panel(sheet, x + border, y + border, panels[name][n], t, scale)
        if num_sequences == 1 and t >= num_inputs:
            sheet.text(center, y + panel_h + 8, _score(panels, name, t), color, 20, "mm")
    _clock(sheet, t, num_inputs, length, margin, first_step)
    return np.asarray(sheet.image)


def _film_panel(sheet: Sheet, x: float, y: float, video: Frames, t: int, scale: int) -> None:
    """Draws frame t of a video [T, H, W, C], or that there is none any more."""
    if t < len(video):
        sheet.frame(x, y, video[t], scale)
        return
    height, width = video.shape[1] * scale, video.shape[2] * scale
    sheet.box(x, y, width, height, "white")
    sheet.text(x + width / 2, y + height / 2, "the film has ended", FAINT, 18, "mm")


def _score(panels: Mapping[str, Frames], name: str, t: int) -> str:
    """The PSNR of a system's frame t, where there is one."""
    truth = panels.get("truth", panels[name][:, :0])
    if name == "truth" or t >= truth.shape[1]:
        return ""
    return f"PSNR {frame_psnr(truth[0, t], panels[name][0, t]):.1f} dB"


def _clock(
    sheet: Sheet, t: int, num_inputs: int, length: int, margin: int, first_step: int
) -> None:
    """Draws the row of time steps under a film: done ones filled, predicted ones in colour."""
    y, text_w = sheet.image.height - margin - 22, 244
    step_w: float = (sheet.image.width - 2 * margin - text_w) / length
    box_w = step_w - 4 if step_w > 6 else math.ceil(step_w)  # many steps make one bar
    color = ACCENT if t >= num_inputs else FAINT
    word = "prediction" if t >= num_inputs else "input"
    sheet.text(margin, y + 8, f"{word}  t = {t + first_step}", color, 22, "lm", bold=True)
    for i in range(length):
        done = ACCENT if i >= num_inputs else FAINT
        sheet.box(margin + text_w + i * step_w, y, box_w, 16, done if i <= t else RULE)
