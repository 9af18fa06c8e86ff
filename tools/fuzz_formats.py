"""Every format that any program of this project reads.

A new format, or a reader that has moved, is a line in one of the three tables.
"""

from __future__ import annotations

from fuzz_data import DATA
from fuzz_films import FILMS
from fuzz_runs import RUNS

FORMATS = {entry.name: entry for entry in (*RUNS, *DATA, *FILMS)}
