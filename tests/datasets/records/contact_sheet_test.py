"""Tests of the contact sheet: a person must see each split, and the frames around each cut."""

import numpy as np
from PIL import Image

from lmvp_tf.datasets.records import contact_sheet
from lmvp_tf.datasets.records.segments import Analysis, Segment
from lmvp_tf.datasets.records.spool import Spool
from lmvp_tf.films.find import open_films
from lmvp_tf.films.options import FrameOptions

TRAIN, TEST, CUT = (70, 140, 70), (180, 60, 60), (60, 90, 200)  # colours around the pictures
TILE, LABEL = 96, 14


def analysed(folder, cuts=(), channels=1):
    """40 frames, each of its number's grey: the first 30 for training, the others for the test."""
    frames = np.arange(40, dtype=np.uint8)[:, None, None, None] * np.ones((1, 8, 8, channels))
    np.save(folder / "drive.npy", frames.astype(np.uint8))
    (film,) = open_films([folder / "drive.npy"])
    recording = Spool(film, FrameOptions(8, 8, channels=channels), (folder / "raw").open("w+b"))
    parts = [Segment("train", np.arange(30)), Segment("test", np.arange(30, 40))]
    none = np.array([], np.int64)
    return recording, Analysis(parts, none, np.array(cuts, np.int64), frozen=0, unused=0)


def tile(row, line, column):
    """(colour of the edge, value of the middle) of a tile."""
    top, left = LABEL + line * (TILE + LABEL), column * TILE
    pixels = np.asarray(row)
    return tuple(pixels[top + 1, left + 1].tolist()), int(pixels[top + 48, left + 48, 0])


def test_frames_are_spread_over_the_recording_in_their_splits_colours(tmp_path):
    row = contact_sheet.row("drive", *analysed(tmp_path))
    assert row.size == (12 * TILE, LABEL + TILE + LABEL)
    tiles = [tile(row, 0, column) for column in range(12)]
    assert [value for _, value in tiles] == [0, 3, 7, 10, 14, 17, 21, 24, 28, 31, 35, 39]
    assert [colour for colour, _ in tiles] == [TRAIN] * 9 + [TEST] * 3


def test_the_frames_before_and_after_a_cut_are_shown(tmp_path):
    row = contact_sheet.row("drive", *analysed(tmp_path, cuts=(11, 25), channels=3))
    assert [tile(row, 1, i) for i in range(4)] == [(CUT, 10), (CUT, 11), (CUT, 24), (CUT, 25)]


def test_a_recording_without_used_frames_has_an_empty_row(tmp_path):
    recording, found = analysed(tmp_path)
    row = contact_sheet.row("drive", recording, Analysis([], found.repeats, found.cuts, 0, 40))
    assert tile(row, 0, 0) == ((255, 255, 255), 255)


def test_the_sheet_stacks_the_recordings(tmp_path):
    rows = [
        contact_sheet.row("a", *analysed(tmp_path)),
        contact_sheet.row("b", *analysed(tmp_path)),
    ]
    contact_sheet.write(tmp_path / "sheet.png", rows)
    sheet = Image.open(tmp_path / "sheet.png")
    assert sheet.size == (12 * TILE, 2 * (LABEL + TILE + LABEL))
    assert tile(sheet.crop((0, 124, 1152, 248)), 0, 11) == (TEST, 39)


def test_of_many_recordings_some_are_shown():
    assert contact_sheet.shown(3) == {0, 1, 2}
    many = contact_sheet.shown(5000)
    assert len(many) == 60
    assert {0, 4999} < many


def test_frames_keep_their_aspect_ratio(tmp_path):
    np.save(tmp_path / "wide.npy", np.full((1, 8, 16, 3), 255, np.uint8))
    (film,) = open_films([tmp_path / "wide.npy"])
    recording = Spool(film, FrameOptions(8, 16, channels=3), (tmp_path / "raw").open("w+b"))
    none = np.array([], np.int64)
    parts = [Segment("train", np.arange(1))]
    row = contact_sheet.row("wide", recording, Analysis(parts, none, none, 0, 0))
    column = np.asarray(row)[LABEL : LABEL + TILE, TILE // 2]
    assert np.sum((column == 255).all(-1)) == 45  # of 90 wide
