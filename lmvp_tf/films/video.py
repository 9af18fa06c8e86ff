"""Films that ffmpeg reads: MP4, Matroska, AVI, MPEG and whatever else it knows.

Each is looked at by one short run of ffmpeg, which decodes the first picture and goes through the
packets without decoding them: they tell when every frame is shown. Frames are then decoded from the
last key frame before the first wanted one. ffmpeg also crops and scales, beside the decoder, which
costs next to nothing.

ffmpeg is the program that imageio-ffmpeg ships. PyAV is as fast, but its releases drop Python
versions that TensorFlow still has, and it leaves rotation and pixels that are not square to the
caller.
"""

from __future__ import annotations

import dataclasses
import fractions
import functools
import os
import pathlib
import re
import subprocess
import tempfile
from collections.abc import Iterator

import imageio_ffmpeg
import numpy as np
import numpy.typing as npt

from lmvp_tf.errors import UserError
from lmvp_tf.films.film import Film, Timeline
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.films.picture import recolour


@dataclasses.dataclass(frozen=True)
class _Stream:
    """What ffmpeg says of a film.

    Attributes:
      width, height: of the picture as it is stored, after rotation.
      aspect: width of a pixel over its height.
      pixel_format: ffmpeg's name.
      fps: the rate that the container states; 0 where it states none.
      tick: seconds of a unit of `stamps`.
      stamps: int64 [N], when each frame is shown, increasing.
    """

    width: int
    height: int
    aspect: fractions.Fraction
    pixel_format: str
    fps: float
    tick: fractions.Fraction
    stamps: npt.NDArray[np.int64]


class Video(Film):
    """A film that ffmpeg reads."""

    @functools.cached_property
    def _stream(self) -> _Stream:
        return _probe(self.path)

    @property
    def width(self) -> int:
        return max(1, round(self._stream.width * self._stream.aspect))

    @property
    def height(self) -> int:
        return self._stream.height

    @property
    def channels(self) -> int:
        return 1 if self._stream.pixel_format.startswith(("gray", "mono")) else 3

    @property
    def fps(self) -> float:
        return self._stream.fps

    @functools.cached_property
    def timeline(self) -> Timeline:
        stream = self._stream
        times = (stream.stamps - stream.stamps[0]) * float(stream.tick)
        count = len(times)
        return Timeline(np.arange(count, dtype=np.int64), times, np.zeros(count, bool))

    def _decode(
        self, positions: npt.NDArray[np.int64], options: FrameOptions
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        stream = self._stream
        shape = (options.height, options.width, 3)
        wanted = {int(stream.stamps[position]): int(position) for position in positions}
        start = stream.stamps[positions[0]] if positions[0] else None
        end = stream.stamps[positions[-1]]
        for stamp, data in _decode(self.path, stream, self._filters(options), shape, start):
            if stamp in wanted:
                frame = np.frombuffer(data, np.uint8).reshape(shape)
                yield wanted[stamp], recolour(frame, options.channels)
            if stamp >= end:
                break

    def _filters(self, options: FrameOptions) -> str:
        """The ffmpeg filter chain: crop, scale by area, RGB."""
        stream = self._stream
        x, y, w, h = options.box(self.width, self.height, str(self.path))
        x, w = round(x / stream.aspect), max(1, round(w / stream.aspect))
        # full_chroma_int and accurate_rnd: without them swscale's RGB is darker by up to 2 levels.
        scale = f"scale={options.width}:{options.height}:flags=area+accurate_rnd+full_chroma_int"
        return f"crop={w}:{h}:{x}:{y}:exact=1,{scale},format=rgb24"


def _command(path: pathlib.Path, *before: str) -> list[str]:
    """ffmpeg with its input. The prefix keeps it from reading a name as a protocol or an option."""
    program = imageio_ffmpeg.get_ffmpeg_exe()
    command = [program, "-hide_banner", "-nostdin", "-copyts", *before]
    return [*command, "-i", b"file:" + os.fsencode(path), "-map", "0:V:0"]


def _probe(path: pathlib.Path) -> _Stream:
    command = [*_command(path), "-c", "copy", "-f", "framecrc", "-"]
    command += ["-map", "0:V:0", "-frames:v", "1", "-f", "null", "-"]
    done = subprocess.run(command, capture_output=True)
    lines = done.stderr.decode(errors="replace").strip().splitlines()
    streams = [line for line in lines if "Stream #" in line and "Video:" in line]
    if len(streams) < 3:
        raise UserError(f"{path}: not a video that ffmpeg can read ({lines[-1]})")
    size = re.search(r"\b([1-9]\d*)x([1-9]\d*)\b(?: \[SAR (\d+):(\d+))?", streams[-1])
    fps = re.search(r"([\d.]+) fps", streams[0])
    aspect = fractions.Fraction(int(size[3] or 1), int(size[4] or 1)) if size else 1
    tick = re.search(rb"#tb 0: (\d+)/(\d+)", done.stdout)
    stamps = sorted(int(m) for m in re.findall(rb"(?m)^0, *-?\d+, *(-?\d+),", done.stdout))
    return _Stream(
        width=int(size[1]),
        height=int(size[2]),
        aspect=aspect,
        pixel_format=re.search(r"Video: [^,]*?, (\w+)", streams[-1])[1],
        fps=float(fps[1]) if fps else 0.0,
        tick=fractions.Fraction(int(tick[1]), int(tick[2])),
        stamps=np.array(stamps, np.int64),
    )


def _decode(
    path: pathlib.Path, stream: _Stream, filters: str, shape: tuple[int, ...], start: int | None
) -> Iterator[tuple[int, bytes]]:
    """Yields (time stamp, bytes) of each frame from `start` on."""
    before = ["-v", "error"]
    if start is not None:
        seconds = float((int(start) - fractions.Fraction(1, 2)) * stream.tick)
        before += ["-seek_timestamp", "1", "-ss", f"{seconds:.9f}"]
    with tempfile.TemporaryDirectory() as folder:
        stats = pathlib.Path(folder) / "stamps"
        command = [*_command(path, *before), "-vf", filters, "-fps_mode", "passthrough"]
        command += ["-stats_enc_pre", str(stats), "-stats_enc_pre_fmt", "{ptsi}"]
        command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
        frame_bytes = int(np.prod(shape))
        with (
            open(pathlib.Path(folder) / "log", "w+b") as log,
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log) as process,
        ):
            try:
                lines = None
                while len(data := process.stdout.read(frame_bytes)) == frame_bytes:
                    lines = lines or open(stats)  # noqa: SIM115
                    yield int(lines.readline()), data
            finally:
                process.kill()
