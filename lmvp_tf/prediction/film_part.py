"""The part of a user's film that predictions are made from, and compared with."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from absl import logging
from tqdm import tqdm

from lmvp_tf.errors import UserError
from lmvp_tf.films.film import Film, plural, rate_text, shown
from lmvp_tf.films.options import FrameOptions

_MOST_BYTES = 2**32  # of predictions, which are held in memory
_ONE_COLOUR = 2  # levels: what compression makes of one colour differs by so much
_SAME_RATE = 0.1  # two rates are alike if they differ by less than this share


@dataclasses.dataclass(frozen=True)
class FilmPart:
    """Frames of a film that follow each other, and where the windows in them start.

    Attributes:
      frames: uint8 [N, H, W, C].
      numbers: int64 [N], of the frames in the film.
      first: which of the kept frames of the film the first one is, from 0.
      total: how many frames of the film are kept.
      starts: int64 [P], where in `frames` each window's x_1 is.
    """

    frames: npt.NDArray[np.uint8]
    numbers: npt.NDArray[np.int64]
    first: int
    total: int
    starts: npt.NDArray[np.int64]


def read(
    film: Film,
    options: FrameOptions,
    num_inputs: int,
    horizon: int,
    start: int | None = None,
    every: bool = False,
) -> FilmPart:
    """Reads one window of a film and what came after it, or every window. Nothing else is decoded.

    Args:
      film: the Film.
      options: FrameOptions.
      num_inputs: T0, frames in a window.
      horizon: S, frames that are predicted after it.
      start: where the window starts, counted in kept frames, from the film's end if negative; None:
        it is the last one. With `every`: where the first window starts; None: at the beginning.
      every: whether to read all windows that follow, too.

    Raises:
      UserError: the film cannot be read, is too short, all one colour, or too long to hold all
        predictions in memory.
    """
    while True:
        total = film.count(options)
        starts = _starts(film, options, total, num_inputs, start, every)
        first, size = int(starts[0]), len(starts) * horizon * 4 * _frame_size(options)
        if size > _MOST_BYTES:
            advice = "a smaller --horizon"
            if len(starts) > 1:
                advice += ", a later --start, or a larger --stride"
            raise UserError(
                f"{shown(film.path)}: {plural(len(starts), 'window')} of {horizon} predictions: "
                f"{size / 2**30:.0f} GiB. Give {advice}"
            )
        count = int(starts[-1]) - first + num_inputs + horizon
        count = min(count, total - first)
        reading = film.frames(options, first, count)
        bar = tqdm(reading, "Reading", count, unit=" frames", delay=2, leave=False)
        frames = list(bar)
        if film.count(options) == total:  # else some are damaged, and others are the last ones
            break
    part = FilmPart(
        np.stack([frame.pixels for frame in frames]),
        np.array([frame.number for frame in frames], np.int64),
        first,
        total,
        starts - first,
    )
    _warn_of_gaps(film, [frame.number for frame in frames[1:] if frame.gap])
    _check_contrast(film, part.frames[: int(part.starts[-1]) + num_inputs], part.numbers)
    return part


def _frame_size(options: FrameOptions) -> int:
    return options.height * options.width * options.channels


def _starts(
    film: Film,
    options: FrameOptions,
    total: int,
    num_inputs: int,
    start: int | None,
    every: bool,
) -> npt.NDArray[np.int64]:
    """Where the windows start, counted in kept frames, [P]."""
    source, last = shown(film.path), total - num_inputs
    if last < 0:
        kept = f", of which {_pace(options)} keeps {total}" if total != film.num_frames else ""
        raise UserError(
            f"{source}: has {plural(film.num_frames or total, 'frame')}{kept}; the model reads "
            f"{num_inputs}: give a longer film"
        )
    if start is None:
        start = 0 if every else last
    first = start + total if start < 0 else start
    if not 0 <= first <= last:
        raise UserError(
            f"{source}: --start={start} leaves no {num_inputs} frames to read: it may be 0 to "
            f"{last}, or {-total} to {-num_inputs} from the end"
        )
    return np.arange(first, last + 1 if every else first + 1, dtype=np.int64)


def _pace(options: FrameOptions) -> str:
    return f"--stride={options.stride}" if options.fps is None else f"--fps={options.fps:g}"


def _warn_of_gaps(film: Film, numbers: list[int]) -> None:
    if numbers:
        logging.warning(
            "%s: frames are missing before number %d%s; the frames are taken as if nothing were",
            shown(film.path),
            numbers[0],
            f" and in {plural(len(numbers) - 1, 'other place')}" if len(numbers) > 1 else "",
        )


def _check_contrast(
    film: Film, frames: npt.NDArray[np.uint8], numbers: npt.NDArray[np.int64]
) -> None:
    """Refuses frames [T, H, W, C] that are all one colour."""
    if np.ptp(frames, axis=(0, 1, 2)).max() <= _ONE_COLOUR:
        raise UserError(
            f"{shown(film.path)}: frames {numbers[0]} to {numbers[len(frames) - 1]} are all one "
            "colour: there is nothing to predict from them"
        )


def suited(
    trained: FrameOptions,
    film: Film,
    crop: str | tuple[int, int, int, int] | None = None,
    stride: int | None = None,
    fps: float | None = None,
) -> FrameOptions:
    """What makes frames of a film as a model was trained on, as far as the film allows.

    Frames are taken as far apart in time as the training data's were, where that is known of both.

    Args:
      trained: how the training data were made of films.
      film: the Film.
      crop, stride, fps: what the user wants instead; None: nothing. At most one of stride and fps.
    """
    changes: dict[str, Any] = {} if crop is None else {"crop": crop}
    if stride is not None or fps is not None:
        changes |= {"stride": stride or 1, "fps": fps}
    elif trained.fps is not None:
        if not film.fps or trained.fps > film.fps * 1.001:
            changes |= {"stride": 1, "fps": None}  # as near as it comes to it; `described` says so
    elif trained.rate and film.fps:
        changes |= {"stride": max(1, round(film.fps / trained.rate))}
    return dataclasses.replace(trained, enlarge=True, **changes)


def described(
    film: Film, part: FilmPart, num_inputs: int, options: FrameOptions, trained: FrameOptions
) -> str:
    """What was read, and what was made of it where that is not plain, a line each.

    As "240 frames of 640x360 at 30 fps, RGB; input: frames 228, 230, ... 234".
    """
    windows = len(part.starts)
    end = int(part.starts[-1]) + num_inputs
    text = f"{film.describe()}; input: {_listed(part.numbers[:end])}"
    if windows > 1:
        text += f" in {windows} windows of {num_inputs}"
    return "\n".join([text, *_changes(film, options, trained)])


def _listed(numbers: npt.NDArray[np.int64]) -> str:
    """As "frames 3, 5, ... 21"."""
    if len(numbers) == 1:
        return f"frame {numbers[0]}"
    if len(numbers) <= 4:
        return f"frames {', '.join(map(str, numbers))}"
    return f"frames {numbers[0]}, {numbers[1]}, ... {numbers[-1]}"


def _changes(film: Film, options: FrameOptions, trained: FrameOptions) -> list[str]:
    """What the model sees otherwise than the user, a line each."""
    lines = []
    x, y, width, height = options.box(film.width, film.height, shown(film.path))
    size = f"{options.width}x{options.height}"
    if (width, height) != (film.width, film.height):
        lines.append(
            f"Of each frame the model sees {width}x{height} from x = {x}, y = {y}, as {size}: "
            "--crop chooses another part, --crop=none the whole, squeezed"
        )
    elif width * options.height != height * options.width and options.crop == "none":
        lines.append(f"Frames are squeezed from {film.width}x{film.height} to {size}")
    if film.channels > options.channels:
        lines.append("The colours are dropped: the model was trained on grey frames")
    rate, known = film.kept_fps(options), trained.fps or trained.rate
    if trained.fps and not rate:
        lines.append(f"The film has no frame rate; the training data had {rate_text(trained.fps)}")
    elif rate and known and abs(rate / known - 1) > _SAME_RATE:
        lines.append(
            f"The input has {rate_text(rate)}, the training data had {rate_text(known)}: "
            "things move at another speed than the model knows"
        )
    return lines
