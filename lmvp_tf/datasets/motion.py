"""How far things move in videos, measured by block matching: what the filters have to reach."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

BLOCK = 8  # pixels, the side of a block
_FLAT = 0.02  # standard deviation in [0, 1] below which a block has nothing to match
_BETTER = 0.6  # a match counts if it leaves less of what standing still leaves: noise leaves 0.7

Frames = npt.NDArray[np.float32]


def displacements(before: Frames, now: Frames, radius: int = 12) -> npt.NDArray[np.float64]:
    """How far the blocks of some frames have moved since the frame before.

    Every block of `now` is compared with `before` at all whole shifts up to `radius` pixels each
    way, by the sum of absolute differences. Of equally good shifts the shortest counts. Blocks
    without texture are left out: they match anywhere.

    Args:
      before, now: [N, H, W, C] in [0, 1], at least one block high and wide.
      radius: of the search, pixels.

    Returns:
      float64 [M], the lengths in pixels (the larger of |dy| and |dx|, which a square filter has to
      reach), of all blocks with texture.
    """
    before, now = before.mean(axis=-1), now.mean(axis=-1)
    height, width = (length // BLOCK * BLOCK for length in now.shape[1:])
    now = now[:, :height, :width]
    padded = np.pad(before, ((0, 0), (radius, radius), (radius, radius)), mode="edge")
    shifts = [(y, x) for y in range(-radius, radius + 1) for x in range(-radius, radius + 1)]
    shifts.sort(key=lambda shift: (max(map(abs, shift)), sum(map(abs, shift))))
    still = best = _block_sums(np.abs(now - before[:, :height, :width]))
    reach = np.zeros(best.shape)
    for y, x in shifts[1:]:
        moved = padded[:, radius + y :, radius + x :][:, :height, :width]
        error = _block_sums(np.abs(now - moved))
        better = (error < best) & (error < _BETTER * still)
        best = np.where(better, error, best)
        reach[better] = max(abs(y), abs(x))
    mean = _block_sums(now) / BLOCK**2
    deviation = np.sqrt(np.maximum(_block_sums(now**2) / BLOCK**2 - mean**2, 0))
    return reach[deviation > _FLAT]


def _block_sums(frames: Frames) -> Frames:
    """[N, H, W] -> [N, H / BLOCK, W / BLOCK]."""
    count, height, width = frames.shape
    blocks = frames.reshape(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    return blocks.sum(axis=(2, 4), dtype=np.float32)
