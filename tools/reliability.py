"""The tables of docs/reliability.md that programs write."""

from __future__ import annotations

import pathlib

ROOT = pathlib.Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "reliability.md"


def table(rows: list[list[str]]) -> str:
    """Markdown of a heading and rows; all columns but the first are numbers."""
    heading, *others = rows
    rows = [heading, ["---", *["--:"] * (len(heading) - 1)], *others]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def write(name: str, text: str) -> None:
    """Puts a text between the markers of a name."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(begin)
    _, _, after = rest.partition(end)
    DOCUMENT.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
