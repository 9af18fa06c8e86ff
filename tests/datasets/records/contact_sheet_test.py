"""Tests of the contact sheet: a person must see each split, and the frames around each cut."""

import numpy as np
from PIL import Image

from lmvp_tf.datasets.records import contact_sheet
from lmvp_tf.datasets.records.segments import Analysis, Segment
from lmvp_tf.datasets.video_sources import Clip

TRAIN, TEST, CUT = (70, 140, 70), (180, 60, 60), (60, 90, 200)  # colours around the pictures
TILE, LABEL = 96, 14


def analysed_clip(cuts=(), channels=1):
    """40 frames, each of its number's grey: the first 30 for training, the others for the test."""
    frames = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, channels))
    none = np.array([], np.int64)
    clip = Clip("drive.mp4", 25.0, frames.astype(np.uint8), np.arange(40), none)
    parts = [Segment("train", np.arange(30)), Segment("test", np.arange(30, 40))]
    return clip, Analysis(parts, none, np.array(cuts, np.int64), frozen=0, unused=0)


def tile(row, line, column):
    """(colour of the edge, value of the middle) of a tile."""
    top, left = LABEL + line * (TILE + LABEL), column * TILE
    pixels = np.asarray(row)
    return tuple(pixels[top + 1, left + 1].tolist()), int(pixels[top + 48, left + 48, 0])


def test_frames_are_spread_over_the_clip_in_their_splits_colours():
    row = contact_sheet.clip_row("drive", *analysed_clip())
    assert row.size == (12 * TILE, LABEL + TILE + LABEL)
    tiles = [tile(row, 0, column) for column in range(12)]
    assert [value for _, value in tiles] == [0, 3, 7, 10, 14, 17, 21, 24, 28, 31, 35, 39]
    assert [colour for colour, _ in tiles] == [TRAIN] * 9 + [TEST] * 3


def test_the_frames_before_and_after_a_cut_are_shown():
    row = contact_sheet.clip_row("drive", *analysed_clip(cuts=(11, 25), channels=3))
    assert [tile(row, 1, i) for i in range(4)] == [(CUT, 10), (CUT, 11), (CUT, 24), (CUT, 25)]


def test_a_clip_without_used_frames_has_an_empty_row():
    clip, found = analysed_clip()
    row = contact_sheet.clip_row("drive", clip, Analysis([], found.repeats, found.cuts, 0, 40))
    assert tile(row, 0, 0) == ((255, 255, 255), 255)


def test_the_sheet_stacks_the_clips(tmp_path):
    rows = [
        contact_sheet.clip_row("a", *analysed_clip()),
        contact_sheet.clip_row("b", *analysed_clip()),
    ]
    contact_sheet.write(tmp_path / "sheet.png", rows)
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.size == (12 * TILE, 2 * (LABEL + TILE + LABEL))
    assert tile(sheet.crop((0, 124, 1152, 248)), 0, 11) == (TEST, 39)
