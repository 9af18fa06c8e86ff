"""Pictures of predictions: the paper's Figures 2 to 4."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from lmvp_tf.evaluation.draw.colors import ACCENT, FAINT, system_colors
from lmvp_tf.evaluation.draw.sheet import Sheet, font, frame_psnr
from lmvp_tf.evaluation.labels import label

Frames = npt.NDArray[np.float32]  # [N, T, H, W, C]


def prediction_figure(
    inputs: Frames,
    truth: Frames,
    predictions: Mapping[str, Frames],
    path: str | os.PathLike[str],
    titles: Sequence[str] = (),
    smooth: bool = False,
) -> None:
    """Draws examples like the paper's Figures 2-4: input and truth above, one row a system below.

    Under each predicted frame stands its PSNR in dB, as far as there is truth. Without any, a
    single system's predictions follow the inputs in the same row.

    Args:
      inputs: [N, T0, H, W, C] in [0, 1], C = 1 or 3.
      truth: [N, S', H, W, C]; S' < S where the predictions go on beyond the end of a video.
      predictions: {system: [N, S, H, W, C]}.
      path: the PNG to write.
      titles: a word or two on each example, or none at all.
      smooth: enlarge frames smoothly.

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
    sheet = Sheet(
        lefts[-1] + cell_w + margin - 6,
        2 * margin + header_h + num_examples * (example_h + gap) - gap - 10,
        smooth,
    )
    divider = lefts[num_inputs] - 13
    _time_header(sheet, lefts, num_inputs, num_known - num_inputs, margin, width * scale)
    for n, video in enumerate(videos):
        top = margin + header_h + n * (example_h + gap)
        sheet.vertical(divider, top, top + example_h - caption_h - 6, ACCENT)
        for x, frame in zip(lefts, video, strict=False):
            sheet.frame(x, top, frame, scale)
        if titles:
            sheet.text(lefts[0], top + cell_h + 14, titles[n], FAINT, 18)
        for i, (name, color) in enumerate(system_colors(predictions).items()):
            row = top + first_row + i * (cell_h + caption_h)
            if not one_row:
                sheet.text(divider - 16, row + cell_h / 2, label(name), color, 24, "rm", bold=True)
            for s, frame in enumerate(predictions[name][n]):
                x = lefts[num_inputs + s]
                sheet.frame(x, row, frame, scale)
                if num_inputs + s < num_known:
                    score = f"{frame_psnr(video[num_inputs + s], frame):.1f}"
                    sheet.text(x + width * scale / 2, row + cell_h + 7, score, FAINT, 18, "mm")
    sheet.save(path)


def _time_header(
    sheet: Sheet, lefts: list[int], num_inputs: int, num_truth: int, top: int, frame_w: int
) -> None:
    """Writes over each column its time step, and over each part what it is."""
    predicted = "truth, and predictions with PSNR in dB" if num_truth else "prediction"
    parts = {"input": lefts[:num_inputs], predicted: lefts[num_inputs:]}
    for title, columns in parts.items():
        half = font(24, False).getlength(title) / 2
        center = min((columns[0] + columns[-1] + frame_w) / 2, sheet.image.width - half - 4)
        sheet.text(center, top + 12, title, size=24, anchor="mm")
    for t, x in enumerate(lefts, start=1):
        sheet.text(x + frame_w / 2, top + 56, "t = 1" if t == 1 else str(t), FAINT, 20, "mm")
