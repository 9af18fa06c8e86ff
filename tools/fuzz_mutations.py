"""Damage to files, the same for the same seed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

_RAW = "@raw@"  # marks JSON that Python would not write
_VALUES: tuple[Any, ...] = (
    None, True, -1, 0, 1.5, 10**30, 2**31, 2**63, -(2**63), "", "x", "a\0b", "x" * 5000, [], {},
    [[]], {"a": 1}, [1, "a"], [4] * 1000, f"{_RAW}1e999", f"{_RAW}-1e999", f"{_RAW}NaN",
    f"{_RAW}" + "[" * 5000 + "]" * 5000, f"{_RAW}" + "9" * 5000, f'{_RAW}"\\ud800"', f'{_RAW}"\\n"',
)  # fmt: skip
_CELLS = (
    "",
    "nan",
    "inf",
    "1e999",
    "-1",
    "1.5",
    "x",
    "x" * 200_000,
    '"',
    "\n",
    "\0",
    "9" * 5000,
    ",",
)
_EXTREMES = (b"\0", b"\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\xff" * 8, b"\0" * 8)


def mutant(content: bytes, kind: str, seed: Sequence[int]) -> bytes:
    """A damaged copy.

    Args:
      content: of the good file.
      kind: "bytes", "json" or "csv"; two of three of the latter are damaged value by value.
      seed: whole numbers.
    """
    draw = np.random.default_rng(list(seed))
    if kind != "bytes" and draw.random() < 0.67:
        return {"json": _json, "csv": _csv}[kind](content, draw)
    change = _CHANGES[draw.integers(len(_CHANGES))]
    return change(content, draw)


def _place(content: bytes, draw: np.random.Generator) -> int:
    """Half of the places are in the first 256 bytes, where a header is."""
    end = len(content) if draw.random() < 0.5 else min(len(content), 256)
    return int(draw.integers(max(end, 1)))


def _flip(content: bytes, draw: np.random.Generator) -> bytes:
    damaged = bytearray(content)
    for _ in range(draw.integers(1, 4)):
        damaged[_place(content, draw)] ^= 1 << int(draw.integers(8))
    return bytes(damaged)


def _cut(content: bytes, draw: np.random.Generator) -> bytes:
    return content[: _place(content, draw)]


def _extreme(content: bytes, draw: np.random.Generator) -> bytes:
    i, value = _place(content, draw), _EXTREMES[draw.integers(len(_EXTREMES))]
    return content[:i] + value + content[i + len(value) :]


def _noise(content: bytes, draw: np.random.Generator) -> bytes:
    i, length = _place(content, draw), int(draw.integers(1, 64))
    return content[:i] + draw.bytes(length) + content[i + length :]


def _splice(content: bytes, draw: np.random.Generator) -> bytes:
    """A piece of the file put in somewhere else, over what is there or between."""
    i, j, length = _place(content, draw), _place(content, draw), int(draw.integers(1, 512))
    over = length if draw.random() < 0.5 else 0
    return content[:i] + content[j : j + length] + content[i + over :]


def _remove(content: bytes, draw: np.random.Generator) -> bytes:
    i = _place(content, draw)
    return content[:i] + content[i + int(draw.integers(1, 64)) :]


def _longer(content: bytes, draw: np.random.Generator) -> bytes:
    return content + draw.bytes(int(draw.integers(1, 4096)))


_CHANGES: tuple[Callable[[bytes, np.random.Generator], bytes], ...] = (
    _flip, _flip, _flip, _cut, _extreme, _noise, _splice, _remove, _longer,
)  # fmt: skip


def _json(content: bytes, draw: np.random.Generator) -> bytes:
    """One value, somewhere in the document, is another, gone, or under another name."""
    document = json.loads(content)
    places: list[tuple[Any, Any]] = []

    def collect(value: Any) -> None:
        if isinstance(value, dict | list):
            keys = list(value) if isinstance(value, dict) else list(range(len(value)))
            for key in keys:
                places.append((value, key))
                collect(value[key])

    collect(document)
    parent, key = places[draw.integers(len(places))]
    choice = draw.random()
    if choice < 0.1:
        del parent[key]
    elif choice < 0.2 and isinstance(parent, dict):
        parent[f"{key}x"] = parent.pop(key)
    elif choice < 0.25:
        document = _VALUES[draw.integers(len(_VALUES))]
    else:
        parent[key] = _VALUES[draw.integers(len(_VALUES))]
    return _dumped(document)


def _dumped(document: Any) -> bytes:
    text = json.dumps(document)
    for value in _VALUES:
        if isinstance(value, str) and value.startswith(_RAW):
            text = text.replace(json.dumps(value), value.removeprefix(_RAW))
    return text.encode()


def _csv(content: bytes, draw: np.random.Generator) -> bytes:
    """One cell is another; or a row is gone, twice there, too short or too long."""
    rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    i = int(draw.integers(len(rows)) if draw.random() < 0.8 else 0)
    cell, choice = _CELLS[draw.integers(len(_CELLS))], draw.random()
    if choice < 0.1:
        rows.insert(i, rows[i])
    elif choice < 0.2:
        rows[i] = rows[i][: int(draw.integers(len(rows[i])))]
    elif choice < 0.3:
        rows[i] = [*rows[i], cell]
    else:
        rows[i][int(draw.integers(len(rows[i])))] = cell
    return "\n".join(",".join(row) for row in rows).encode()
