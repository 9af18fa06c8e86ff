"""A picture of what went into a data set: frames of its recordings, by split, and their cuts."""

from __future__ import annotations

import pathlib

import numpy as np
from PIL import Image, ImageDraw

from lmvp_tf.datasets.records.segments import Analysis
from lmvp_tf.datasets.records.spool import Spool
from lmvp_tf.files import atomic_path

MAX_RECORDINGS = 60  # shown: more are a picture that no program opens
_COLUMNS = 12
_MAX_CUTS = 6  # shown per recording, each as the frames before and after it
_TILE = 96  # pixels
_LABEL = 14
_EDGE = 3
_COLOURS = {"train": (70, 140, 70), "validation": (200, 150, 40), "test": (180, 60, 60)}
_CUT_COLOUR = (60, 90, 200)

Colour = tuple[int, int, int]


def shown(count: int) -> set[int]:
    """Which of so many recordings a sheet shows: all, or some that are spread over them."""
    return set(np.linspace(0, count - 1, min(count, MAX_RECORDINGS)).astype(int).tolist())


def row(name: str, recording: Spool, found: Analysis) -> Image.Image:
    """Draws a recording: frames spread over it, and the frames around its first cuts."""
    split_of = {int(i): part.split for part in found.segments for i in part.positions}
    used = np.array(sorted(split_of), np.int64)
    chosen = used[np.linspace(0, len(used) - 1, min(_COLUMNS, len(used))).astype(int)]
    tiles = [_tile(recording, i, _COLOURS[split_of[int(i)]]) for i in chosen]
    cuts = found.cuts[:_MAX_CUTS]
    pairs = [_tile(recording, i, _CUT_COLOUR) for cut in cuts for i in (cut - 1, cut)]
    lines = [tiles, pairs] if pairs else [tiles]
    height = _TILE + _LABEL
    image = Image.new("RGB", (_COLUMNS * _TILE, _LABEL + len(lines) * height), "white")
    _write_title(ImageDraw.Draw(image), name, list(split_of.values()), found)
    for i, line in enumerate(lines):
        for column, tile in enumerate(line):
            image.paste(tile, (column * _TILE, _LABEL + i * height))
    return image


def _write_title(draw: ImageDraw.ImageDraw, name: str, splits: list[str], found: Analysis) -> None:
    """The recording's counts; each split's in the colour that its frames have below."""
    texts: list[tuple[str, Colour | str]] = [
        (f"{name}: cuts {len(found.cuts)}, repeats {len(found.repeats)},", "black")
    ]
    texts += [(f"{split} {splits.count(split)}", colour) for split, colour in _COLOURS.items()]
    left = 2.0
    for text, colour in texts:
        draw.text((left, 1), text, fill=colour)
        left += draw.textlength(text) + 8


def _tile(recording: Spool, position: int, colour: Colour) -> Image.Image:
    """One frame in its aspect ratio, with its number under it, on the given colour."""
    frame = recording.frame(position)
    picture = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame).convert("RGB")
    room = _TILE - 2 * _EDGE
    scale = room / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    tile = Image.new("RGB", (_TILE, _TILE + _LABEL), colour)
    corner = (_EDGE + (room - width) // 2, _EDGE + (room - height) // 2)
    tile.paste(picture.resize((width, height), Image.Resampling.NEAREST), corner)
    number = str(recording.numbers[position])
    ImageDraw.Draw(tile).text((4, _TILE - 2), number, fill="white")
    return tile


def write(path: pathlib.Path, rows: list[Image.Image]) -> None:
    """Stacks the recordings' pictures and writes them as one PNG."""
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)), "white")
    top = 0
    for picture in rows:
        sheet.paste(picture, (0, top))
        top += picture.height
    with atomic_path(path) as temporary:
        sheet.save(temporary)
