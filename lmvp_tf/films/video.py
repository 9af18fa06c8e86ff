"""Films that ffmpeg reads: MP4, Matroska, AVI, MPEG and whatever else it knows.

One short run of ffmpeg looks at the first picture and at the packets, which say when each frame is
shown. Frames are then decoded from the last key frame before the first wanted one. ffmpeg also
crops and scales, beside the decoder, which costs next to nothing.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from lmvp_tf.films import ffmpeg
from lmvp_tf.films.film import Film, Timeline, shown
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.films.picture import recolour

_FURTHER = 15.0  # seconds to seek back further where the first try came too late
_TRANSPARENT = re.compile(r"yuva|gbrap|rgba|argb|bgra|abgr|ya\d|ayuv|vuya")
_HDR = ("smpte2084", "arib-std-b67")  # brightness curves: PQ and HLG
# To the curve and colours of a common screen, with 203 cd/m2 (ITU-R BT.2408) as white.
_TO_SCREEN = (
    "format=yuv444p12,zscale=t=linear:npl=203,format=gbrpf32,zscale=p=bt709,"
    "tonemap=mobius:desat=0,zscale=t=iec61966-2-1:m=gbr:r=pc,format=gbrp"
)


class Video(Film):
    """A film that ffmpeg reads."""

    @functools.cached_property
    def _stream(self) -> ffmpeg.Stream:
        return ffmpeg.probe(self.path)

    @property
    def width(self) -> int:
        return max(1, round(self._stream.width * max(Fraction(1), self._stream.aspect)))

    @property
    def height(self) -> int:
        return max(1, round(self._stream.height / min(Fraction(1), self._stream.aspect)))

    @property
    def channels(self) -> int:
        return 1 if re.match(r"gray|mono|ya\d", self._stream.pixel_format) else 3

    @functools.cached_property
    def timeline(self) -> Timeline:
        stream = self._stream
        if stream.stamps is None:
            return Timeline.regular(stream.packets, stream.fps)
        times = (stream.stamps - stream.stamps[0]) * float(stream.tick)
        return Timeline.of_times(times, stream.fps)

    def _notes(self) -> list[str]:
        notes = []
        if self._stream.aspect != 1:
            stored = f"{self._stream.width}x{self._stream.height}"
            notes.append(f"stored as {stored} with pixels that are not square")
        if self._transparent:
            notes.append("transparent parts over black")
        if self._stream.transfer in _HDR:
            notes.append("HDR brought to the range of a common screen")
        return notes

    @property
    def _transparent(self) -> bool:
        stream = self._stream
        return stream.alpha_beside or bool(_TRANSPARENT.match(stream.pixel_format))

    def _decode(
        self, positions: npt.NDArray[np.int64], options: FrameOptions
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        pictures = self._pictures if self._stream.stamps is None else self._stamped_pictures
        wanted = set(positions.tolist())
        for position, picture in pictures(int(positions[0]), int(positions[-1]), options):
            if position in wanted:
                wanted.remove(position)  # a damaged film may show a time twice
                yield position, recolour(picture, options.channels)

    def _pictures(
        self, first: int, last: int, options: FrameOptions
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        """Yields (position, picture) by counting from the beginning: the file knows no times."""
        for position, (_, picture) in enumerate(self._run("null", options)):
            if position >= first:
                yield position, picture
            if position == last:
                return

    def _stamped_pictures(
        self, first: int, last: int, options: FrameOptions
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        """Yields (position, picture), from the last key frame on.

        Where that turns out to be none, or not before the first frame, it tries from further back.
        """
        stream = self._stream
        stamps = stream.stamps
        assert stamps is not None, "without time stamps `_pictures` reads the film"
        chosen = f"trim=start_pts={stamps[first]}:end_pts={stamps[last] + 1}"
        seconds = float(stamps[first] * stream.tick)
        tries = [seconds, seconds - _FURTHER] if first else []
        for seek in [*[time for time in tries if time > stamps[0] * stream.tick], None]:
            expected = seek is not None
            for stamp, picture in self._run(chosen, options, seek):
                if expected and stamp != stamps[first]:
                    break
                expected = False
                yield int(np.searchsorted(stamps, stamp)), picture
            if not expected:
                return

    def _run(
        self, chosen: str, options: FrameOptions, seek: float | None = None
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        """Yields (time stamp, picture) of what a `trim` filter chooses."""
        stream = self._stream
        # VP8 and VP9 keep transparency beside the stream, where only one decoder looks.
        decoder = None
        if stream.alpha_beside:
            decoder = {"vp8": "libvpx", "vp9": "libvpx-vp9"}.get(stream.codec)
        size = options.height, options.width
        filters = f"{chosen},{self._filters(options)}"
        reasons: list[str] = []
        yield from ffmpeg.decode(
            self.path, filters, size, stream.tick, reasons.append, decoder, seek
        )
        if reasons and seek is None:  # after a seek, complaints may be about what came before
            self._complain(reasons[0])

    def _filters(self, options: FrameOptions) -> str:
        """The chain of ffmpeg's filters: opaque, crop, scale by area, colours of a screen."""
        stream = self._stream
        box = options.box(self.width, self.height, shown(self.path))
        across, down = stream.width / self.width, stream.height / self.height
        x, w = round(box[0] * across), max(1, round(box[2] * across))
        y, h = round(box[1] * down), max(1, round(box[3] * down))
        # A film may change its size on the way: a player would go on filling its window. Pictures
        # that have the size already pass untouched.
        chain = [f"scale={stream.width}:{stream.height}"]
        if self._transparent:
            chain.append("premultiply=inplace=1")
        chain.append(f"crop={w}:{h}:{x}:{y}:exact=1")
        # full_chroma_int and accurate_rnd: without them swscale's RGB is darker by up to 2 levels.
        flags = "area+accurate_rnd+full_chroma_int"
        chain.append(f"scale={options.width}:{options.height}:flags={flags}")
        if stream.transfer in _HDR:
            chain.append(_TO_SCREEN)
        return ",".join(chain)
