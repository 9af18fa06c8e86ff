"""Builds a Highway dataset from videos, folders of numbered frames, and the DFN authors' HDF5.

    python data/build_highway.py --input drive.mp4 frames/ --output data/highway --stride 2

It writes TFRecord shards, `dataset.json` and `contact_sheet.png`, and prints what went in.
"""

from __future__ import annotations

import sys

from absl import flags

from lmvp_tf.commands import cli
from lmvp_tf.datasets import video_sources
from lmvp_tf.datasets.records import builder, segments
from lmvp_tf.errors import UserError

_INPUT = flags.DEFINE_multi_string(
    "input", [], "videos, folders of numbered frames, HDF5 files: --input PATH [PATH ...]"
)
_OUTPUT = flags.DEFINE_string("output", "data/highway", "folder of the dataset")
_STRIDE = flags.DEFINE_integer("stride", 1, "keep every so many-th frame", lower_bound=1)
_FPS = flags.DEFINE_float("fps", None, "keep so many frames per second instead", lower_bound=1e-3)
_SIZE = flags.DEFINE_integer(
    "size",
    128,
    "height and width of the frames, pixels: at least the model's 64, and twice that for training "
    "that takes squares of them (preset small)",
    lower_bound=8,
)
_CROP = flags.DEFINE_string(
    "crop", "centre", "centre: the largest square; none: the whole picture, squeezed; or x,y,w,h"
)
_COLOR = flags.DEFINE_enum("color", "grey", ["grey", "rgb"], "BT.601 luminance, or colours")
_SPLIT = flags.DEFINE_string("split", "fraction:0.8", segments.SPLIT_SYNTAX)
_VALIDATION = flags.DEFINE_float(
    "validation", 0.05, "share of each clip's training frames, at their end, held out to select by"
)
_OVERWRITE = flags.DEFINE_bool("overwrite", False, "replace a dataset of other parameters")


def main(argv: list[str]) -> None:
    """Flags -> options -> build -> summary."""
    del argv
    if _FPS.value is not None and flags.FLAGS["stride"].present:
        raise UserError("--fps and --stride exclude each other")
    frames = video_sources.FrameOptions(
        size=_SIZE.value,
        crop=video_sources.parse_crop(_CROP.value),
        channels=1 if _COLOR.value == "grey" else 3,
        stride=_STRIDE.value,
        fps=_FPS.value,
    )
    options = builder.BuildOptions(
        frames=frames,
        split=_SPLIT.value,
        validation=_VALIDATION.value,
        overwrite=_OVERWRITE.value,
        progress=True,
    )
    index = builder.build(_INPUT.value, _OUTPUT.value, options)
    print(builder.summary(index))
    print(f"Written to {_OUTPUT.value}; look at {_OUTPUT.value}/{builder.SHEET}")


def run() -> None:
    """The program."""
    sys.argv = _spread_inputs(sys.argv)
    cli.run(main)


def _spread_inputs(argv: list[str]) -> list[str]:
    """Turns `--input A B` into `--input=A --input=B`, so that a shell's *.mp4 works."""
    spread: list[str] = []
    inside = False
    for word in argv:
        if word.startswith("-"):
            inside = word == "--input"
            spread += [] if inside else [word]
        else:
            spread.append(f"--input={word}" if inside else word)
    return spread
