"""Predicts how your own clip goes on, and compares it with how it went where the clip says that.

    python run_predict.py --workdir=runs/mm --input=clip.mp4 --output=out.gif

The input is a video, a GIF, a folder of numbered frames, or an .npy file ([T, H, W] or
[T, H, W, C], uint8 or float in [0, 1]). It is cropped, resized and made grey or RGB as the model's
training data were. The model is that of a workdir, an exported one (--saved_model, --tflite), or
one that comes with the repository (--pretrained).

It reads T0 frames: the last ones of the clip, or those from --start=N on. The suffix of --output
says what is written:

    .gif .mp4  a film: input, then the prediction beside what came, with the PSNR of each frame
    .png       the same as a strip of frames
    .npy       the S predicted frames, float32 [S, H, W, C] in [0, 1]

With --every it predicts from every window of T0 frames. The film then runs along the clip and shows
each frame, numbered from 0 as --start is, beside what was predicted for it 1 frame and S frames
before. The strip has windows from up to 6 places of the clip. The .npy file is [P, S, H, W, C]: one
row for each of the P = N - T0 + 1 windows of N frames, also where the clip ends before T0 + S.
"""

import dataclasses
import pathlib

from absl import flags
from tqdm import tqdm

from lmvp_tf import runtime
from lmvp_tf.errors import UserError

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a run, written by run_train.py.")
_SAVED_MODEL = flags.DEFINE_string(
    "saved_model", None, "Instead of --workdir: a SavedModel by run_export.py, as serving/lmvp/1."
)
_TFLITE = flags.DEFINE_string("tflite", None, "Instead of --workdir: a .tflite file.")
_PRETRAINED = flags.DEFINE_enum(
    "pretrained",
    None,
    ["moving_mnist", "highway"],
    "Instead of --workdir: the weights that come with the repository.",
)
_INPUT = flags.DEFINE_string("input", None, "A video, GIF, folder of numbered frames, or .npy.")
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
    "crop", "centre", "centre: the largest square; none: the whole picture, squeezed; or x,y,w,h"
)
_STRIDE = flags.DEFINE_integer(
    "stride",
    None,
    "Keep every so many-th frame. Left out: as the run's data.frame_stride says, with --workdir "
    "and --pretrained; every frame with an exported model.",
    1,
)
_FPS = flags.DEFINE_float("fps", None, "Keep so many frames per second instead.", 1e-3)
_PLAY_FPS = flags.DEFINE_float("play_fps", 5, "Frames per second of the film.", 1, 50)


def main(argv):
    """Flags -> predictor -> clip -> prediction -> file and table."""
    del argv
    options = _checked_options()
    # Takes seconds: not for --help or a wrong flag.
    runtime.import_tensorflow(onednn=False)
    from lmvp_tf.prediction import clip_prediction, clips

    predictor = _load()
    options = suited(options, predictor)
    with tqdm(desc="Reading", unit=" frames", delay=2, leave=False) as bar:
        clip = clips.read_clip(_INPUT.value, options, lambda done, _: bar.update(done - bar.n))
    result = clip_prediction.predict_clip(
        predictor,
        clips.as_float(clip.frames),
        _INPUT.value,
        _START.value,
        _EVERY.value,
        _HORIZON.value,
    )
    clip_prediction.write(result, _OUTPUT.value, _EVERY.value, _PLAY_FPS.value)
    print(clip_prediction.summary(result))
    print(f"Written to {_OUTPUT.value}")


def suited(options, predictor):
    """FrameOptions that give frames as the predictor was trained on; --stride has the last word."""
    stride = _STRIDE.value
    if stride is None:
        stride = predictor.config.data.frame_stride if predictor.config else 1
    return dataclasses.replace(
        options, size=predictor.size, channels=predictor.channels, stride=stride
    )


def _checked_options():
    """FrameOptions from the flags alone, after a look at all that costs no time."""
    from lmvp_tf.datasets.video_sources import FrameOptions, parse_crop
    from lmvp_tf.prediction import clips

    models = (_WORKDIR, _SAVED_MODEL, _TFLITE, _PRETRAINED)
    if sum(bool(flag.value) for flag in models) != 1:
        names = ", ".join(f"--{flag.name}" for flag in models)
        raise UserError(f"give one of {names}: the model to predict by")
    for flag in (_INPUT, _OUTPUT):
        if not flag.value:
            raise UserError(f"--{flag.name} is missing: {flags.FLAGS[flag.name].help}")
    clips.output_suffix(_OUTPUT.value)
    source, target = pathlib.Path(_INPUT.value), pathlib.Path(_OUTPUT.value)
    if not source.exists():
        raise UserError(f"{source}: no such file or folder")
    if source.resolve() == target.resolve():
        raise UserError(f"--output={target} would replace the input")
    if _FPS.value is not None and _STRIDE.value is not None:
        raise UserError("--fps and --stride exclude each other")
    crop = parse_crop(_CROP.value)
    return FrameOptions(crop=crop, fps=_FPS.value, enlarge=True)


def _load():
    from lmvp_tf.prediction import predictor

    if _SAVED_MODEL.value:
        return predictor.load_saved_model(_SAVED_MODEL.value)
    if _TFLITE.value:
        return predictor.load_tflite(_TFLITE.value)
    if _PRETRAINED.value:
        return predictor.load_pretrained(_PRETRAINED.value)
    return predictor.load_workdir(_WORKDIR.value)
