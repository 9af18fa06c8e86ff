"""Predicts how your own film goes on, and compares it with how it went where the film says that.

    python run_predict.py --workdir=runs/mm --input=film.mp4 --output=out.gif

The input is a film: a video, an animated GIF, a folder of numbered frames, or an array in an .npy
file ([T, H, W] or [T, H, W, C], uint8 or float in [0, 1]). Its frames are chosen, cropped, resized
and made grey or RGB as those of the model's training data were; --crop, --stride and --fps say
otherwise. A line says what was read. The model is that of a workdir, an exported one
(--saved_model, --tflite), or one that comes with the repository (--pretrained).

It reads T0 frames: the last ones of the film, or those from --start=N on. The suffix of --output
says what is written:

    .gif .mp4  a film: input, then the prediction beside what came, with the PSNR of each frame
    .png       the same as a strip of frames
    .npy       the S predicted frames, float32 [S, H, W, C] in [0, 1]

With --every it predicts from every window of T0 frames. The film that is written then runs along
yours and shows each frame, numbered from 0 as --start is, beside what was predicted for it 1 frame
and S frames before. The strip has windows from up to 6 places. The .npy file is [P, S, H, W, C]:
one row for each of the P = N - T0 + 1 windows of N frames, also where the film ends before T0 + S.
"""

from __future__ import annotations

import concurrent.futures
import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from absl import flags

from lmvp_tf import runtime
from lmvp_tf.commands import cli, film_flags
from lmvp_tf.errors import UserError
from lmvp_tf.prediction import outputs, pretrained

if TYPE_CHECKING:
    from lmvp_tf.films.film import Film
    from lmvp_tf.prediction.predictor import Predictor


_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run, written by run_train.py.")
_SAVED_MODEL = flags.DEFINE_string(
    "saved_model", None, "Instead of --workdir: a SavedModel by run_export.py, as serving/lmvp/1."
)
_TFLITE = flags.DEFINE_string("tflite", None, "Instead of --workdir: a .tflite file.")
_PRETRAINED = flags.DEFINE_enum(
    "pretrained",
    None,
    list(pretrained.PRETRAINED),
    "Instead of --workdir: the weights that come with the repository.",
)
_INPUT = flags.DEFINE_string("input", None, "A film: a video, animation, folder or array.")
_OUTPUT = flags.DEFINE_string("output", None, "What to write: .gif, .mp4, .png or .npy.")
_HORIZON = flags.DEFINE_integer(
    "horizon", None, "S, how many frames to predict; as many as in training when left out.", 1
)
_START = flags.DEFINE_integer(
    "start",
    None,
    "First input frame, counted from 0 after --stride or --fps, from the end if negative. Left "
    "out: the last T0 frames are the input; with --every: windows start at 0.",
)
_EVERY = flags.DEFINE_bool("every", False, "Predict from every window of T0 frames.")
_CROP = flags.DEFINE_string(
    "crop",
    None,
    "centre: the largest part of the model's aspect ratio; none: the whole picture, squeezed; or "
    "x,y,w,h. Left out: as the training data were.",
)
_STRIDE = flags.DEFINE_integer(
    "stride",
    None,
    "Keep every so many-th frame of the film. Left out: as the training data were.",
    1,
)
_FPS = flags.DEFINE_float("fps", None, "Keep so many frames per second instead.", 1e-3)
_PLAY_FPS = flags.DEFINE_float("play_fps", 5, "Frames per second of the film.", 1, 50)


def main(argv: Sequence[str]) -> None:
    """Flags -> predictor, and the film meanwhile -> prediction -> file and table."""
    del argv
    film_flags.set_limits()
    source, target = _checked_paths()
    from lmvp_tf.films.find import find_film

    film = find_film(source)
    # ffmpeg looks at the film in a process of its own, while TensorFlow is imported.
    with concurrent.futures.ThreadPoolExecutor(1) as aside:
        looked = aside.submit(film.describe)
        if not _TFLITE.value:
            runtime.import_tensorflow(training=False)
        looked.result()
    predictor = _load()
    _predict(predictor, film, target)


def _predict(predictor: Predictor, film: Film, target: pathlib.Path) -> None:
    """Predicts what the flags say, writes and prints it."""
    from lmvp_tf.films.options import parse_crop
    from lmvp_tf.prediction import film_part, film_prediction

    horizon = predictor.check_horizon(_HORIZON.value)
    crop = None if _CROP.value is None else parse_crop(_CROP.value)
    options = film_part.suited(predictor.options, film, crop, _STRIDE.value, _FPS.value)
    part = film_part.read(film, options, predictor.num_inputs, horizon, _START.value, _EVERY.value)
    print(film_part.described(film, part, predictor.num_inputs, options, predictor.options))
    result = film_prediction.predict_film(predictor, part, horizon)
    film_prediction.write(result, target, _EVERY.value, _PLAY_FPS.value)
    print(film_prediction.summary(result))
    print(f"Written to {target}")


def _checked_paths() -> tuple[pathlib.Path, pathlib.Path]:
    """The input and the output, after a look at all that can be seen to be wrong in no time."""
    from lmvp_tf.films.options import parse_crop

    models = (_WORKDIR, _SAVED_MODEL, _TFLITE, _PRETRAINED)
    if sum(bool(flag.value) for flag in models) != 1:
        names = ", ".join(f"--{flag.name}" for flag in models)
        raise UserError(f"give one of {names}: the model to predict by")
    for flag in (_INPUT, _OUTPUT):
        if not flag.value:
            raise UserError(f"--{flag.name} is missing: {flags.FLAGS[flag.name].help}")
    source, target = pathlib.Path(_INPUT.value or ""), pathlib.Path(_OUTPUT.value or "")
    outputs.check(target)
    if source.resolve() == target.resolve():
        raise UserError(f"--output={target} would replace the input")
    if _FPS.value is not None and _STRIDE.value is not None:
        raise UserError("--fps and --stride exclude each other")
    if _CROP.value is not None:
        parse_crop(_CROP.value)
    return source, target


def _load() -> Predictor:
    from lmvp_tf.prediction import loading

    chosen = {"workdir": _WORKDIR, "saved_model": _SAVED_MODEL, "tflite": _TFLITE}
    for kind, flag in chosen.items():
        if flag.value:
            return loading.load_kind(kind, flag.value)
    return loading.load(pretrained.find(_PRETRAINED.value or ""))


def run() -> None:
    """The program."""
    cli.run(main)
