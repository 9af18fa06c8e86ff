"""Writes pictures as a film: an animated GIF, or an MP4 that every player knows."""

from __future__ import annotations

import contextlib
import itertools
import os
import pathlib
import re
import signal
import subprocess
from collections.abc import Iterator

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
from PIL import Image

from lmvp_tf import stopping
from lmvp_tf.errors import RunError
from lmvp_tf.files import atomic_path, scratch

Pixels = npt.NDArray[np.uint8]


def write_film(
    path: str | os.PathLike[str], pictures: Iterator[Pixels], fps: float, count: int
) -> None:
    """Writes a film whose last frame stays for a second more.

    Args:
      path: the .gif, which plays in a loop, or .mp4 to write.
      pictures: uint8 [H, W, 3], all of one size.
      fps: frames a second.
      count: how many pictures, at least one.

    Raises:
      RunError: the file cannot be written; nothing is left of it.
    """
    write = _write_mp4 if pathlib.Path(path).suffix.lower() == ".mp4" else _write_gif
    with atomic_path(path) as temporary:
        write(temporary, stopping.unless_asked(pictures), fps, count)


def _write_gif(path: pathlib.Path, pictures: Iterator[Pixels], fps: float, count: int) -> None:
    images = map(Image.fromarray, pictures)
    durations = [1000 / fps] * (count - 1) + [1000 / fps + 1000]
    next(images).save(path, save_all=True, append_images=images, duration=durations, loop=0)


def _write_mp4(path: pathlib.Path, pictures: Iterator[Pixels], fps: float, count: int) -> None:
    """Writes H.264 as every player knows it: even sizes, colours at half the resolution."""
    del count
    first = next(pictures)
    height, width = first.shape[:2]
    filters = f"pad={width + width % 2}:{height + height % 2}:color=white,tpad=stop_mode=clone"
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo"]
    command += ["-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    command += ["-vf", f"{filters}:stop_duration=1", "-c:v", "libx264", "-crf", "16"]
    command += ["-pix_fmt", "yuv420p", "-movflags", "+faststart", str(path)]
    with scratch() as log:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=log)
        # A pipe breaks when ffmpeg ends too early, and then it has said why.
        with process, contextlib.suppress(BrokenPipeError):
            assert process.stdin is not None
            for picture in itertools.chain([first], pictures):
                process.stdin.write(picture.tobytes())
            process.stdin.close()
        log.seek(0)
        complaints = log.read().decode(errors="replace").splitlines()
    if process.returncode:
        raise RunError(
            f"ffmpeg could not write the film: {_reason(complaints, process.returncode)}"
        )


def _reason(complaints: list[str], code: int) -> str:
    if complaints:
        return re.sub(r"^\[[^]]*\] ", "", complaints[-1])  # without ffmpeg's name for its part
    return (
        f"it was ended by a signal ({signal.strsignal(-code)})" if code < 0 else f"exit code {code}"
    )
