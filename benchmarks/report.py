"""The results as files: results.json for programs, results.md for people."""

import importlib.metadata
import os
import platform
import re

from lmvp_tf.files import write_json, write_text

_COLUMNS = ("name", "value", "unit", "baseline", "times better", "floor", "value / floor")


def not_measured(name, reason):
    """The row of what could not be measured: as any row, but with a reason in place of figures."""
    keys = ("value", "unit", "baseline", "ratio", "floor", "floor_ratio")
    return {"name": name, **dict.fromkeys(keys), "reason": reason[:300]}


def line(row):
    """A row as one line for the terminal."""
    if "reason" in row:
        return f"{row['name']}: not measured ({row['reason']})"
    text = f"{row['name']}: {row['value']:g} {row['unit']}"
    if row["ratio"] is not None:
        text += f", {row['ratio']:.2f} times as good as {row['baseline']}"
    if row["floor"] is not None:
        text += f", {row['floor_ratio']:.2f} times the floor"
    return text


def write(rows, folder, seconds, quick):
    """Writes results.json and results.md into a folder, which is made when it is missing."""
    write_json(folder / "results.json", rows)
    write_text(folder / "results.md", _markdown(rows, seconds, quick))


def _markdown(rows, seconds, quick):
    cells = [_COLUMNS, ["---"] * len(_COLUMNS), *map(_cells, rows)]
    table = "\n".join(f"| {' | '.join(row)} |" for row in cells)
    how = "python -m benchmarks --quick" if quick else "python -m benchmarks"
    return (
        f"Measured by `{how}` in {seconds / 60:.1f} minutes\non {_machine()}.\n"
        f"Less is better in every row; `README.md` says what the rows mean.\n\n{table}\n"
    )


def _cells(row):
    if "reason" in row:
        return [row["name"], "not measured", row["reason"].replace("|", "\\|"), "", "", "", ""]
    figures = [row[key] for key in ("value", "ratio", "floor", "floor_ratio")]
    value, ratio, floor, floor_ratio = ("" if f is None else f"{f:.4g}" for f in figures)
    return [row["name"], value, row["unit"], row["baseline"] or "", ratio, floor, floor_ratio]


def _machine():
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("tensorflow", "keras")]
    return f"{os.cpu_count()} cores of {_processor()}, Python {platform.python_version()}, " + (
        ", ".join(versions)
    )


def _processor():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            found = re.search(r"model name\s*: (.*)", file.read())
    except OSError:  # another system than Linux
        found = None
    return found[1] if found else platform.processor()
