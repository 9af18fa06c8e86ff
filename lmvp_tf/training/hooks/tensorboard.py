"""TensorBoard's event files: the log's scalars, and pictures."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.errors import WriteError
from lmvp_tf.training import checkpoint_files
from lmvp_tf.training.hooks.hook import Hook, Report, Run
from lmvp_tf.training.scalars import uncached


class TensorBoard(Hook):
    """Writes what is logged into the workdir: `tensorboard --logdir WORKDIR`."""

    def __init__(self) -> None:
        self._file: _EventFile | None = None

    def begin(self, run: Run) -> None:
        with self._writing(run):
            text = json.dumps(configs.to_dict(run.config), indent=2)
            tf.summary.text("config", f"```\n{text}\n```")

    def after_step(self, run: Run, report: Report) -> None:
        if not report.is_logged(run):
            return
        titles = run.state.procedure.scalars
        with self._writing(run):
            for name, value in report.row(run).items():
                if name != "step" and not isinstance(value, str):
                    tf.summary.scalar(titles.get(name, name), uncached(value))
            for name, picture in report.pictures.items():
                tf.summary.image(name, np.asarray(picture)[None])

    def close(self) -> None:
        if self._file:
            self._file.close()

    @contextlib.contextmanager
    def _writing(self, run: Run) -> Iterator[None]:
        """What the block writes is in a file at its end, or none of it is: then in no file."""
        try:
            self._file = self._file or _EventFile(run.workdir)
            with self._file.writer.as_default(step=uncached(run.step)):
                yield
            self._file.flush()
        except (tf.errors.OpError, OSError) as error:
            if self._file:
                self._file.give_up()
            self._file = None  # a writer that has failed loses what it had, and goes on in silence
            raise WriteError(
                f"cannot write TensorBoard's events to {run.workdir}: "
                f"{checkpoint_files.first_line(error)}",
                checkpoint_files.may_pass(error),
            ) from error


class _EventFile:
    """A new event file, which is as it was at the last flush whatever fails.

    Attributes:
      writer: TensorFlow's, which writes to it in its own time.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self._folder, self._others = folder, set(_event_files(folder))
        self._path: pathlib.Path | None = None
        self._size = 0  # of what is whole
        self.writer = tf.summary.create_file_writer(str(folder))

    def flush(self) -> None:
        """Waits until all is written.

        Raises:
          tf.errors.OpError: it cannot be written.
          FileNotFoundError: somebody has removed the file: TensorFlow would not tell.
        """
        self.writer.flush()
        self._path = self._path or self._find()
        self._size = self._path.stat().st_size

    def give_up(self) -> None:
        """Closes it, without what was written since the last flush."""
        self.close()
        with contextlib.suppress(OSError):
            path = self._path or self._find()
            if self._size:
                os.truncate(path, self._size)  # half an event hides all that follow
            else:
                path.unlink()

    def close(self) -> None:
        with contextlib.suppress(tf.errors.OpError):  # what counts was flushed
            self.writer.close()

    def _find(self) -> pathlib.Path:
        new = set(_event_files(self._folder)) - self._others
        if not new:
            raise FileNotFoundError(f"its file in {self._folder} is gone")
        return new.pop()


def _event_files(folder: pathlib.Path) -> list[pathlib.Path]:
    return list(folder.glob("events.out.tfevents.*"))
