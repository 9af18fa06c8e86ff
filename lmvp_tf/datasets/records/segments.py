"""Where windows of frames may lie: scene cuts, repeated and frozen pictures, gaps.

What has to be remembered of a film is two numbers a frame, whatever its length.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt

from lmvp_tf.datasets.records.splits import SPLITS, UNUSED
from lmvp_tf.films.picture import luminance

_FROZEN = 5  # so many repeats in a row are a frozen picture, fewer are slow motion
# A cut is a change of at least _CUT_CHANGE that also exceeds _CUT_RATIO times the largest of the
# _CUT_NEIGHBOURS changes on its calmer side. On 12.5 and 25 frames a second of real driving this
# found 797 of 800 splices between frames of one drive, and none where there is none: the shadow
# of a bridge changes as much as a cut, but over several frames.
_CUT_CHANGE = 0.05
_CUT_RATIO = 3.0
_CUT_NEIGHBOURS = 3
_CUT_FLOOR = 0.01  # a change that counts as calm, so that a still scene does not make noise a cut

Pixels = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Segment:
    """Frames of one split of one recording without a break: windows may lie anywhere inside.

    Attributes:
      split: "train", "validation" or "test".
      positions: int64 [N], increasing, the frames' positions in the recording.
    """

    split: str
    positions: Positions


@dataclasses.dataclass(frozen=True)
class Analysis:
    """What was found in a recording.

    Attributes:
      segments: list of Segment.
      repeats: int64 [R], positions of frames that equal the frame before; they are left out.
      cuts: int64 [K], positions of the first frames after a cut.
      frozen: number of frozen pictures: at least 5 repeats in a row.
      unused: number of frames outside the split.
    """

    segments: list[Segment]
    repeats: Positions
    cuts: Positions
    frozen: int
    unused: int


class Changes:
    """How much each frame differs from the one before, noted as the frames go by.

    The change is 1 - correlation of the luminance: blind to gain and offset.
    """

    def __init__(self) -> None:
        self._changes: list[float] = []
        self._frame: Pixels | None = None
        self._unit: npt.NDArray[np.float32] | None = None

    def add(self, frame: Pixels) -> None:
        """Notes the next frame, uint8 [H, W, C]."""
        if self._frame is not None and np.array_equal(frame, self._frame):
            self._changes.append(np.nan)
            return
        grey = luminance(frame) if frame.shape[-1] == 3 else frame
        unit = grey.astype(np.float32).ravel()
        unit -= unit.mean()
        unit /= max(float(np.linalg.norm(unit)), 1e-6)
        self._changes.append(0.0 if self._unit is None else float(1 - unit @ self._unit))
        self._frame, self._unit = frame, unit

    def values(self) -> npt.NDArray[np.float32]:
        """float32 [N]: NaN for a frame that equals the one before, 0 for the first."""
        return np.array(self._changes, np.float32)


def analyse(
    changes: npt.NDArray[np.float32], gaps: Positions, splits: npt.NDArray[np.int64]
) -> Analysis:
    """Divides a recording into segments.

    Repeated frames are dropped: in slow motion and converted frame rates the motion goes on after
    them. A frozen picture, a gap, a cut and a change of split end a segment.

    Args:
      changes: float32 [N], of Changes.
      gaps: int64 [G], positions i such that frames are missing between i - 1 and i.
      splits: int64 [N], index into SPLITS of each frame, or UNUSED.
    """
    count = len(changes)
    repeated = np.isnan(changes)
    freeze_ends = _freeze_ends(repeated)
    kept = np.flatnonzero(~repeated)
    cuts = kept[find_cuts(changes[kept])]
    breaks = np.zeros(count + 1, bool)
    for positions in (freeze_ends, gaps, cuts, np.flatnonzero(np.diff(splits)) + 1):
        breaks[positions] = True
    stretch = np.cumsum(breaks)  # counted over all frames: a break on a dropped frame stays one
    used = kept[splits[kept] != UNUSED]
    parts = np.split(used, np.flatnonzero(np.diff(stretch[used])) + 1)
    return Analysis(
        segments=[Segment(SPLITS[splits[part[0]]], part) for part in parts if len(part)],
        repeats=np.flatnonzero(repeated),
        cuts=cuts,
        frozen=len(freeze_ends),
        unused=int(np.sum(splits == UNUSED)),
    )


def _freeze_ends(repeated: npt.NDArray[np.bool_]) -> Positions:
    """Positions just after each run of at least _FROZEN repeats."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], repeated, [0]])))
    starts, ends = edges[::2], edges[1::2]
    return ends[ends - starts >= _FROZEN]


def find_cuts(changes: npt.NDArray[np.float32]) -> Positions:
    """Finds scene cuts. Fades and dissolves, which change no faster than a drive, are not found.

    Args:
      changes: float32 [N], of frames that all differ from the one before; the first is not read.

    Returns:
      int64 [K], the first frames after a cut.
    """
    reach = _CUT_NEIGHBOURS
    cuts = []
    for i in np.flatnonzero(changes[1:] >= _CUT_CHANGE) + 1:
        sides = (changes[max(1, i - reach) : i], changes[i + 1 : i + 1 + reach])
        calmer = min((side.max() for side in sides if len(side)), default=0.0)
        if changes[i] >= _CUT_RATIO * (calmer + _CUT_FLOOR):
            cuts.append(i)
    return np.array(cuts, np.int64)
