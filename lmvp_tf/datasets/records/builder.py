"""Builds a Highway dataset: sources -> frames -> segments -> TFRecord shards and dataset.json.

A build works in a hidden folder inside its output folder. Only when everything is written are the
shards moved to their places, between removing the old `dataset.json` and writing the new one: a
folder with a `dataset.json` is a complete dataset, whenever a build is interrupted.
"""

import contextlib
import dataclasses
import json
import pathlib
import re
import shutil
import sys
import tempfile

import keras

from lmvp_tf import files
from lmvp_tf.datasets import video_sources
from lmvp_tf.datasets.records import contact_sheet, segments, tfrecords
from lmvp_tf.datasets.records.tfrecords import INDEX, SPLITS
from lmvp_tf.errors import RunError, UserError

SHEET = "contact_sheet.png"
WINDOW = 6  # frames of the windows that the summary counts: 3 in, 3 out
_STAGING = ".building-"


@dataclasses.dataclass(frozen=True)
class BuildOptions:
    """What is built.

    Attributes:
      frames: FrameOptions.
      split: see segments.SPLIT_SYNTAX.
      validation: share of each clip's training frames, at their end, that become validation.
      overwrite: a complete dataset of other parameters may be replaced.
      progress: show a progress bar on stdout.
    """

    frames: video_sources.FrameOptions
    split: str
    validation: float = 0.05
    overwrite: bool = False
    progress: bool = False


def build(inputs, output, options):
    """Builds the dataset.

    Args:
      inputs: paths of videos, folders of numbered frames and HDF5 files, in order.
      output: the folder to write to.
      options: BuildOptions.

    Returns:
      What `dataset.json` holds, as a dict.

    Raises:
      UserError: an input or an option cannot be used, or `output` holds another dataset.
      RunError: a file cannot be written.
    """
    if not inputs:
        raise UserError("give at least one --input: a video, a folder of frames, or an HDF5 file")
    inputs = [pathlib.Path(path) for path in inputs]
    output = pathlib.Path(output)
    names = clip_names(inputs)
    rule = segments.parse_split(options.split, names, options.validation)
    parameters = _parameters(inputs, options)
    _refuse_other(output, parameters, options.overwrite)
    with _staging_folder(output) as staging:
        clips, shards, rows = _write_clips(inputs, names, rule, staging, options)
        contact_sheet.write(staging / SHEET, rows)
        index = _index(parameters, clips, shards)
        _publish(staging, output, index)
    return index


def clip_names(inputs):
    """A name for each input: what comes before its ending, made safe, and unique by -2, -3, ..."""
    names = []
    for path in inputs:
        stem = re.sub(r"[^\w.-]", "_", path.stem if path.is_file() else path.resolve().name)
        name, copy = stem, 1
        while name in names:
            copy += 1
            name = f"{stem}-{copy}"
        names.append(name)
    return names


def _parameters(inputs, options):
    """What makes one dataset differ from another, as JSON holds it."""
    frames = dataclasses.asdict(options.frames)
    return {
        "inputs": [path.resolve().name for path in inputs],
        **frames,
        "crop": frames["crop"] if isinstance(frames["crop"], str) else list(frames["crop"]),
        "split": options.split,
        "validation": options.validation,
    }


def _refuse_other(output, parameters, overwrite):
    """Raises UserError where a complete dataset of other parameters would be lost."""
    index = output / INDEX
    if overwrite or not index.exists():
        return
    try:
        found = json.loads(index.read_text(encoding="utf-8")).get("parameters", {})
    except (ValueError, AttributeError) as error:
        raise UserError(f"{index}: damaged; --overwrite replaces the dataset") from error
    other = [key for key in parameters if parameters[key] != found.get(key)]
    if other:
        key = other[0]
        raise UserError(
            f"{output} holds a dataset with {key}={found.get(key)}, asked for is "
            f"{parameters[key]}: give another --output, or --overwrite to replace it"
        )


@contextlib.contextmanager
def _staging_folder(output):
    """A folder inside `output`, gone afterwards; an interrupted build's goes first."""
    try:
        output.mkdir(parents=True, exist_ok=True)
        for leftover in output.glob(f"{_STAGING}*"):
            shutil.rmtree(leftover)
        folder = tempfile.TemporaryDirectory(prefix=_STAGING, dir=output)
    except OSError as error:
        raise RunError(f"cannot write to {output}: {error.strerror}") from error
    with folder as name:
        yield pathlib.Path(name)


def _write_clips(inputs, names, rule, staging, options):
    """Reads each clip and writes its shards; one clip's frames are in memory at a time."""
    clips, shards, rows = [], [], []
    before = 0
    for clip_id, (path, name) in enumerate(zip(inputs, names, strict=True)):
        clip = _read_clip(path, name, options)
        splits = rule.assign(name, clip.numbers, before)
        before += len(clip.frames)
        found = segments.analyse(clip, splits)
        facts = {"clip_id": clip_id, "clip": name, "source": clip.source, "fps": clip.fps}
        for segment_id, segment in enumerate(found.segments):
            shards += _write_segment(clip, segment, segment_id, facts, staging)
        clips.append(_clip_entry(clip, found, facts))
        rows.append(contact_sheet.clip_row(name, clip, found))
    return clips, shards, rows


def _read_clip(path, name, options):
    """Reads a clip, with a progress bar where somebody can see it."""
    if not (options.progress and sys.stdout.isatty()):
        return video_sources.read_clip(path, options.frames)
    print(name)
    bar = keras.utils.Progbar(None, interval=0.2, unit_name="frame")

    def show(done, expected):
        bar.target = max(done + 1, expected)
        bar.update(done, finalize=False)

    clip = video_sources.read_clip(path, options.frames, show)
    bar.target = len(clip.frames)
    bar.update(bar.target, finalize=True)
    return clip


def _write_segment(clip, segment, segment_id, facts, folder):
    """Writes a segment in shards of up to SHARD_FRAMES frames. Returns a list of Shard."""
    entries = []
    for start in range(0, len(segment.positions), tfrecords.SHARD_FRAMES):
        positions = segment.positions[start : start + tfrecords.SHARD_FRAMES]
        numbers = clip.numbers[positions]
        file = f"{segment.split}-{facts['clip']}-{numbers[0]:07d}.tfrecord"
        digest = tfrecords.write_shard(folder / file, clip.frames[positions], numbers, facts)
        entries.append(
            tfrecords.Shard(
                file=file,
                split=segment.split,
                clip=facts["clip"],
                segment=segment_id,
                first_frame=int(numbers[0]),
                frames=len(positions),
                sha256=digest,
            )
        )
    return entries


def _clip_entry(clip, found, facts):
    """What dataset.json says about a clip."""
    lengths = {split: [] for split in SPLITS}
    for segment in found.segments:
        lengths[segment.split].append(len(segment.positions))
    return {
        "name": facts["clip"],
        "source": clip.source,
        "fps": clip.fps,
        "frames_read": len(clip.frames),
        "repeats": len(found.repeats),
        "frozen": found.frozen,
        "gaps": len(clip.gaps),
        "cuts": clip.numbers[found.cuts].tolist(),
        "unused": found.unused,
        "splits": {
            split: {
                "frames": sum(parts),
                "windows": sum(max(0, n - WINDOW + 1) for n in parts),
            }
            for split, parts in lengths.items()
        },
    }


def _index(parameters, clips, shards):
    """The content of dataset.json."""
    totals = {
        split: {
            key: sum(clip["splits"][split][key] for clip in clips) for key in ("frames", "windows")
        }
        for split in SPLITS
    }
    return {
        "format": tfrecords.FORMAT,
        "version": tfrecords.FORMAT_VERSION,
        "parameters": parameters,
        "window": WINDOW,
        "splits": totals,
        "clips": clips,
        "shards": [dataclasses.asdict(shard) for shard in shards],
    }


def _publish(staging, output, index):
    """Moves a finished build to its place; dataset.json goes first and comes last."""
    new = [shard["file"] for shard in index["shards"]]
    try:
        stale = _listed_shards(output / INDEX) - set(new)
        (output / INDEX).unlink(missing_ok=True)
        for file in [*new, SHEET]:
            (staging / file).replace(output / file)
        for file in stale:
            (output / file).unlink(missing_ok=True)
    except OSError as error:
        raise RunError(f"cannot write to {output}: {error.strerror}") from error
    files.write_json(output / INDEX, index)


def _listed_shards(path):
    """Names of the shards of a dataset.json; none where it is missing or damaged."""
    try:
        shards = json.loads(path.read_text(encoding="utf-8"))["shards"]
        return {pathlib.Path(shard["file"]).name for shard in shards}
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return set()


def summary(index):
    """The counts of a dataset as lines of text.

    Args:
      index: what `build` returns.
    """
    lines = [
        f"{'clip':24}{'read':>8}{'repeats':>9}{'cuts':>6}{'gaps':>6}{'unused':>8}" + _split_titles()
    ]
    for clip in index["clips"]:
        counts = f"{clip['frames_read']:8}{clip['repeats']:9}{len(clip['cuts']):6}"
        counts += f"{clip['gaps']:6}{clip['unused']:8}"
        lines.append(f"{clip['name'][:23]:24}{counts}" + _split_counts(clip["splits"]))
    lines.append(f"{'all':61}" + _split_counts(index["splits"]))
    lines.append(f"Under each split: frames / windows of {index['window']} frames.")
    for clip in index["clips"]:
        if clip["cuts"]:
            shown = ", ".join(str(number) for number in clip["cuts"][:20])
            more = " ..." if len(clip["cuts"]) > 20 else ""
            lines.append(f"{clip['name']}: cuts at frame {shown}{more}")
        if clip["frozen"]:
            lines.append(f"{clip['name']}: {clip['frozen']} frozen pictures")
    return "\n".join(lines)


def _split_titles():
    return "".join(f"{split:>18}" for split in SPLITS)


def _split_counts(splits):
    texts = (f"{counts['frames']} / {counts['windows']}" for counts in splits.values())
    return "".join(f"{text:>18}" for text in texts)
