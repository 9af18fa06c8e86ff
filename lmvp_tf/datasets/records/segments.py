"""Where windows of frames may lie: scene cuts, repeated frames and the splits of a dataset."""

import dataclasses
import itertools
import math
import re

import numpy as np

from lmvp_tf.datasets import video_sources
from lmvp_tf.datasets.records.tfrecords import SPLITS
from lmvp_tf.errors import UserError

PAPER_FRAMES = (16_000, 4_000)  # train, test
_UNUSED = -1
_FROZEN = 5  # so many repeats in a row are a frozen picture, fewer are slow motion
# A cut is a change of at least _CUT_CHANGE that also exceeds _CUT_RATIO times the largest of the
# _CUT_NEIGHBOURS changes on its calmer side. On 12.5 and 25 frames a second of real driving this
# found 797 of 800 splices between frames of one drive, and none where there is none: the shadow
# of a bridge changes as much as a cut, but over several frames.
_CUT_CHANGE = 0.05
_CUT_RATIO = 3.0
_CUT_NEIGHBOURS = 3
_CUT_FLOOR = 0.01  # a change that counts as calm, so that a still scene does not make noise a cut

SPLIT_SYNTAX = (
    "paper | fraction:0.8 | test:CLIP[@FROM-TO][,CLIP[@FROM-TO]...], with CLIP an input's name "
    "without its ending and FROM-TO its own frame numbers, both included, either left out for the "
    "clip's end"
)


@dataclasses.dataclass(frozen=True)
class Segment:
    """Frames of one split of one clip without a break: windows may lie anywhere inside.

    Attributes:
      split: "train", "validation" or "test".
      positions: int64 [N], increasing, the frames' positions in the clip.
    """

    split: str
    positions: np.ndarray


@dataclasses.dataclass(frozen=True)
class Analysis:
    """What was found in a clip.

    Attributes:
      segments: list of Segment.
      repeats: int64 [R], positions of frames that equal the frame before; they are left out.
      cuts: int64 [K], positions of the first frames after a cut.
      frozen: number of frozen pictures: at least 5 repeats in a row.
      unused: number of frames outside the split.
    """

    segments: list[Segment]
    repeats: np.ndarray
    cuts: np.ndarray
    frozen: int
    unused: int


def analyse(clip, splits):
    """Divides a clip into segments.

    Repeated frames are dropped: in slow motion and converted frame rates the motion goes on after
    them. A frozen picture, a gap, a cut and a change of split end a segment.

    Args:
      clip: a video_sources.Clip.
      splits: int [N], index into SPLITS of each frame, or -1, as `SplitRule.assign` gives them.

    Returns:
      Analysis.
    """
    count = len(clip.frames)
    repeated = np.zeros(count, bool)
    repeated[1:] = [np.array_equal(a, b) for a, b in itertools.pairwise(clip.frames)]
    freeze_ends = _freeze_ends(repeated)
    kept = np.flatnonzero(~repeated)
    cuts = kept[find_cuts(clip.frames[kept])]
    breaks = np.zeros(count + 1, bool)
    for positions in (freeze_ends, clip.gaps, cuts, np.flatnonzero(np.diff(splits)) + 1):
        breaks[positions] = True
    stretch = np.cumsum(breaks)  # counted over all frames: a break on a dropped frame stays one
    used = kept[splits[kept] != _UNUSED]
    parts = np.split(used, np.flatnonzero(np.diff(stretch[used])) + 1)
    return Analysis(
        segments=[Segment(SPLITS[splits[part[0]]], part) for part in parts if len(part)],
        repeats=np.flatnonzero(repeated),
        cuts=cuts,
        frozen=len(freeze_ends),
        unused=int(np.sum(splits == _UNUSED)),
    )


def _freeze_ends(repeated):
    """Positions just after each run of at least _FROZEN repeats."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], repeated, [0]])))
    starts, ends = edges[::2], edges[1::2]
    return ends[ends - starts >= _FROZEN]


def find_cuts(frames):
    """Finds scene cuts. Fades and dissolves, which change no faster than a drive, are not found.

    Args:
      frames: uint8 [N, H, W, C].

    Returns:
      int64 [K], the first frames after a cut.
    """
    changes = _changes(frames)
    reach = _CUT_NEIGHBOURS
    cuts = []
    for i in np.flatnonzero(changes >= _CUT_CHANGE):
        sides = (changes[max(0, i - reach) : i], changes[i + 1 : i + 1 + reach])
        calmer = min((side.max() for side in sides if len(side)), default=0.0)
        if changes[i] >= _CUT_RATIO * (calmer + _CUT_FLOOR):
            cuts.append(i + 1)
    return np.array(cuts, np.int64)


def _changes(frames):
    """1 - correlation of the luminance of successive frames, [N - 1]: blind to gain and offset."""
    changes, before = [], None
    for frame in frames:
        grey = video_sources.luminance(frame) if frame.shape[-1] == 3 else frame
        now = grey.astype(np.float32).ravel()
        now -= now.mean()
        now /= max(np.linalg.norm(now), 1e-6)
        if before is not None:
            changes.append(1 - now @ before)
        before = now
    return np.array(changes, np.float32)


@dataclasses.dataclass(frozen=True)
class SplitRule:
    """A parsed --split.

    Attributes:
      fraction: share of each clip's frames, from its start, that are for training, or None.
      tests: clip name -> list of (first, last) frame numbers for the test, or None. Where both
        are None, the paper's rule holds.
      validation: share of each clip's training frames, at their end, that become validation.
    """

    fraction: float | None = None
    tests: dict[str, list[tuple[float, float]]] | None = None
    validation: float = 0.05

    def assign(self, name, numbers, before):
        """The split of each frame of a clip.

        Args:
          name: the clip's name.
          numbers: int64 [N], its frame numbers.
          before: number of frames in the clips before it.

        Returns:
          int64 [N], index into SPLITS, or -1 for a frame that is not used.
        """
        splits = self._train_and_test(name, numbers, before)
        training = np.flatnonzero(splits == 0)
        held_out = round(self.validation * len(training))
        splits[training[len(training) - held_out :]] = SPLITS.index("validation")
        return splits

    def _train_and_test(self, name, numbers, before):
        train, test = SPLITS.index("train"), SPLITS.index("test")
        place = np.arange(len(numbers))
        if self.fraction is not None:
            return np.where(place < round(self.fraction * len(numbers)), train, test)
        if self.tests is None:
            ends = np.cumsum(PAPER_FRAMES) - before
            return np.select([place < ends[0], place < ends[1]], [train, test], _UNUSED)
        is_test = np.zeros(len(numbers), bool)
        for first, last in self.tests.get(name, []):
            inside = (first <= numbers) & (numbers <= last)
            if not inside.any():
                raise UserError(
                    f"--split: {name} has no frame from {first} to {last}; "
                    f"its frames are {numbers[0]} to {numbers[-1]}"
                )
            is_test |= inside
        return np.where(is_test, test, train)


def parse_split(text, clip_names, validation):
    """Parses --split.

    Args:
      text: see SPLIT_SYNTAX.
      clip_names: names of the inputs.
      validation: share of the training frames to hold out, in [0, 1).

    Returns:
      SplitRule.

    Raises:
      UserError: the text does not parse, or names a clip that is not there.
    """
    if not 0 <= validation < 1:
        raise UserError(f"--validation must be in [0, 1). Received: {validation}")
    kind, _, rest = text.partition(":")
    if text == "paper":
        return SplitRule(validation=validation)
    if kind == "fraction":
        return SplitRule(fraction=_fraction(rest), validation=validation)
    if kind == "test" and rest:
        tests = {}
        for item in rest.split(","):
            name, limits = _test_range(item)
            if name not in clip_names:
                raise UserError(f"--split: no clip {name!r}; the clips are {', '.join(clip_names)}")
            tests.setdefault(name, []).append(limits)
        return SplitRule(tests=tests, validation=validation)
    raise UserError(f"--split must be {SPLIT_SYNTAX}. Received: {text!r}")


def _fraction(text):
    try:
        fraction = float(text)
    except ValueError:
        fraction = -1.0
    if not 0 <= fraction <= 1:
        raise UserError(f"--split=fraction: takes a number from 0 to 1. Received: {text!r}")
    return fraction


def _test_range(item):
    """(name, (first, last)) of CLIP or CLIP@FROM-TO."""
    name, at, limits = item.partition("@")
    match = re.fullmatch(r"(\d*)-(\d*)", limits) if at else None
    if at and match is None:
        raise UserError(f"--split: a range is CLIP@FROM-TO. Received: {item!r}")
    first, last = match.groups() if match else ("", "")
    return name, (int(first or 0), int(last) if last else math.inf)
