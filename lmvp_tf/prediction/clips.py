"""A user's own clip: reading it as the training data were read, and writing films.

Videos, GIFs and folders are read by `lmvp_tf/datasets/video_sources.py`, like those that a dataset
is built from; here are NumPy files and arrays, and what makes a clip unfit for a prediction.
"""

import contextlib
import itertools
import pathlib
import subprocess
import tempfile

import imageio_ffmpeg
import numpy as np
from absl import logging
from PIL import Image

from lmvp_tf.datasets import video_sources
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.files import atomic_path

OUTPUTS = (".gif", ".mp4", ".png", ".npy")
_ONE_COLOUR = 2 / 255  # what compression makes of one colour differs by so much


def read_clip(path, options, progress=lambda done, total: None):
    """Reads a video, a GIF, a folder of numbered frames, or an .npy file.

    Args:
      path: the file or folder. An .npy file holds what `prepare` takes.
      options: video_sources.FrameOptions.
      progress: called with the number of frames so far and the number expected.

    Returns:
      A video_sources.Clip of at least one frame; its frames are float32 in [0, 1] if they come from
      an .npy file.

    Raises:
      UserError: the clip is missing, empty, damaged, or does not fit the options.
    """
    path = pathlib.Path(path)
    if path.is_file() and not path.stat().st_size:
        raise UserError(f"{path}: the file is empty")
    if path.is_file() and path.suffix.lower() == ".npy":
        return _read_npy(path, options)
    clip = video_sources.read_clip(path, options, progress)
    if len(clip.gaps):
        logging.warning(
            "%s: the numbers of the frames leave %d gaps, the first before %d; the frames are "
            "taken as if nothing were missing",
            path,
            len(clip.gaps),
            clip.numbers[clip.gaps[0]],
        )
    return clip


def _read_npy(path, options):
    if options.fps is not None:
        raise UserError(f"{path}: has no frame rate to turn into --fps: use --stride instead")
    try:
        frames = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from error
    if not frames.ndim:
        raise UserError(f"{path}: holds a number and no frames")
    numbers = np.arange(0, len(frames), options.stride, dtype=np.int64)
    frames = prepare(frames[:: options.stride], options, path)
    return video_sources.Clip(path.name, 0.0, frames, numbers, gaps=np.zeros(0, np.int64))


def prepare(frames, options, name):
    """Crops, resamples by area and colours frames as the training data were.

    Frames of the right size and channels already stay as they are, others are rounded to uint8 on
    their way, like those of a dataset.

    Args:
      frames: [T, H, W] or [T, H, W, C], C = 1 or 3; uint8, or float in [0, 1].
      options: FrameOptions, of which size, crop and channels count.
      name: what to call the frames in errors.

    Returns:
      float32 [T, size, size, channels] in [0, 1].

    Raises:
      UserError: frames of another shape, type or range.
    """
    frames = np.asarray(frames)
    if frames.ndim == 3:
        frames = frames[..., None]
    if frames.ndim != 4 or frames.shape[-1] not in (1, 3):
        raise UserError(
            f"{name}: must be [T, H, W] or [T, H, W, C] with C = 1 or 3. Received: {frames.shape}"
        )
    if not frames.size:
        raise UserError(f"{name}: empty, of shape {frames.shape}")
    scale = 1 if frames.dtype == np.uint8 else _float_scale(frames, name)
    right = frames.shape[1:] == (options.size, options.size, options.channels)
    if right and isinstance(options.crop, str):
        return as_float(frames)
    prepared = [video_sources.prepare_picture(frame * scale, options, name) for frame in frames]
    return as_float(np.stack(prepared))


def _float_scale(frames, name):
    """255, after a look at floats that should be in [0, 1]; sums of float32 may be just outside."""
    if frames.dtype.kind != "f":
        raise UserError(f"{name}: must be uint8, or float in [0, 1]. Received: {frames.dtype}")
    low, high = float(frames.min()), float(frames.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # a NaN is not in the range either
        raise UserError(
            f"{name}: floats must be in [0, 1] (levels up to 255 may be uint8). "
            f"Received: {low:g} to {high:g}"
        )
    return 255


def as_float(frames):
    """uint8 levels, or floats in about [0, 1], as float32 in [0, 1]."""
    if frames.dtype == np.uint8:
        return np.float32(frames) / np.float32(255)
    return np.clip(np.float32(frames), 0, 1)


def check_contrast(frames, name):
    """Refuses frames [T, H, W, C], uint8 or float32, that are all one colour; `name` is plural.

    Raises:
      UserError: they are.
    """
    if np.ptp(as_float(frames), axis=(0, 1, 2)).max() <= _ONE_COLOUR:
        raise UserError(f"{name} are all one colour: there is nothing to predict from them")


def output_suffix(path):
    """The suffix of a file to write a prediction to, in small letters.

    Raises:
      UserError: it is none of `OUTPUTS`.
    """
    suffix = pathlib.Path(path).suffix.lower()
    if suffix not in OUTPUTS:
        raise UserError(f"{path}: the output ends in one of {', '.join(OUTPUTS)}")
    return suffix


def write_film(path, pictures, fps, count):
    """Writes a film whose last frame stays for a second more.

    Args:
      path: the .gif, which plays in a loop, or .mp4 to write.
      pictures: iterator of uint8 [H, W, 3], all of one size.
      fps: frames a second.
      count: how many pictures.

    Raises:
      RunError: the file cannot be written.
    """
    write = _write_mp4 if pathlib.Path(path).suffix.lower() == ".mp4" else _write_gif
    with atomic_path(path) as temporary:
        write(temporary, pictures, fps, count)


def _write_gif(path, pictures, fps, count):
    images = map(Image.fromarray, pictures)
    durations = [1000 / fps] * (count - 1) + [1000 / fps + 1000]
    next(images).save(path, save_all=True, append_images=images, duration=durations, loop=0)


def _write_mp4(path, pictures, fps, count):
    """Writes H.264 as every player knows it: even sizes, colours at half the resolution."""
    del count
    first = next(pictures)
    height, width = first.shape[:2]
    filters = f"pad={width + width % 2}:{height + height % 2}:color=white,tpad=stop_mode=clone"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo"]
    command += ["-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    command += ["-vf", f"{filters}:stop_duration=1", "-c:v", "libx264", "-crf", "16"]
    command += ["-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log)
        # A pipe breaks when ffmpeg ends too early, and then it has said why.
        with process, contextlib.suppress(BrokenPipeError):
            for picture in itertools.chain([first], pictures):
                process.stdin.write(np.ascontiguousarray(picture))
            process.stdin.close()
        log.seek(0)
        complaints = log.read().decode(errors="replace").splitlines()
    if process.returncode:
        raise RunError(
            f"ffmpeg could not write the film: {(complaints or ['no reason given'])[-1]}"
        )
