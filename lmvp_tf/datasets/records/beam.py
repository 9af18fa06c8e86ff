"""Films read side by side, by Apache Beam, on one machine or many.

Reading is what takes the time of a build. The frames of each film go into a file of its own, and
what is known of them beside it; the shards are then written film after film, as without Beam.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from absl import logging

from lmvp_tf.datasets.records.spool import Spool
from lmvp_tf.errors import UserError
from lmvp_tf.films.film import Film
from lmvp_tf.films.find import PathLike, open_films
from lmvp_tf.films.options import FrameOptions

RUNNERS = {
    "direct": "DirectRunner",
    "flink": "FlinkRunner",
    "spark": "SparkRunner",
    "dataflow": "DataflowRunner",
}


def spools(
    inputs: Sequence[PathLike],
    films: Sequence[Film],
    options: FrameOptions,
    folder: pathlib.Path,
    runner: str,
    arguments: Sequence[str] = (),
) -> list[Stored]:
    """Reads all films into files of the folder, which all workers of the runner share.

    A film that cannot be read is left out, and a line says why.

    Args:
      inputs: where the films are; each worker opens them by itself.
      films: the films.
      options: FrameOptions.
      folder: for the files.
      runner: a key of RUNNERS.
      arguments: more pipeline options of Beam, as "--direct_num_workers=4".

    Returns:
      The films that were read, in order.

    Raises:
      UserError: Beam is not installed, or no film could be read.
    """
    try:
        import apache_beam
        from apache_beam.options.pipeline_options import PipelineOptions
    except ImportError as error:
        raise UserError("--runner needs Apache Beam: pip install 'lmvp-tf[beam]'") from error
    places = tuple(map(str, inputs))
    jobs = [Stored(places, i, options, str(folder / f"film-{i:06d}")) for i in range(len(films))]
    pipeline_options = PipelineOptions([f"--runner={RUNNERS[runner]}", *arguments])
    with apache_beam.Pipeline(options=pipeline_options) as pipeline:
        _ = (
            pipeline
            | apache_beam.Create(jobs)
            | apache_beam.Reshuffle()  # or one worker would read all
            | apache_beam.Map(Stored.write)
        )
    good = []
    for job in jobs:
        if (reason := job.failure()) is None:
            good.append(job)
        else:
            logging.warning("left out: %s", reason)
    if not good:
        raise UserError("no film could be read: see the lines above")
    return good


@dataclasses.dataclass(frozen=True)
class Stored:
    """A film whose frames one process reads into a file, and another one takes from there.

    Attributes:
      inputs: where all the films are.
      number: which of them it is.
      options: FrameOptions.
      path: of its files, without their endings.
    """

    inputs: tuple[str, ...]
    number: int
    options: FrameOptions
    path: str

    @property
    def film(self) -> Film:
        """The Film."""
        return _opened(self.inputs)[self.number]

    def write(self) -> None:
        """Reads the film. What is wrong with it is kept: it is no reason to stop the others."""
        try:
            with self._frames.open("w+b") as file:
                recording = Spool(self.film, self.options, file)
            with self._notes.open("wb") as file:
                np.savez(file, **recording.notes())
        except UserError as error:
            self._frames.unlink(missing_ok=True)
            self._failure.write_text(str(error), encoding="utf-8")

    def failure(self) -> str | None:
        """Why the film could not be read; None: it could."""
        return self._failure.read_text(encoding="utf-8") if self._failure.exists() else None

    @contextlib.contextmanager
    def read(self) -> Iterator[Spool]:
        """What was written; its files are gone after the block."""
        with np.load(self._notes) as notes, self._frames.open("rb") as file:
            yield Spool.of_notes(self.film, self.options, file, notes)
        self._frames.unlink()
        self._notes.unlink()

    @property
    def _frames(self) -> pathlib.Path:
        return pathlib.Path(f"{self.path}.raw")

    @property
    def _notes(self) -> pathlib.Path:
        return pathlib.Path(f"{self.path}.npz")

    @property
    def _failure(self) -> pathlib.Path:
        return pathlib.Path(f"{self.path}.txt")


@functools.lru_cache(maxsize=1)
def _opened(inputs: tuple[str, ...]) -> list[Film]:
    return open_films(inputs)
