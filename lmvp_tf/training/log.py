"""log.csv, the record of a run: a row a report, with as many columns as there are scalars."""

from __future__ import annotations

import contextlib
import csv
import io
import os
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

from lmvp_tf import readers
from lmvp_tf.files import told_by_name, write_text

Row = dict[str, Any]


class Log:
    """Appends rows to a log.csv.

    A value of a name that no row had before opens a column; in the rows before it is empty.

    Args:
      path: the file; what is there stays.
      columns: names of the columns that come first, in order.
      last_step: rows after this step are dropped: a resumed run makes them again.
    """

    def __init__(self, path: pathlib.Path, columns: Iterable[str], last_step: int) -> None:
        self.path = path
        self._torn: int | None = None  # where half a row begins that could not be written
        rows = [row for row in _read(path) if _step(row) <= last_step]
        self.columns = _columns(columns, rows)
        _write(path, self.columns, rows)

    def append(self, row: Mapping[str, Any]) -> None:
        """Writes a row: numbers and texts by column; "step" is one of them.

        Raises:
          WriteError: it cannot be written. The same row may be appended again.
        """
        opened = [name for name in row if name not in self.columns]
        if opened or not self.path.exists():  # or rows without names would be all there is
            _write(self.path, [*self.columns, *opened], _read(self.path))
            self.columns += opened
        line = io.StringIO(newline="")
        writer = csv.DictWriter(line, self.columns, lineterminator="\n")
        writer.writerow({name: _short(value) for name, value in row.items()})
        with told_by_name(self.path), self.path.open("r+b") as file:
            end = file.seek(0, os.SEEK_END)
            if self._torn is not None and self._torn < end:
                file.truncate(self._torn)
                end = file.seek(self._torn)
            self._torn = end
            file.write(line.getvalue().encode())
            file.flush()
            os.fsync(file.fileno())
        self._torn = None


def ends_at(path: pathlib.Path) -> int | None:
    """The step of the last row of a log.csv; None where it has none.

    Raises:
      UserError: it is damaged.
    """
    rows = _read(path)
    return _step(rows[-1]) if rows else None


def merge(path: pathlib.Path, other: pathlib.Path, last_step: int) -> None:
    """Appends another log's rows to log.csv, from where it ends up to `last_step`."""
    rows = _read(path)
    first = _step(rows[-1]) if rows else -1
    rows += [row for row in _read(other) if first < _step(row) <= last_step]
    _write(path, _columns((), rows), rows)


def _columns(first: Iterable[str], rows: list[Row]) -> list[str]:
    """Names of columns, each once: the first ones, then the others of the rows."""
    return list(dict.fromkeys([*first, *(name for row in rows for name in row)]))


_ADVICE = "move it away, and the run goes on with a new one"


def _read(path: pathlib.Path) -> list[Row]:
    """The whole lines of a log.csv; none where there is no file, or an empty one.

    Raises:
      UserError: it is damaged.
    """
    with contextlib.suppress(FileNotFoundError), readers.reading(path, _ADVICE):
        rows: list[Row] = [*readers.read_csv(path, _ADVICE)]
        if rows and "step" not in rows[0]:
            raise ValueError("it has no column step")
        for row in rows:
            _step(row)
        return rows
    return []


def _write(path: pathlib.Path, columns: list[str], rows: list[Row]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def _step(row: Row) -> int:
    return int(row["step"])


def _short(value: Any) -> str | int:
    return value if isinstance(value, str | int) else f"{value:.6g}"
