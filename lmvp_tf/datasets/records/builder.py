"""Builds a data set of films: films -> frames -> segments -> TFRecord shards and dataset.json.

A folder with a `dataset.json` is a complete data set, whenever a build is interrupted: see
`files.whole_folder`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
from PIL import Image

from lmvp_tf import files, stopping
from lmvp_tf.datasets.records import beam, contact_sheet, index, segments, splits, spool
from lmvp_tf.datasets.records.splits import SPLITS
from lmvp_tf.datasets.records.tfrecords import SplitWriter
from lmvp_tf.errors import UserError
from lmvp_tf.films.film import Film, shown
from lmvp_tf.films.find import PathLike, open_films
from lmvp_tf.films.options import FrameOptions

SHEET = "contact_sheet.png"
WINDOW = 6  # frames of the windows that the summary counts: 3 in, 3 out
_MANY = 20  # recordings: of more the summary shows the totals alone


@dataclasses.dataclass(frozen=True)
class BuildOptions:
    """What is built.

    Attributes:
      frames: FrameOptions.
      split: see splits.SPLIT_SYNTAX.
      validation: see splits.VALIDATION_SYNTAX.
      overwrite: a complete data set of other parameters may be replaced.
      progress: show a progress bar on stdout.
      runner: of Apache Beam, to read films side by side: a key of beam.RUNNERS; None: in turn.
      beam: more pipeline options of Beam.
    """

    frames: FrameOptions
    split: str
    validation: str = "0.05"
    overwrite: bool = False
    progress: bool = False
    runner: str | None = None
    beam: Sequence[str] = ()


def build(inputs: Sequence[PathLike], output: PathLike, options: BuildOptions) -> dict[str, Any]:
    """Builds the data set.

    Args:
      inputs: what lmvp_tf.films.find.open_films opens, in order.
      output: the folder to write to.
      options: BuildOptions.

    Returns:
      What `dataset.json` holds.

    Raises:
      UserError: an input or an option cannot be used, or `output` holds another data set.
      RunError: a file cannot be written.
    """
    return build_films(open_inputs(inputs), inputs, pathlib.Path(output), options)


def open_inputs(inputs: Sequence[PathLike]) -> list[Film]:
    """The films in the inputs, at least one.

    Raises:
      UserError: there is no input, or no film in one.
    """
    if not inputs:
        raise UserError("give at least one --input: a video, a folder of frames, an array, ...")
    found = open_films(inputs)
    if not found:
        raise UserError(f"no film in {', '.join(map(str, inputs))}")
    return found


def build_films(
    films: list[Film], inputs: Sequence[PathLike], output: pathlib.Path, options: BuildOptions
) -> dict[str, Any]:
    """`build`, of films that were opened already."""
    names = [film.name for film in films]
    splits.parse(options.split, options.validation, names)  # before an hour is spent on reading
    parameters = _parameters(inputs, options)
    _refuse_other(output, parameters, options.overwrite)
    if not options.runner:
        for film in films:  # before an hour is spent on the others
            options.frames.box(film.width, film.height, shown(film.path))
    before = index.listed_shards(output) | {SHEET}
    with files.whole_folder(output, index.FILE, before) as new:
        with _spools(films, inputs, new, options) as (names, spools):
            rule = splits.parse(options.split, options.validation, names)
            recordings, writers, rows = _write_recordings(spools, len(names), rule, new)
        contact_sheet.write(new / SHEET, rows)
        content = _content(parameters, options.frames, recordings, writers)
        files.write_json(new / index.FILE, content)
        _refuse_other(output, parameters, options.overwrite)  # that was built meanwhile
    return content


def _parameters(inputs: Sequence[PathLike], options: BuildOptions) -> dict[str, Any]:
    """What makes one data set differ from another, as JSON holds it."""
    return {
        "inputs": [pathlib.Path(path).resolve().name for path in inputs],
        **index.films_to_json(options.frames),
        "split": options.split,
        "validation": options.validation,
    }


def _refuse_other(output: pathlib.Path, parameters: dict[str, Any], overwrite: bool) -> None:
    """Raises UserError where a complete data set of other parameters would be lost."""
    file = output / index.FILE
    if overwrite or not file.exists():
        return
    advice = "--overwrite replaces the data set"
    found = index.read_parameters(output, advice)
    other = [key for key in parameters if parameters[key] != found.get(key)]
    if other:
        key = other[0]
        raise UserError(
            f"{output} holds a data set with {key}={found.get(key)}, asked for is "
            f"{parameters[key]}: give another --output, or --overwrite to replace it"
        )


@contextlib.contextmanager
def _spools(
    films: list[Film], inputs: Sequence[PathLike], new: pathlib.Path, options: BuildOptions
) -> Iterator[tuple[list[str], Iterator[spool.Spool]]]:
    """(names of the films, each as it has been read), by Beam's runner or one after the other.

    Each is gone when the next one is asked for.
    """
    if options.runner:
        with tempfile.TemporaryDirectory(dir=new) as folder:
            how = options.runner, options.beam
            stored = beam.spools(inputs, films, options.frames, pathlib.Path(folder), *how)
            yield [one.film.name for one in stored], _stored(stored)
        return
    yield [film.name for film in films], _read_in_turn(films, new, options)


def _read_in_turn(
    films: list[Film], new: pathlib.Path, options: BuildOptions
) -> Iterator[spool.Spool]:
    with spool.open_file(new) as file, _progress(len(films), options.progress) as progress:
        for film in films:
            yield spool.Spool(film, options.frames, file, progress(film, options.frames))


def _stored(films: list[beam.Stored]) -> Iterator[spool.Spool]:
    for film in films:
        with film.read() as recording:
            yield recording


def _write_recordings(
    spools: Iterator[spool.Spool], num_films: int, rule: splits.SplitRule, new: pathlib.Path
) -> tuple[list[dict[str, Any]], dict[str, SplitWriter], list[Image.Image]]:
    """Writes the frames of each film to the shards of their splits."""
    recordings, rows, before = [], [], 0
    pictured = contact_sheet.shown(num_films)
    writers = {split: SplitWriter(new, split) for split in SPLITS}
    for number, recording in enumerate(spools):
        name = recording.film.name
        assigned = rule.assign(name, recording.numbers, before)
        before += len(recording)
        found = segments.analyse(recording.changes, recording.gaps, assigned)
        for i, segment in enumerate(found.segments):
            for position in stopping.unless_asked(segment.positions.tolist()):
                frame, place = recording.frame(position), int(recording.numbers[position])
                writers[segment.split].write(frame, place, number, i, name)
        recordings.append(_entry(recording, found))
        if number in pictured:
            rows.append(contact_sheet.row(name, recording, found))
    for writer in writers.values():
        writer.close()
    return recordings, writers, rows


@contextlib.contextmanager
def _progress(
    num_films: int, wanted: bool
) -> Iterator[Callable[[Film, FrameOptions], Callable[[int], None]]]:
    """A bar where somebody can see it: over the frames of one film, or over many films."""
    if not (wanted and sys.stdout.isatty()):
        yield lambda film, options: lambda done: None
        return
    many = num_films > 1
    bar = keras.utils.Progbar(
        num_films if many else None, interval=0.2, unit_name="film" if many else "frame"
    )
    begun = 0

    def next_film(film: Film, options: FrameOptions) -> Callable[[int], None]:
        nonlocal begun
        begun += 1
        if many:
            bar.update(begun, finalize=begun == num_films)
            return lambda done: None
        bar.target = film.count(options)
        return lambda done: bar.update(done, finalize=False)

    yield next_film
    if not many:
        print()


def _entry(recording: spool.Spool, found: segments.Analysis) -> dict[str, Any]:
    """What dataset.json says about a recording."""
    lengths: dict[str, list[int]] = {split: [] for split in SPLITS}
    for segment in found.segments:
        lengths[segment.split].append(len(segment.positions))
    return {
        "name": recording.film.name,
        "source": os.fsencode(recording.film.path.name).decode(errors="replace"),
        "fps": recording.fps,
        "frames_read": len(recording),
        "repeats": len(found.repeats),
        "frozen": found.frozen,
        "gaps": len(recording.gaps),
        "cuts": recording.numbers[found.cuts].tolist(),
        "unused": found.unused,
        "splits": {
            split: {
                "frames": sum(parts),
                "windows": sum(max(0, n - WINDOW + 1) for n in parts),
            }
            for split, parts in lengths.items()
        },
    }


def _content(
    parameters: dict[str, Any],
    frames: FrameOptions,
    recordings: list[dict[str, Any]],
    writers: dict[str, SplitWriter],
) -> dict[str, Any]:
    """The content of dataset.json."""
    totals = {
        split: {
            key: sum(recording["splits"][split][key] for recording in recordings)
            for key in ("frames", "windows")
        }
        for split in SPLITS
    }
    return {
        "format": index.FORMAT,
        "version": index.VERSION,
        "parameters": parameters,
        "films": index.films_to_json(frames),
        "window": WINDOW,
        "splits": totals,
        "recordings": recordings,
        "shards": [dataclasses.asdict(s) for writer in writers.values() for s in writer.shards],
        "runs": {
            split: [list(dataclasses.astuple(run)) for run in writer.runs]
            for split, writer in writers.items()
        },
    }


def summary(content: dict[str, Any]) -> str:
    """The counts of a data set as lines of text.

    Args:
      content: what `build` returns.
    """
    titles = "".join(f"{split:>18}" for split in SPLITS)
    recordings = content["recordings"]
    listed = recordings if len(recordings) <= _MANY else []
    heading = f"{'recording':24}{'read':>8}{'repeats':>9}{'cuts':>6}{'gaps':>6}{'unused':>8}"
    lines = [heading + titles]
    for entry in listed:
        counts = f"{entry['frames_read']:8}{entry['repeats']:9}{len(entry['cuts']):6}"
        counts += f"{entry['gaps']:6}{entry['unused']:8}"
        lines.append(f"{entry['name'][:23]:24}{counts}" + _split_counts(entry["splits"]))
    name = "all" if listed else f"all {len(recordings)} recordings"
    lines.append(f"{name:61}" + _split_counts(content["splits"]))
    lines.append(f"Under each split: frames / windows of {content['window']} frames.")
    for entry in listed:
        if entry["cuts"]:
            numbers = ", ".join(str(number) for number in entry["cuts"][:20])
            more = " ..." if len(entry["cuts"]) > 20 else ""
            lines.append(f"{entry['name']}: cuts at frame {numbers}{more}")
        if entry["frozen"]:
            lines.append(f"{entry['name']}: {entry['frozen']} frozen pictures")
    return "\n".join(lines)


def _split_counts(counts: dict[str, dict[str, int]]) -> str:
    texts = (f"{part['frames']} / {part['windows']}" for part in counts.values())
    return "".join(f"{text:>18}" for text in texts)
