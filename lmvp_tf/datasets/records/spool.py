"""A film while it is read into a data set: its frames wait in a file until all are known.

Which split a frame is for depends on how many there are, and of a damaged film that shows only at
its end. So frames go to disk as they come, and memory holds a few numbers of each.
"""

from __future__ import annotations

import pathlib
import tempfile
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from lmvp_tf.datasets.records.segments import Changes
from lmvp_tf.errors import RunError
from lmvp_tf.films.film import Film
from lmvp_tf.films.options import FrameOptions

Pixels = npt.NDArray[np.uint8]


class Spool:
    """The kept frames of a film.

    Attributes:
      film: the Film.
      fps: kept frames per second; 0 where the film knows no time.
      numbers: int64 [N], the frames' numbers in the film.
      gaps: int64 [G], positions i such that frames are missing between i - 1 and i.
      changes: float32 [N], see segments.Changes.
    """

    def __init__(
        self,
        film: Film,
        options: FrameOptions,
        file: BinaryIO,
        progress: Callable[[int], None] = lambda done: None,
    ) -> None:
        """Reads the film.

        Args:
          film: the Film.
          options: FrameOptions.
          file: open for writing and reading; what is in it is overwritten.
          progress: called with the number of frames so far.

        Raises:
          UserError: the film cannot be read or does not fit the options.
          RunError: the file cannot be written.
        """
        self.film = film
        self._file, self._shape = file, (options.height, options.width, options.channels)
        numbers: list[int] = []
        gaps: list[int] = []
        changes = Changes()
        file.seek(0)
        for frame in film.frames(options):
            try:
                file.write(np.ascontiguousarray(frame.pixels).data)
            except OSError as error:
                raise RunError(f"cannot keep the frames of a film: {error.strerror}") from error
            changes.add(frame.pixels)
            if frame.gap:
                gaps.append(len(numbers))
            numbers.append(frame.number)
            progress(len(numbers))
        self.fps = film.kept_fps(options)
        self.numbers = np.array(numbers, np.int64)
        self.gaps = np.array(gaps, np.int64)
        self.changes = changes.values()

    def notes(self) -> dict[str, Any]:
        """What `of_notes` takes beside the file of the frames, as np.savez writes it."""
        return {name: getattr(self, name) for name in ("fps", "numbers", "gaps", "changes")}

    @classmethod
    def of_notes(
        cls, film: Film, options: FrameOptions, file: BinaryIO, notes: Mapping[str, Any]
    ) -> Spool:
        """The kept frames of a film that was read before, into this file."""
        spool = cls.__new__(cls)
        spool.film, spool.fps = film, float(notes["fps"])
        spool._file, spool._shape = file, (options.height, options.width, options.channels)
        spool.numbers, spool.gaps = notes["numbers"], notes["gaps"]
        spool.changes = notes["changes"]
        return spool

    def __len__(self) -> int:
        return len(self.numbers)

    def frame(self, position: int) -> Pixels:
        """The frame at a position, uint8 [H, W, C]."""
        size = int(np.prod(self._shape))
        self._file.seek(position * size)
        return np.frombuffer(self._file.read(size), np.uint8).reshape(self._shape)


def open_file(folder: pathlib.Path) -> BinaryIO:
    """A file without a name for spools, one after the other, on the disk of a folder."""
    return tempfile.TemporaryFile(dir=folder)
