"""What a model predicts from a user's clip, compared with how the clip goes on, and written."""

import dataclasses

import numpy as np
from tqdm import tqdm

from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.figures import LABELS, film, prediction_figure
from lmvp_tf.files import atomic_path
from lmvp_tf.metrics import psnr
from lmvp_tf.prediction.clips import check_contrast, output_suffix

_WINDOWS = 16  # predicted at a time
_MOST_BYTES = 2**32  # of predictions, which are held in memory
_EXAMPLES = 6  # windows in a picture


@dataclasses.dataclass(frozen=True)
class ClipPrediction:
    """Predictions from one window of T0 frames of a clip, or from every one.

    Attributes:
      clip: the frames, float32 [N, H, W, C] in [0, 1].
      starts: int [P], where in the clip each window's x_1 is.
      num_inputs: T0.
      predictions: float32 [P, S, H, W, C]; `predictions[p, s]` is of frame starts[p] + T0 + s.
      name: of the model.
    """

    clip: np.ndarray
    starts: np.ndarray
    num_inputs: int
    predictions: np.ndarray
    name: str

    @property
    def horizon(self):
        """S."""
        return self.predictions.shape[1]

    def inputs(self, p):
        """x_1..x_T0 of window p, [T0, H, W, C]."""
        return self.clip[self.starts[p] : self.starts[p] + self.num_inputs]

    def truth(self, p):
        """How the clip goes on after window p, [S', H, W, C]; S' < S where it ends before."""
        first = self.starts[p] + self.num_inputs
        return self.clip[first : first + self.horizon]

    def complete(self):
        """Indices of the windows after which the clip goes on for S frames, [P']."""
        ends = self.starts + self.num_inputs + self.horizon
        return np.flatnonzero(ends <= len(self.clip))

    def psnr(self):
        """PSNR in dB of the predictions, and of x_T0 repeated; NaN where the clip has ended.

        Returns:
          Two float64 [P, S].
        """
        scores = np.full((2, *self.predictions.shape[:2]), np.nan)
        for p, predicted in enumerate(self.predictions):
            truth = np.float64(self.truth(p))
            for score, frames in zip(scores, (predicted, self.inputs(p)[-1:]), strict=True):
                errors = truth - frames[: len(truth)]
                score[p, : len(truth)] = psnr(np.mean(np.square(errors), axis=(1, 2, 3)))
        return scores


def predict_clip(predictor, clip, source, start=None, every=False, horizon=None):
    """Predicts from one window of a clip or from every one.

    Args:
      predictor: a Predictor.
      clip: float32 [N, H, W, C] in [0, 1], in the format of the predictor.
      source: what to call the clip in errors.
      start: where the window starts, counted from the clip's end if negative; None: it is the last
        one. With `every`: where the first window starts; None: at the beginning.
      every: whether to predict from all windows that follow, too.
      horizon: S; None: the predictor's own.

    Returns:
      A ClipPrediction.

    Raises:
      UserError: the clip is too short, all one colour, or too long to hold all predictions.
    """
    horizon, length = predictor.check_horizon(horizon), predictor.num_inputs
    starts = _starts(len(clip), length, source, start, every)
    end = starts[-1] + length
    check_contrast(clip[starts[0] : end], f"{source}: frames {starts[0]} to {end - 1}")
    size = len(starts) * horizon * clip[0].nbytes
    if size > _MOST_BYTES:
        raise UserError(
            f"{source}: {len(starts)} windows of {horizon} predictions are {size / 2**30:.0f} GiB: "
            "shorten the clip by --stride, --fps or --start"
        )
    predictions = np.empty((len(starts), horizon, *clip.shape[1:]), np.float32)
    with tqdm(total=len(starts), desc="Predicting", unit=" windows", leave=False, delay=5) as bar:
        for i in range(0, len(starts), _WINDOWS):
            windows = [clip[s : s + length] for s in starts[i : i + _WINDOWS]]
            predictions[i : i + len(windows)] = predictor.predict(np.stack(windows), horizon)
            bar.update(len(windows))
    return ClipPrediction(clip, starts, length, predictions, predictor.name)


def _starts(num_frames, length, source, start, every):
    """Where the windows of `length` frames start, int [P]."""
    last = num_frames - length
    if last < 0:
        raise UserError(
            f"{source}: has {num_frames} frames (--stride and --fps leave out some), the model "
            f"reads {length}: give a longer clip"
        )
    if start is None:
        start = 0 if every else last
    first = start + num_frames if start < 0 else start
    if not 0 <= first <= last:
        raise UserError(
            f"{source}: --start={start} leaves no {length} frames to read: it may be 0 to {last}, "
            f"or {-num_frames} to {-length} from the end"
        )
    return np.arange(first, last + 1 if every else first + 1)


def write(prediction, path, every=False, fps=5):
    """Writes a ClipPrediction in the format that the path's suffix says.

    Args:
      prediction: a ClipPrediction.
      path: one of `clips.OUTPUTS`. What it holds is said at the top of run_predict.py.
      every: whether the prediction is of every window.
      fps: frames per second of a film.

    Raises:
      UserError: another suffix; with `every`, a film or strip where no window has all its truth.
      RunError: the file cannot be written.
    """
    suffix = output_suffix(path)
    if suffix == ".npy":
        with atomic_path(path) as temporary:
            np.save(temporary, prediction.predictions if every else prediction.predictions[0])
    elif suffix == ".png":
        _write_strip(prediction, path, every)
    elif every:
        _write_film_along(prediction, path, fps)
    else:
        inputs, truth = prediction.inputs(0)[None], prediction.truth(0)[None]
        film(inputs, truth, {prediction.name: prediction.predictions}, path, fps)


def _write_strip(prediction, path, every):
    """One row of examples: the window, or a few that are spread over the clip."""
    chosen, titles = np.array([0]), ()
    if every:
        complete = _some_complete(prediction)
        picks = np.linspace(0, len(complete) - 1, min(_EXAMPLES, len(complete)))
        chosen = complete[np.rint(picks).astype(int)]
        titles = [f"from frame {start}" for start in prediction.starts[chosen]]
    prediction_figure(
        np.stack([prediction.inputs(p) for p in chosen]),
        np.stack([prediction.truth(p) for p in chosen]),
        {prediction.name: prediction.predictions[chosen]},
        path,
        titles,
    )


def _write_film_along(prediction, path, fps):
    """Each frame of the clip beside what was predicted for it 1 frame and S frames before."""
    complete, horizon = _some_complete(prediction), prediction.horizon
    panels = {"1 frame ahead": prediction.predictions[None, complete + horizon - 1, 0]}
    if horizon > 1:
        panels[f"{horizon} frames ahead"] = prediction.predictions[None, complete, -1]
    first = prediction.starts[0] + prediction.num_inputs + horizon - 1
    truth = prediction.clip[None, first:]
    film(truth[:, :0], truth, panels, path, fps, first_step=first)


def _some_complete(prediction):
    complete = prediction.complete()
    if not len(complete):
        wanted = prediction.num_inputs + prediction.horizon
        raise UserError(
            f"--every shows predictions beside the frames that came, {wanted} frames at least, and "
            f"there are {len(prediction.clip) - prediction.starts[0]}: give a smaller --horizon or "
            "an .npy as --output"
        )
    return complete


def summary(prediction):
    """A table of the PSNR by frames ahead, the mean over windows, or why there is none."""
    scores = prediction.psnr()
    counts = np.isfinite(scores[0]).sum(axis=0)  # [S]: the windows with truth so far ahead
    known = np.count_nonzero(counts)
    if not known:
        return f"No truth: the clip ends with the last input frame{_hint(prediction)}"
    means = np.nanmean(scores[:, :, :known], axis=1)  # [2, S']
    rows = [[str(s), f"{a:.2f}", f"{b:.2f}"] for s, (a, b) in enumerate(means.T, start=1)]
    rows = [["ahead", LABELS.get(prediction.name, prediction.name), "last frame"], *rows]
    if len(prediction.starts) > 1:
        rows = [[*row, str(n)] for row, n in zip(rows, ["windows", *counts], strict=False)]
    lines = ("".join(f"{cell:>12}" for cell in row) for row in rows)
    return "\n".join(["PSNR in dB by frames ahead:", *lines])


def _hint(prediction):
    """How to have some truth, where the clip is long enough."""
    spare = min(len(prediction.clip) - prediction.num_inputs, prediction.horizon)
    if not spare:
        return "."
    start = -prediction.num_inputs - spare
    return f"; --start={start} leaves {spare} frame{'s' * (spare > 1)} of it."
