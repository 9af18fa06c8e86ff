"""What a model predicts from a user's film, compared with how the film goes on, and written."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from lmvp_tf import stopping
from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.draw.film import film
from lmvp_tf.evaluation.draw.prediction_figure import prediction_figure
from lmvp_tf.evaluation.labels import label
from lmvp_tf.files import atomic_path
from lmvp_tf.films.film import plural
from lmvp_tf.metrics.pixel_errors import psnr
from lmvp_tf.prediction import outputs
from lmvp_tf.prediction.film_part import FilmPart
from lmvp_tf.prediction.predictor import Frames, Predictor

_WINDOWS = 16  # predicted at a time
_EXAMPLES = 6  # windows in a picture


@dataclasses.dataclass(frozen=True)
class FilmPrediction:
    """Predictions from one window of T0 frames of a film, or from every one.

    Attributes:
      part: what was read of the film, a FilmPart of N frames and P windows.
      num_inputs: T0.
      predictions: float32 [P, S, H, W, C]; `predictions[p, s]` is of frame
        part.starts[p] + T0 + s of the part.
      name: of the model.
      smooth: whether pictures are enlarged smoothly.
    """

    part: FilmPart
    num_inputs: int
    predictions: Frames
    name: str
    smooth: bool = True

    @property
    def horizon(self) -> int:
        """S."""
        return self.predictions.shape[1]

    @property
    def places(self) -> npt.NDArray[np.int64]:
        """Where in the film each window starts, counted in kept frames from 0, [P]."""
        return self.part.first + self.part.starts

    def inputs(self, p: int) -> Frames:
        """x_1..x_T0 of window p, [T0, H, W, C] in [0, 1]."""
        start = self.part.starts[p]
        return _in_unit_range(self.part.frames[start : start + self.num_inputs])

    def truth(self, p: int) -> Frames:
        """How the film goes on after window p, [S', H, W, C]; S' < S where it ends before."""
        first = self.part.starts[p] + self.num_inputs
        return _in_unit_range(self.part.frames[first : first + self.horizon])

    def complete(self) -> npt.NDArray[np.int64]:
        """Indices of the windows after which the film goes on for S frames, [P']."""
        ends = self.part.starts + self.num_inputs + self.horizon
        return np.flatnonzero(ends <= len(self.part.frames))

    def psnr(self) -> npt.NDArray[np.float64]:
        """PSNR in dB of the predictions, and of x_T0 repeated; NaN where the film has ended.

        Returns:
          float64 [2, P, S].
        """
        scores = np.full((2, *self.predictions.shape[:2]), np.nan)
        for p, predicted in enumerate(self.predictions):
            truth = np.float64(self.truth(p))
            for score, frames in zip(scores, (predicted, self.inputs(p)[-1:]), strict=True):
                errors = truth - frames[: len(truth)]
                score[p, : len(truth)] = psnr(np.mean(np.square(errors), axis=(1, 2, 3)))
        return scores


def _in_unit_range(frames: npt.NDArray[np.uint8]) -> Frames:
    return np.float32(frames) / np.float32(255)


def predict_film(predictor: Predictor, part: FilmPart, horizon: int) -> FilmPrediction:
    """Predicts S = `horizon` frames from each window of a part of a film."""
    length, starts = predictor.num_inputs, part.starts
    predictions = np.empty((len(starts), horizon, *part.frames.shape[1:]), np.float32)
    with tqdm(total=len(starts), desc="Predicting", unit=" windows", leave=False, delay=5) as bar:
        for i in stopping.unless_asked(range(0, len(starts), _WINDOWS)):
            windows = [part.frames[s : s + length] for s in starts[i : i + _WINDOWS]]
            predictions[i : i + len(windows)] = predictor.predict(np.stack(windows), horizon)
            bar.update(len(windows))
    return FilmPrediction(part, length, predictions, predictor.name, predictor.smooth)


def write(
    prediction: FilmPrediction,
    path: str | os.PathLike[str],
    every: bool = False,
    fps: float = 5,
) -> None:
    """Writes a FilmPrediction in the format that the path's suffix says.

    Args:
      prediction: a FilmPrediction.
      path: ends in one of `outputs.SUFFIXES`. What it holds is said at the top of run_predict.py.
      every: whether the prediction is of every window.
      fps: frames per second of a film.

    Raises:
      UserError: another suffix; with `every`, a film or strip where no window has all its truth.
      RunError: the file cannot be written.
    """
    suffix = outputs.suffix(path)
    if suffix == ".npy":
        with atomic_path(path) as temporary:
            np.save(temporary, prediction.predictions if every else prediction.predictions[0])
    elif suffix == ".png":
        _write_strip(prediction, path, every)
    elif every:
        _write_film_along(prediction, path, fps)
    else:
        _write_film(prediction, path, fps)


def _write_strip(prediction: FilmPrediction, path: str | os.PathLike[str], every: bool) -> None:
    """One row of examples: the window, or a few that are spread over the film."""
    chosen, titles = np.array([0]), []
    if every:
        complete = _some_complete(prediction)
        picks = np.linspace(0, len(complete) - 1, min(_EXAMPLES, len(complete)))
        chosen = complete[np.rint(picks).astype(int)]
        titles = [f"from frame {start}" for start in prediction.places[chosen]]
    prediction_figure(
        np.stack([prediction.inputs(p) for p in chosen]),
        np.stack([prediction.truth(p) for p in chosen]),
        {prediction.name: prediction.predictions[chosen]},
        path,
        titles,
        prediction.smooth,
    )


def _write_film(prediction: FilmPrediction, path: str | os.PathLike[str], fps: float) -> None:
    """The window, then what came beside what was predicted."""
    inputs, truth = prediction.inputs(0)[None], prediction.truth(0)[None]
    panels = {prediction.name: prediction.predictions}
    if not truth.size:
        panels = {"input": truth, **panels}
    film(inputs, truth, panels, path, fps, smooth=prediction.smooth)


def _write_film_along(prediction: FilmPrediction, path: str | os.PathLike[str], fps: float) -> None:
    """Each frame of the film beside what was predicted for it 1 frame and S frames before."""
    complete, horizon = _some_complete(prediction), prediction.horizon
    panels = {"1 frame ahead": prediction.predictions[None, complete + horizon - 1, 0]}
    if horizon > 1:
        panels[f"{horizon} frames ahead"] = prediction.predictions[None, complete, -1]
    before = prediction.num_inputs + horizon - 1
    truth = _in_unit_range(prediction.part.frames[None, before:])
    film(truth[:, :0], truth, panels, path, fps, prediction.part.first + before, prediction.smooth)


def _some_complete(prediction: FilmPrediction) -> npt.NDArray[np.int64]:
    """`complete`, which may not be empty."""
    complete = prediction.complete()
    if not len(complete):
        wanted = prediction.num_inputs + prediction.horizon
        raise UserError(
            f"--every shows predictions beside the frames that came, {wanted} frames at least, and "
            f"there are {len(prediction.part.frames)}: give a smaller --horizon or "
            "an .npy as --output"
        )
    return complete


def summary(prediction: FilmPrediction) -> str:
    """A table of the PSNR by frames ahead, the mean over windows, or why there is none."""
    scores = prediction.psnr()
    counts = np.isfinite(scores[0]).sum(axis=0)  # [S]: the windows with truth so far ahead
    known = np.count_nonzero(counts)
    if not known:
        return f"No truth: the film ends with the last input frame{_hint(prediction)}"
    means = np.nanmean(scores[:, :, :known], axis=1)  # [2, S']
    rows = [[str(s), f"{a:.2f}", f"{b:.2f}"] for s, (a, b) in enumerate(means.T, start=1)]
    rows = [["ahead", label(prediction.name), "last frame"], *rows]
    if len(prediction.part.starts) > 1:
        rows = [[*row, str(n)] for row, n in zip(rows, ["windows", *counts], strict=False)]
    lines = ("".join(f"{cell:>12}" for cell in row) for row in rows)
    return "\n".join(["PSNR in dB by frames ahead:", *lines])


def _hint(prediction: FilmPrediction) -> str:
    """How to have some truth, where the film is long enough."""
    spare = min(prediction.part.total - prediction.num_inputs, prediction.horizon)
    if not spare:
        return "."
    return f"; --start={-prediction.num_inputs - spare} leaves {plural(spare, 'frame')} of it."
