"""Builds a data set from films: videos, folders of frames, arrays, folders of all these.

    python data/build_videos.py --input a.mp4 clips/ --output data/mine --size=72x128 --color=rgb
    python data/build_highway.py --input drive.mp4 frames/ --output data/highway --stride=2

Both are this program; the second's defaults are the paper's: grey squares. It writes TFRecord
shards, `dataset.json` and `contact_sheet.png`, and prints what went in.
"""

from __future__ import annotations

import pathlib
import sys
from typing import NamedTuple

from absl import flags

from lmvp_tf import runtime
from lmvp_tf.commands import cli, film_flags
from lmvp_tf.datasets.records import splits
from lmvp_tf.datasets.records.beam import RUNNERS
from lmvp_tf.errors import UserError
from lmvp_tf.films.film import Film
from lmvp_tf.films.options import FrameOptions, parse_crop, parse_size

_LONGEST = 128  # pixels of a frame's longer side, where no size is given
_GRID = 4  # such a side is a multiple of so many pixels
_MANY = 10  # recordings: so many are split as wholes, where no split is given


class Defaults(NamedTuple):
    """What a flag means where it is not given; "" leaves it to the films."""

    output: str
    size: str
    color: str
    split: str
    validation: str


HIGHWAY = Defaults("data/highway", "128", "grey", "fraction:0.8", "0.05")
VIDEOS = Defaults("data/videos", "", "rgb", "", "")

_INPUT = flags.DEFINE_multi_string(
    "input", [], "videos, folders of frames, arrays, folders of these: --input PATH [PATH ...]"
)
_OUTPUT = flags.DEFINE_string("output", None, "folder of the data set")
_STRIDE = flags.DEFINE_integer("stride", 1, "keep every so many-th frame", lower_bound=1)
_FPS = flags.DEFINE_float("fps", None, "keep so many frames per second instead", lower_bound=1e-3)
_SIZE = flags.DEFINE_string(
    "size",
    None,
    "HEIGHTxWIDTH of the frames in pixels, as 72x128, or 64 for a square: at least the model's. "
    f"Not given: 128 for Highway, twice the model's 64 for its random crops; else up to {_LONGEST} "
    "on the longer side, in the first film's aspect ratio",
)
_CROP = flags.DEFINE_string(
    "crop",
    "centre",
    "centre: the largest part of the frames' aspect ratio; none: the whole picture, squeezed; or "
    "x,y,w,h in pixels",
)
_COLOR = flags.DEFINE_enum("color", None, ["grey", "rgb"], "BT.601 luminance, or colours")
_SPLIT = flags.DEFINE_string(
    "split",
    None,
    f"{splits.SPLIT_SYNTAX}. Not given: clips:0.8 of {_MANY} recordings and more (but for "
    "Highway), else fraction:0.8",
)
_VALIDATION = flags.DEFINE_string(
    "validation",
    None,
    f"what is held out of the training frames to select by: {splits.VALIDATION_SYNTAX}. 0: "
    "nothing. Not given: clips:0.05 where whole clips are split, else 0.05",
)
_RUNNER = flags.DEFINE_enum(
    "runner",
    None,
    list(RUNNERS),
    "read the films side by side by Apache Beam; those that cannot be read are left out. Not "
    "given: one after the other",
)
_BEAM = flags.DEFINE_multi_string(
    "beam", [], "a pipeline option of Beam, as --beam=--direct_num_workers=4; as often as wanted"
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace a data set of other parameters")


def build(defaults: Defaults) -> None:
    """Flags -> options -> build -> summary."""
    film_flags.set_limits()
    if _FPS.value is not None and flags.FLAGS["stride"].present:
        raise UserError("--fps and --stride exclude each other")
    if _BEAM.value and not _RUNNER.value:
        raise UserError("--beam is of --runner: give both or neither")
    crop = parse_crop(_CROP.value)
    size = parse_size(_SIZE.value or defaults.size) if _SIZE.value or defaults.size else None
    runtime.import_tensorflow()
    from lmvp_tf.datasets.records import builder

    films = builder.open_inputs(_INPUT.value)
    height, width = size or _size(films[0], crop)
    split = _SPLIT.value or defaults.split
    split = split or ("clips:0.8" if len(films) >= _MANY else "fraction:0.8")
    validation = _VALIDATION.value or defaults.validation
    validation = validation or ("clips:0.05" if split.startswith("clips:") else "0.05")
    options = builder.BuildOptions(
        frames=FrameOptions(
            height=height,
            width=width,
            crop=crop,
            channels=3 if (_COLOR.value or defaults.color) == "rgb" else 1,
            stride=_STRIDE.value,
            fps=_FPS.value,
        ),
        split=split,
        validation=validation,
        overwrite=_OVERWRITE.value,
        progress=True,
        runner=_RUNNER.value,
        beam=_BEAM.value,
    )
    output = pathlib.Path(_OUTPUT.value or defaults.output)
    found = builder.build_films(films, _INPUT.value, output, options)
    colour = "RGB" if options.frames.channels == 3 else "grey"
    print(f"Frames of {height}x{width}, {colour}; --split={split} --validation={validation}")
    print(builder.summary(found))
    print(f"Written to {output}; look at {output / builder.SHEET}")


def _size(film: Film, crop: str | tuple[int, int, int, int]) -> tuple[int, int]:
    """The first film's aspect ratio with its longer side of up to _LONGEST pixels."""
    height, width = film.height, film.width
    if not isinstance(crop, str):
        height, width = crop[3], crop[2]
    scale = min(1.0, _LONGEST / max(height, width))
    return _side(height, scale), _side(width, scale)


def _side(length: int, scale: float) -> int:
    """A side in pixels: a multiple of _GRID that is no longer than the film's."""
    nearest = _GRID * round(length * scale / _GRID)
    return max(min(nearest, length // _GRID * _GRID), min(length, _GRID))


def run(defaults: Defaults = VIDEOS) -> None:
    """The program."""
    sys.argv = _spread_inputs(sys.argv)

    def main(argv: list[str]) -> None:
        del argv
        build(defaults)

    cli.run(main)


def _spread_inputs(argv: list[str]) -> list[str]:
    """Turns `--input A B` into `--input=A --input=B`, so that a shell's *.mp4 works."""
    spread, inside = [], False
    for word in argv:
        if word.startswith("-"):
            inside = word == "--input"
            spread += [] if inside else [word]
        else:
            spread.append(f"--input={word}" if inside else word)
    return spread
