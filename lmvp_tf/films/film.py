"""What every film can do, whatever file it is: the contract of the readers in this package.

To add a kind of file, write one module with a subclass of `Film` and one line in `find.KINDS`.
"""

from __future__ import annotations

import abc
import dataclasses
import os
import pathlib
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from absl import logging

from lmvp_tf import stopping
from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions

_UNEQUAL = 0.25  # two steps differ if one is longer by this share
_MOSTLY = 0.95  # of the steps: so many have to be equal for the others to be exceptions
_AGREE = 0.01  # a stated rate and the measured one may differ by this share
_APART = 1.5  # a step of so many usual steps, or more, is one over missing frames
_SLOW = 0.1  # frames per second: below, the time between them says more
_EARLY = 0.15  # of a short step: time stamps are rounded, so much that a frame may come too early


class Frame(NamedTuple):
    """A kept frame.

    Attributes:
      pixels: uint8 [H, W, C].
      number: its number in the film.
      time: seconds since the film's first frame; NaN where the film knows no time.
      gap: whether frames are missing in the film between the kept frame before and this one.
    """

    pixels: npt.NDArray[np.uint8]
    number: int
    time: float
    gap: bool


@dataclasses.dataclass(frozen=True)
class Timeline:
    """Where the frames of a film lie.

    Attributes:
      numbers: int64 [N], increasing: from 0, or what the files' names say.
      times: float64 [N], seconds since the first frame; NaN where the film knows no time.
      gaps: bool [N], whether frames are missing just before the frame.
      fps: frames per second, the mean where it varies; 0 where the film knows no time.
      even: whether the frames are equally far apart in time, but for gaps.
    """

    numbers: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]
    gaps: npt.NDArray[np.bool_]
    fps: float = 0.0
    even: bool = True

    @classmethod
    def regular(cls, count: int, fps: float = 0.0) -> Timeline:
        """`count` frames, numbered from 0, of which none is missing."""
        numbers = np.arange(count, dtype=np.int64)
        times = numbers / fps if fps else np.full(count, np.nan)
        return cls(numbers, times, np.zeros(count, bool), fps)

    @classmethod
    def of_times(cls, times: npt.NDArray[np.float64], stated: float = 0.0) -> Timeline:
        """Frames by the times at which they are shown.

        Args:
          times: float64 [N], increasing, seconds since the first frame.
          stated: the rate that the file states, which counts where the times agree: they are often
            rounded. 0: none.

        Returns:
          A Timeline with a gap wherever one of otherwise equal steps is much longer.
        """
        if len(times) < 2:
            return cls.regular(len(times), stated)
        steps = np.diff(times)
        usual = np.abs(steps / np.median(steps) - 1) < _UNEQUAL
        even = bool(np.mean(usual) >= _MOSTLY)
        fps = 1 / float(np.mean(steps[usual] if even else steps))
        gaps = np.concatenate([[False], even & (steps > _APART * np.median(steps))])
        agree = stated and abs(stated / fps - 1) < _AGREE
        numbers = np.arange(len(times), dtype=np.int64)
        return cls(numbers, times, gaps, stated if agree else fps, even)


class Film(abc.ABC):
    """A film: pictures in the order of time, that are read when they are wanted.

    Opening one reads nothing. All the properties and methods raise UserError where the file cannot
    be read, and say so with its path in one line.

    A subclass gives the abstract properties and `_decode`; the rest follows from them.

    Attributes:
      name: differs from those of the other films; fit for the name of a file.
      path: the file or folder.
    """

    def __init__(self, path: pathlib.Path, name: str) -> None:
        self.path = path
        self.name = name
        self._lost: set[int] = set()  # positions of frames that turned out to be damaged
        self._told: set[str] = set()
        self._complaint = ""  # what a decoder said first

    @property
    @abc.abstractmethod
    def width(self) -> int:
        """Of the pictures as they are shown, pixels."""

    @property
    @abc.abstractmethod
    def height(self) -> int:
        """Of the pictures as they are shown, pixels."""

    @property
    @abc.abstractmethod
    def channels(self) -> int:
        """1 for grey, 3 for RGB."""

    @property
    @abc.abstractmethod
    def timeline(self) -> Timeline:
        """Where the frames lie."""

    @abc.abstractmethod
    def _decode(
        self, positions: npt.NDArray[np.int64], options: FrameOptions
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        """Reads some frames.

        Args:
          positions: int64 [K], increasing indices into the timeline, at least one.
          options: FrameOptions, of which height, width, crop and channels count here. `box` of them
            has been checked against the film's size.

        Yields:
          (position, uint8 [H, W, C]) of each frame that can be decoded, in order.
        """

    @property
    def fps(self) -> float:
        """Frames per second, the mean where it varies; 0 where the film knows no time."""
        return self.timeline.fps

    @property
    def num_frames(self) -> int | None:
        """How many frames the film has; None where only decoding it would tell."""
        return len(self.timeline.numbers)

    def describe(self) -> str:
        """What the film is, as "240 frames of 640x360 at 30 fps, RGB"."""
        count = "frames" if self.num_frames is None else plural(self.num_frames, "frame")
        rate = f" at {rate_text(self.fps)}" if self.fps >= _SLOW else ""
        if 0 < self.fps < _SLOW:
            rate = f", {rate_text(self.fps)}"
        notes = "".join(f"; {note}" for note in self._notes())
        colour = "RGB" if self.channels == 3 else "grey"
        return f"{count} of {self.width}x{self.height}{rate}, {colour}{notes}"

    def _notes(self) -> list[str]:
        """What `describe` adds: how the file was understood, where that is not plain."""
        return []

    def count(self, options: FrameOptions) -> int:
        """How many frames are kept. Frames that turn out to be damaged are taken off."""
        return len(self._kept(options))

    def kept_fps(self, options: FrameOptions) -> float:
        """Kept frames per second; 0 where the film knows no time."""
        return float(options.fps) if options.fps else self.fps / options.stride

    def frames(
        self, options: FrameOptions, first: int = 0, count: int | None = None
    ) -> Iterator[Frame]:
        """Reads kept frames, one after the other.

        Frames that cannot be decoded are left out, with one warning, and `count` is smaller
        afterwards: who wants the last frames of a damaged film asks again.

        Args:
          options: FrameOptions.
          first: which kept frame to begin with, counted from 0.
          count: how many kept frames to read; None: all that follow.

        Yields:
          Frame.

        Raises:
          UserError: the film cannot be read, or does not fit the options.
        """
        options.box(self.width, self.height, shown(self.path))
        timeline = self.timeline
        if options.fps is None and not timeline.even:
            steps = np.diff(timeline.times)
            self._warn(
                f"its frames are {steps.min():.3g} to {steps.max():.3g} s apart: "
                f"--fps={1 / np.percentile(steps, 95):.3g} would take some at equal steps"
            )
        kept, breaks = self._kept(options), self._breaks(options)
        chosen = kept[first : None if count is None else first + count]
        if not len(chosen):
            return
        wanted = iter(chosen.tolist())
        before = kept[first - 1] if first else None
        lost = []
        for position, pixels in stopping.unless_asked(self._decode(chosen, options)):
            missed = []
            while (expected := next(wanted)) != position:
                missed.append(expected)
            lost += missed
            gap = False
            if before is not None:
                step = timeline.times[position] - timeline.times[before]
                late = options.fps is not None and step * options.fps > _APART
                gap = bool(missed or late or breaks[before] != breaks[position])
            yield Frame(pixels, int(timeline.numbers[position]), timeline.times[position], gap)
            before = position
        lost += wanted
        self._lose(lost, len(chosen))

    def _kept(self, options: FrameOptions) -> npt.NDArray[np.int64]:
        """Positions of the kept frames, int64 [K]."""
        size = len(self.timeline.numbers)
        if options.fps is None:
            kept = np.arange(0, size, options.stride, dtype=np.int64)
        else:
            kept = self._kept_by_time(options.fps)
        return kept[~np.isin(kept, list(self._lost))] if self._lost else kept

    def _kept_by_time(self, fps: float) -> npt.NDArray[np.int64]:
        """The first frame at or after each tick of 1 / fps seconds."""
        if not self.fps:
            raise UserError(
                f"{shown(self.path)}: has no frame rate to turn into --fps: use --stride instead"
            )
        if fps > self.fps * 1.001:
            raise UserError(
                f"{shown(self.path)}: has {rate_text(self.fps, 'frames per second')}, "
                f"--fps={fps:g} asks for more"
            )
        times = self.timeline.times
        early = _EARLY * np.percentile(np.diff(times), 5) if len(times) > 1 else 0
        ticks = np.arange(np.floor((times[-1] + early) * fps) + 1) / fps
        found = np.searchsorted(times, ticks - early)
        return np.unique(found[found < len(times)]).astype(np.int64)

    def _breaks(self, options: FrameOptions) -> npt.NDArray[np.int64]:
        """int64 [N]: differs between two frames where frames are missing between them."""
        missing = self.timeline.gaps.astype(np.int64)
        missing[list(self._lost)] += 1
        return np.cumsum(missing)

    def _lose(self, positions: list[int], asked: int) -> None:
        """Remembers frames that could not be decoded, and tells of damage once."""
        self._lost.update(positions)
        why = f" ({self._complaint})" if self._complaint else ""
        if len(positions) == asked:
            raise UserError(
                f"{shown(self.path)}: not one of {plural(asked, 'frame')} could be decoded{why}"
            )
        if positions:
            first = self.timeline.numbers[positions[0]]
            left_out = f"{plural(len(positions), 'frame')} left out, the first is number {first}"
            self._warn(f"damaged: {left_out}{why}")
        elif self._complaint:
            self._warn(f"damaged{why}: what can be decoded is used")

    def _complain(self, text: str) -> None:
        """Keeps what a decoder says of damage, for the warning or error that follows."""
        self._complaint = self._complaint or text.split("\n")[0]

    def _warn(self, text: str) -> None:
        """Logs a warning about the film, once."""
        if text not in self._told:
            self._told.add(text)
            logging.warning("%s: %s", shown(self.path), text)


def plural(count: int, word: str) -> str:
    """As "1 frame" or "2 frames"."""
    return f"{count} {word}{'' if count == 1 else 's'}"


def rate_text(fps: float, unit: str = "fps") -> str:
    """A frame rate in words: a frame every five minutes is no "0.00333333 fps"."""
    return f"{fps:.4g} {unit}" if fps >= _SLOW else f"a frame every {1 / fps:g} s"


def shown(path: str | os.PathLike[str]) -> str:
    """A path for a message of one line: names may hold line breaks and what no screen shows."""
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in os.fspath(path))
