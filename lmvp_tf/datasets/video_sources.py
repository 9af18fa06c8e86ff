"""Clips from video files, folders of numbered frames, and the DFN authors' HDF5 files.

Whatever the source, a picture is cropped, resampled by area and, for grey, turned into luminance:
each output pixel is the mean of the piece of the picture that it covers, rounded to uint8.

Videos are decoded by the ffmpeg program that imageio-ffmpeg ships: it also crops and scales, beside
the decoder, which costs next to nothing. PyAV is as fast, but its releases drop Python versions
that TensorFlow still has, and it leaves the rotation that phones store to the caller.
"""

import collections
import dataclasses
import fractions
import pathlib
import re
import subprocess
import tempfile

import h5py
import imageio_ffmpeg
import numpy as np
from absl import logging
from PIL import Image

from lmvp_tf.errors import UserError

HDF5_DATASET = "highway_L"  # uint8 or float, [N, C, W, H]
_HDF5_SUFFIXES = {".h5", ".hdf5", ".hdf"}
_PICTURE_SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}
_BLOCK = 256  # frames read from HDF5 at a time


@dataclasses.dataclass(frozen=True)
class FrameOptions:
    """Which frames of a source are kept, and what is made of them.

    Attributes:
      size: H = W of the frames, pixels.
      crop: "centre" (the largest square in the middle), "none" (the whole picture, squeezed into a
        square), or (x, y, width, height) in pixels of the picture.
      channels: 1 for luminance by ITU-R BT.601, 3 for RGB.
      stride: keep every stride-th frame.
      fps: keep so many frames per second instead, by dropping frames; None: use `stride`.
      enlarge: take pictures that are smaller than `size` too, which a dataset should not hold. The
        pixels of a video are then interpolated, those of other sources repeated.
    """

    size: int = 64
    crop: str | tuple[int, int, int, int] = "centre"
    channels: int = 1
    stride: int = 1
    fps: float | None = None
    enlarge: bool = False


@dataclasses.dataclass(frozen=True)
class Clip:
    """The kept frames of one source.

    Attributes:
      source: name of the file or folder.
      fps: kept frames per second; 0 where the source does not say.
      frames: uint8 [N, H, W, C].
      numbers: int64 [N], the frame's number in the source: counted from 0 in videos and HDF5, the
        number in the file's name in folders.
      gaps: int64 [G], positions i such that frames are missing in the source between i-1 and i.
    """

    source: str
    fps: float
    frames: np.ndarray
    numbers: np.ndarray
    gaps: np.ndarray


def parse_crop(text):
    """A --crop flag as FrameOptions want it.

    Raises:
      UserError: it is neither a word that they know nor four numbers.
    """
    if text in ("centre", "none"):
        return text
    if not re.fullmatch(r"\d+,\d+,\d+,\d+", text):
        raise UserError(f"--crop is centre, none or x,y,w,h in pixels. Received: {text!r}")
    return tuple(int(number) for number in text.split(","))


def read_clip(path, options, progress=lambda done, total: None):
    """Reads a video file, a folder of numbered frames, or a DFN HDF5 file.

    Args:
      path: the file or folder.
      options: FrameOptions.
      progress: called with the number of frames so far and the number expected.

    Returns:
      A Clip of at least one frame.

    Raises:
      UserError: the source is missing, of no known kind, damaged, or does not fit the options.
    """
    path = pathlib.Path(path)
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    read = _read_video
    if path.is_dir():
        read = _read_folder
    elif path.suffix.lower() in _HDF5_SUFFIXES:
        read = _read_hdf5
    try:
        return read(path, options, progress)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error})") from error


def kept_numbers(count, ratio):
    """Numbers of the first `count` kept frames: the first at or after k / ratio, for k = 0, 1, ...

    Args:
      count: how many.
      ratio: kept frames per frame of the source, a Fraction of at most 1.

    Returns:
      int64 [count], source frames counted from 0.
    """
    return -(-np.arange(count, dtype=np.int64) * ratio.denominator // ratio.numerator)


def _kept_of(frames, ratio):
    """The numbers of all frames that are kept of a source with so many frames."""
    return kept_numbers(int((frames - 1) * ratio) + 1, ratio)


def area_weights(source, target):
    """float32 [target, source]: row i averages what lies under output pixel i, edges in part."""
    edges = np.arange(target + 1) * source / target
    pixels = np.arange(source)
    covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.clip(covered, 0, 1) * target / source).astype(np.float32)


def luminance(rgb):
    """BT.601 luminance, 0.299 R + 0.587 G + 0.114 B, of uint8 [..., 3] as uint8 [..., 1]."""
    weights = np.array([19595, 38470, 7471], np.uint32)  # in 1/65536, so that it is exact
    return ((rgb @ weights + 32768) >> 16).astype(np.uint8)[..., None]


def prepare_picture(picture, options, path):
    """Crops, resamples and colours one picture.

    Args:
      picture: uint8 or float (0 to 255) [H, W, C], C = 1 or 3.
      options: FrameOptions.
      path: named in errors.

    Returns:
      uint8 [size, size, channels].
    """
    height, width, channels = picture.shape
    x, y, w, h = _crop_box(options, width, height, path)
    rows, columns = area_weights(h, options.size), area_weights(w, options.size)
    part = picture[y : y + h, x : x + w].astype(np.float32)
    planes = [rows @ part[..., c] @ columns.T for c in range(channels)]
    pixels = np.rint(np.stack(planes, axis=-1)).clip(0, 255).astype(np.uint8)
    if channels == options.channels:
        return pixels
    return luminance(pixels) if options.channels == 1 else np.repeat(pixels, 3, axis=-1)


def _crop_box(options, width, height, path):
    """The crop as (x, y, w, h), checked against the picture's size."""
    if options.crop == "none":
        x, y, w, h = 0, 0, width, height
    elif options.crop == "centre":
        w = h = min(width, height)
        x, y = (width - w) // 2, (height - h) // 2
    else:
        x, y, w, h = options.crop
        if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
            raise UserError(f"{path}: --crop={x},{y},{w},{h} leaves the {width}x{height} picture")
    if min(w, h) < options.size and not options.enlarge:
        raise UserError(
            f"{path}: {w}x{h} pixels would be enlarged to {options.size}x{options.size}: "
            "give a smaller --size or another --crop"
        )
    return x, y, w, h


def _keep_ratio(options, fps, path):
    """Kept frames per source frame, as a Fraction."""
    if options.fps is None:
        return fractions.Fraction(1, options.stride)
    if not fps:
        raise UserError(f"{path}: has no frame rate to turn into --fps: use --stride instead")
    if options.fps > fps:
        raise UserError(
            f"{path}: has {fps:g} frames per second, --fps={options.fps:g} asks for more"
        )
    limit = fractions.Fraction(options.fps) / fractions.Fraction(fps)
    return limit.limit_denominator(10_000)


def _clip(path, fps, ratio, frames, numbers, gaps=()):
    return Clip(
        source=path.name,
        fps=float(fps * ratio),
        frames=np.stack(frames),
        numbers=np.asarray(numbers, np.int64),
        gaps=np.asarray(gaps, np.int64),
    )


def _read_video(path, options, progress):
    """Decodes, crops and scales by ffmpeg; only small RGB frames come through the pipe."""
    fps, duration, shown_size = _probe(path)
    ratio = _keep_ratio(options, fps, path)
    expected = round(duration * fps * ratio)
    shape = (options.size, options.size, 3)
    frames = []
    for data in _decode(path, _filters(shown_size, ratio, options, path), np.prod(shape)):
        frame = np.frombuffer(data, np.uint8).reshape(shape)
        frames.append(luminance(frame) if options.channels == 1 else frame)
        progress(len(frames), expected)
    if not frames:
        raise UserError(f"{path}: not one frame could be decoded")
    return _clip(path, fps, ratio, frames, kept_numbers(len(frames), ratio))


def _probe(path):
    """What ffmpeg's log says of a video: frames per second, seconds, (width, height) as shown."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-nostdin", "-i", str(path), "-map", "0:v:0"]
    command += ["-frames:v", "1", "-f", "null", "-"]
    log = subprocess.run(command, capture_output=True, text=True, errors="replace")
    lines = log.stderr.strip().splitlines()
    streams = [line for line in lines if "Stream #" in line and "Video:" in line]
    if log.returncode or len(streams) < 2:
        raise UserError(f"{path}: not a video that ffmpeg can read ({lines[-1]})")
    fps = re.search(r"([\d.]+) fps", streams[0])
    size = re.search(r"\b([1-9]\d*)x([1-9]\d*)\b", streams[-1])  # the output's: after rotation
    duration = re.search(r"Duration: (\d+):(\d+):([\d.]+)", log.stderr)
    hours, minutes, seconds = map(float, duration.groups()) if duration else (0, 0, 0)
    return (
        float(fps[1]) if fps else 0.0,
        3600 * hours + 60 * minutes + seconds,
        (int(size[1]), int(size[2])),
    )


def _filters(shown_size, ratio, options, path):
    """The ffmpeg filter chain: keep frames, crop, scale by area, RGB."""
    x, y, w, h = _crop_box(options, *shown_size, path)
    num, den = ratio.numerator, ratio.denominator
    # full_chroma_int and accurate_rnd: without them swscale's RGB is darker by up to 2 levels.
    scale = f"scale={options.size}:{options.size}:flags=area+accurate_rnd+full_chroma_int"
    return ",".join(
        [
            rf"select=gt(floor(n*{num}/{den})\,floor((n-1)*{num}/{den}))",
            f"crop={w}:{h}:{x}:{y}:exact=1",
            scale,
            "format=rgb24",
        ]
    )


def _decode(path, filters, frame_bytes):
    """Yields the bytes of each frame. What ffmpeg complains about becomes a warning."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", str(path)]
    command += ["-map", "0:v:0", "-vf", filters, "-fps_mode", "passthrough"]
    command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    with tempfile.TemporaryFile() as log:
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process:
            while len(data := process.stdout.read(frame_bytes)) == frame_bytes:
                yield data
        log.seek(0)
        complaints = log.read().decode(errors="replace").splitlines()
    if process.returncode:
        raise UserError(f"{path}: ffmpeg failed: {(complaints or ['no reason given'])[-1]}")
    if complaints:
        logging.warning(
            "%s: damaged (%d complaints of ffmpeg, the first: %s); what it could decode is used",
            path,
            len(complaints),
            complaints[0],
        )


def _read_folder(path, options, progress):
    """Reads pictures in the order of the last number in their names; a missing number is a gap."""
    files = _numbered_files(path)
    ratio = _keep_ratio(options, 0, path)
    kept = _kept_of(len(files), ratio)
    numbers = np.array([number for number, _ in files], np.int64)
    steps = np.diff(numbers)
    usual = collections.Counter(steps.tolist()).most_common(1)[0][0] if len(steps) else 1
    stretch = np.concatenate([[0], np.cumsum(steps != usual)])[kept]
    frames, first_size = [], None
    for position in kept:
        picture = _open_picture(files[position][1])
        first_size = first_size or picture.shape
        if picture.shape[:2] != first_size[:2]:
            raise UserError(
                f"{files[position][1]}: is {picture.shape[1]}x{picture.shape[0]}, "
                f"the frames before it are {first_size[1]}x{first_size[0]}"
            )
        frames.append(prepare_picture(picture, options, path))
        progress(len(frames), len(kept))
    gaps = np.flatnonzero(np.diff(stretch)) + 1
    return _clip(path, 0.0, ratio, frames, numbers[kept], gaps)


def _numbered_files(folder):
    """[(number, path)] of the pictures in a folder, by number."""
    files = {}
    for file in sorted(folder.iterdir()):
        digits = re.findall(r"\d+", file.stem)
        if file.suffix.lower() not in _PICTURE_SUFFIXES or file.name.startswith("."):
            continue
        if not digits:
            raise UserError(f"{file}: a frame's name needs a number that gives its place")
        number = int(digits[-1])
        if number in files:
            raise UserError(
                f"{folder}: {files[number].name} and {file.name} are both frame {number}"
            )
        files[number] = file
    if not files:
        raise UserError(f"{folder}: no pictures in this folder (frames are PNG, JPEG, ...)")
    return sorted(files.items())


def _open_picture(path):
    """uint8 [H, W, 1 or 3] of a picture file, without transparency."""
    try:
        with Image.open(path) as image:
            if image.mode.startswith(("I", "F")):
                raise UserError(f"{path}: more than 8 bits per channel: convert it to 8 bits")
            grey = image.mode in ("1", "L", "LA")
            pixels = np.asarray(image.convert("L" if grey else "RGB"))
    except OSError as error:
        raise UserError(f"{path}: damaged or not a picture ({error})") from error
    return pixels.reshape(*pixels.shape[:2], -1)


def _read_hdf5(path, options, progress):
    """Reads `highway_L`, [N, C, W, H]: its authors' loader transposes the last two axes too."""
    ratio = _keep_ratio(options, 0, path)
    with h5py.File(path) as file:
        data = _hdf5_dataset(file, path)
        blocks = range(0, len(data), _BLOCK)
        scale = 1
        if data.dtype.kind == "f" and max(data[i : i + _BLOCK].max() for i in blocks) <= 1:
            scale = 255
        kept = _kept_of(len(data), ratio)
        frames = []
        for start in blocks:
            block = data[start : start + _BLOCK]
            for number in kept[(kept >= start) & (kept < start + _BLOCK)]:
                picture = block[number - start].transpose(2, 1, 0) * scale  # [H, W, C]
                frames.append(prepare_picture(picture, options, path))
            progress(len(frames), len(kept))
    return _clip(path, 0.0, ratio, frames, kept)


def _hdf5_dataset(file, path):
    if HDF5_DATASET not in file:
        raise UserError(f"{path}: no dataset {HDF5_DATASET!r}; it has {sorted(file)}")
    data = file[HDF5_DATASET]
    if data.ndim != 4 or data.shape[1] not in (1, 3) or not len(data):
        raise UserError(f"{path}: {HDF5_DATASET} must be [N, 1, W, H]. Received: {data.shape}")
    if data.dtype.kind != "f" and data.dtype != np.uint8:
        raise UserError(f"{path}: {HDF5_DATASET} must be uint8 or float. Received: {data.dtype}")
    return data
