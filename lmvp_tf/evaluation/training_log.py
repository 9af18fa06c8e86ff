"""Reading log.csv, the log of a training run, whole or cut short."""

from __future__ import annotations

import math
import pathlib
from typing import Any

import numpy as np
import numpy.typing as npt

from lmvp_tf.errors import UserError
from lmvp_tf.readers import read_csv

_TIME_COLUMNS = ("step", "seconds", "cpu_seconds", "sequences")

Points = list[dict[str, Any]]


def validation_points(log_csv: pathlib.Path) -> Points:
    """Reads the rows of a training log that hold validation values.

    Args:
      log_csv: the log.csv of a workdir; a run that left none has no points.

    Returns:
      [{"step": ..., "seconds": ..., "sequences": ..., metric: ...}, ...], in order; with
      "cpu_seconds" where the log has it.

    Raises:
      UserError: the log cannot be read.
    """
    points = []
    for row in _read_rows(log_csv) if log_csv.exists() else []:
        point = {name: _number(row.get(name)) for name in _TIME_COLUMNS}
        if point["cpu_seconds"] is None:  # a run elsewhere does not count it
            del point["cpu_seconds"]
        scores = {
            name.removeprefix("validation/"): _number(value)
            for name, value in row.items()
            if name and name.startswith("validation/") and _number(value) is not None
        }
        if scores and None not in point.values():
            points.append(point | scores)
    return points


def read_columns(path: pathlib.Path) -> dict[str, npt.NDArray[np.float64]]:
    """Reads {column: [2, N] steps and values} of the columns that hold numbers, times left out.

    Raises:
      UserError: the log cannot be read, has no `step` or no row with a number.
    """
    rows = _read_rows(path)
    if not rows or "step" not in rows[0]:
        raise UserError(f"{path} is no training log: it has no row with a step")
    columns = {}
    for name in rows[0]:
        points = [(_number(row["step"]), _number(row[name])) for row in rows]
        points = [point for point in points if None not in point]
        if name not in _TIME_COLUMNS and points:
            columns[name] = np.transpose(np.array(points, np.float64))
    if not columns:
        raise UserError(f"{path} has no column of numbers to draw against step")
    return columns


def _read_rows(path: pathlib.Path) -> list[dict[str, str]]:
    try:
        return read_csv(path)
    except FileNotFoundError as error:
        raise UserError(f"there is no training log {path}") from error


def _number(text: str | None) -> float | None:
    """Returns the finite number that a cell holds, or None: another kind of cell, or none."""
    try:
        number = float(text)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return number if math.isfinite(number) else None
