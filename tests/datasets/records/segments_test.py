"""Tests of where windows may lie: cuts, repeats, gaps and changes of split."""

import itertools

import numpy as np

from lmvp_tf.datasets.records import segments


def drive(count, seed=0, size=32):
    """uint8 [count, size, size, 1]: a smooth random texture that moves by one pixel a frame."""
    rng = np.random.default_rng(seed)
    y, x, t = np.mgrid[:size, :size, :count]
    waves = np.zeros((size, size, count))
    for _ in range(8):
        ky, kx, phase = rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), rng.uniform(0, 6)
        waves += np.sin(kx * (x + t) + ky * y + phase)
    return np.moveaxis(128 + 15 * waves, 2, 0).clip(0, 255).astype(np.uint8)[..., None]


def changes_of(frames):
    changes = segments.Changes()
    for frame in frames:
        changes.add(frame)
    return changes.values()


def find_cuts(frames):
    return segments.find_cuts(changes_of(frames))


def analyse(frames, gaps=(), splits=None):
    splits = np.zeros(len(frames), np.int64) if splits is None else np.array(splits)
    return segments.analyse(changes_of(frames), np.array(gaps, np.int64), splits)


def lengths(found):
    return [(part.split, len(part.positions)) for part in found.segments]


def test_cuts_between_drives_are_found():
    frames = np.concatenate([drive(20, 1), drive(15, 2), drive(25, 3)])
    assert find_cuts(frames).tolist() == [20, 35]
    assert find_cuts(frames.repeat(3, -1)).tolist() == [20, 35]


def test_two_cuts_in_quick_succession_are_both_found():
    frames = np.concatenate([drive(20, 1), drive(2, 2), drive(20, 3)])
    assert find_cuts(frames).tolist() == [20, 22]


def test_a_splice_inside_one_drive_is_a_cut():
    frames = drive(100)
    frames = np.concatenate([frames[:20], frames[60:80]])
    assert find_cuts(frames).tolist() == [20]


def test_a_steady_drive_has_no_cut():
    assert len(find_cuts(drive(60))) == 0
    assert len(find_cuts(drive(1))) == 0


def test_a_jump_of_the_exposure_is_no_cut():
    frames = drive(30).astype(float)
    frames[15:] = frames[15:] * 0.5 + 40
    assert len(find_cuts(frames.astype(np.uint8))) == 0


def test_a_bridges_shadow_is_no_cut():
    frames = drive(40).astype(float)
    rows = np.arange(32)
    for t in range(40):  # its soft edge comes nearer by 3 rows a frame; behind it, light again
        entered = 1 / (1 + np.exp(-(3 * (t - 8) - rows) / 3))
        left = 1 / (1 + np.exp(-(3 * (t - 20) - rows) / 3))
        frames[t] *= (1 - 0.6 * (entered - left))[:, None, None]
    pairs = itertools.pairwise(frames.reshape(40, -1))
    assert max(1 - np.corrcoef(a, b)[0, 1] for a, b in pairs) > 0.1  # no small change
    assert len(find_cuts(frames.astype(np.uint8))) == 0


def test_slow_motion_is_one_segment_without_its_repeats():
    found = analyse(drive(10).repeat(3, axis=0))
    assert lengths(found) == [("train", 10)]
    assert found.segments[0].positions.tolist() == list(range(0, 30, 3))
    assert (len(found.repeats), found.frozen) == (20, 0)


def test_a_frozen_picture_ends_a_segment():
    frames = drive(20)
    frames = np.concatenate([frames[:8], frames[7:8].repeat(5, axis=0), frames[8:]])
    found = analyse(frames)
    assert lengths(found) == [("train", 8), ("train", 12)]
    assert found.repeats.tolist() == [8, 9, 10, 11, 12]
    assert found.frozen == 1


def test_a_picture_frozen_at_the_end_is_counted():
    frames = drive(8)
    found = analyse(np.concatenate([frames, frames[-1:].repeat(9, axis=0)]))
    assert (lengths(found), found.frozen) == ([("train", 8)], 1)


def test_cuts_gaps_and_splits_end_segments():
    frames = np.concatenate([drive(20, 1), drive(20, 2)])
    found = analyse(frames, gaps=[5], splits=[0] * 30 + [1] * 4 + [2] * 6)
    expected = [("train", 5), ("train", 15), ("train", 10), ("validation", 4), ("test", 6)]
    assert lengths(found) == expected
    assert found.cuts.tolist() == [20]
    every = np.concatenate([part.positions for part in found.segments])
    assert every.tolist() == list(range(40))


def test_a_gap_before_a_dropped_frame_still_ends_the_segment():
    frames = drive(10)
    frames[5] = frames[4]
    found = analyse(frames, gaps=[5])
    assert [part.positions.tolist() for part in found.segments] == [[0, 1, 2, 3, 4], [6, 7, 8, 9]]


def test_frames_outside_the_split_are_counted_and_left_out():
    found = analyse(drive(10), splits=[-1, -1, 0, 0, 0, -1, 2, 2, 2, -1])
    assert lengths(found) == [("train", 3), ("test", 3)]
    assert found.unused == 4
