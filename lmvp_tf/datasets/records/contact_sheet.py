"""A picture of what went into a dataset: frames of every clip, by split, and its cuts."""

import numpy as np
from PIL import Image, ImageDraw

from lmvp_tf.files import atomic_path

_COLUMNS = 12
_MAX_CUTS = 6  # shown per clip, each as the frames before and after it
_TILE = 96  # pixels
_LABEL = 14
_COLOURS = {"train": (70, 140, 70), "validation": (200, 150, 40), "test": (180, 60, 60)}
_CUT_COLOUR = (60, 90, 200)


def clip_row(name, clip, found):
    """Draws a clip: frames spread over it, and the frames around its first cuts.

    Args:
      name: the clip's name.
      clip: a video_sources.Clip.
      found: its highway_segments.Analysis.

    Returns:
      A PIL image.
    """
    split_of = {int(i): part.split for part in found.segments for i in part.positions}
    used = np.array(sorted(split_of), np.int64)
    shown = used[np.linspace(0, len(used) - 1, min(_COLUMNS, len(used))).astype(int)]
    tiles = [_tile(clip, i, _COLOURS[split_of[int(i)]]) for i in shown]
    cuts = found.cuts[:_MAX_CUTS]
    pairs = [_tile(clip, i, _CUT_COLOUR) for cut in cuts for i in (cut - 1, cut)]
    rows = [tiles, pairs] if pairs else [tiles]
    height = _TILE + _LABEL
    image = Image.new("RGB", (_COLUMNS * _TILE, _LABEL + len(rows) * height), "white")
    _write_title(ImageDraw.Draw(image), name, list(split_of.values()), found)
    for row, row_tiles in enumerate(rows):
        for column, tile in enumerate(row_tiles):
            image.paste(tile, (column * _TILE, _LABEL + row * height))
    return image


def _write_title(draw, name, splits, found):
    """The clip's counts; each split's in the colour that its frames have below."""
    texts = [(f"{name}: cuts {len(found.cuts)}, repeats {len(found.repeats)},", "black")]
    texts += [(f"{split} {splits.count(split)}", colour) for split, colour in _COLOURS.items()]
    left = 2
    for text, colour in texts:
        draw.text((left, 1), text, fill=colour)
        left += draw.textlength(text) + 8


def _tile(clip, position, colour):
    """One frame with its number under it, in a frame of the given colour."""
    frame = clip.frames[position]
    picture = Image.fromarray(frame[..., 0] if frame.shape[-1] == 1 else frame).convert("RGB")
    tile = Image.new("RGB", (_TILE, _TILE + _LABEL), colour)
    tile.paste(picture.resize((_TILE - 6, _TILE - 6), Image.Resampling.NEAREST), (3, 3))
    number = str(clip.numbers[position])
    ImageDraw.Draw(tile).text((4, _TILE - 2), number, fill="white")
    return tile


def write(path, rows):
    """Stacks the clips' pictures and writes them as one PNG."""
    sheet = Image.new("RGB", (rows[0].width, sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    with atomic_path(path) as temporary:
        sheet.save(temporary)
