"""A document of text, tables and pictures as Markdown, and as one HTML page without any links."""

from __future__ import annotations

import base64
import dataclasses
import html
import itertools
import mimetypes
import pathlib
from collections.abc import Sequence
from typing import TypeAlias

_STYLE = """
:root { color-scheme: light; --ink: #22252a; --faint: #656b74; --rule: #d7dade; }
* { box-sizing: border-box; }
body {
  max-width: 80rem; margin: 0 auto; padding: 2rem 1.25rem 4rem; background: #fff;
  color: var(--ink); font: 1rem/1.55 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif;
}
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 .5rem; }
h2 {
  font-size: 1.15rem; line-height: 1.3; margin: 2.75rem 0 .5rem; padding-top: .75rem;
  border-top: 1px solid var(--rule);
}
p, ul { max-width: 46rem; margin: .5rem 0; overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; }
.notes, figcaption { color: var(--faint); font-size: .85rem; line-height: 1.45; }
.wide { overflow-x: auto; margin: 1rem 0 .5rem; }
table { border-collapse: collapse; font-size: .8rem; line-height: 1.3; }
table, td, th { font-variant-numeric: tabular-nums; }
th, td { padding: .4rem .4rem; text-align: right; white-space: nowrap; vertical-align: top; }
th:first-child { text-align: left; padding-left: 0; background: #fff; }
thead th { border-bottom: 2px solid var(--ink); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 600; }
tbody { border-bottom: 1px solid var(--rule); }
tbody tr + tr :is(th, td) { padding-top: .25rem; }
small { color: var(--faint); font-size: .7rem; font-weight: 400; }
figure { margin: 1rem 0; }
figcaption { max-width: 46rem; position: sticky; left: 0; }
img { display: block; max-width: 100%; height: auto; }
@media screen and (max-width: 48rem) {
  body { padding: 1.25rem 1rem 3rem; }
  th:first-child { position: sticky; left: 0; padding-right: .75rem; }
  tbody th { white-space: normal; min-width: 6rem; }
  .wide img { max-width: none; width: 44rem; }
}
@media print {
  @page { size: A4 landscape; margin: 12mm; }
  body { max-width: none; padding: 0; font-size: 10pt; }
  h2 { break-after: avoid; }
  figure, table { break-inside: avoid; }
  .wide { overflow: visible; }
  table { font-size: 8pt; }
  small { font-size: 7pt; }
  th, td { padding: .2rem .4rem; }
  img { max-height: 145mm; width: auto; }
  .film { display: none; }
}
"""

# The policy lets nothing in from outside: a page from disk is to look the same for ever.
_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1>{title}</h1>
{body}
</main>
</body>
</html>
"""


@dataclasses.dataclass(frozen=True)
class Table:
    """Values in rows. A cell's second line, after a line break, is shown small.

    Attributes:
      header: list of str, a title for each column.
      groups: lists of rows, each a list of str as long as the header; a rule parts the groups.
      notes: what to say under the table, a list of str.
    """

    header: list[str]
    groups: Sequence[Sequence[list[str]]]
    notes: list[str] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Picture:
    """A picture by the name of its file, in the folder of the document.

    Attributes:
      file: the file's name.
      text: what it shows, for who does not see it.
      caption: what to say under it.
    """

    file: str
    text: str
    caption: str


Part: TypeAlias = str | list[str] | Table | Picture


@dataclasses.dataclass(frozen=True)
class Section:
    """A part of a document.

    Attributes:
      title: its heading.
      parts: in order: str (a paragraph), list of str (bullets), Table or Picture.
    """

    title: str
    parts: Sequence[Part]


@dataclasses.dataclass(frozen=True)
class Page:
    """A document.

    Attributes:
      title: its title.
      lead: the paragraph under it.
      sections: list of Section.
    """

    title: str
    lead: str
    sections: Sequence[Section]


def to_markdown(page: Page) -> str:
    """Lays out a Page in Markdown; its pictures are files beside it."""
    blocks = [f"# {page.title}", page.lead]
    for section in page.sections:
        blocks += [f"## {section.title}", *map(_markdown_part, section.parts)]
    return "\n\n".join(blocks) + "\n"


def _markdown_part(part: Part) -> str:
    if isinstance(part, Table):
        alignment = ["---", *["---:"] * (len(part.header) - 1)]
        rows = [part.header, alignment, *itertools.chain(*part.groups)]
        lines = [f"| {' | '.join(map(_markdown_cell, row))} |" for row in rows]
        return "\n\n".join(["\n".join(lines), *part.notes])
    if isinstance(part, Picture):
        return f"![{part.text}]({part.file})\n\n{part.caption}"
    if isinstance(part, list):
        return "\n".join(f"- {line}" for line in part)
    return part


def _markdown_cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", "<br>")


def to_html(page: Page, folder: pathlib.Path) -> str:
    """Lays out a Page as HTML with the pictures inside, from `folder`."""
    blocks = [_html_part(page.lead, folder)]
    for section in page.sections:
        blocks.append(f"<h2>{html.escape(section.title)}</h2>")
        blocks += [_html_part(part, folder) for part in section.parts]
    return _PAGE.format(title=html.escape(page.title), style=_STYLE, body="\n".join(blocks))


def _html_part(part: Part, folder: pathlib.Path) -> str:
    if isinstance(part, Table):
        return _html_table(part)
    if isinstance(part, Picture):
        return _html_picture(part, folder)
    if isinstance(part, list):
        return f"<ul>{''.join(f'<li>{html.escape(line)}</li>' for line in part)}</ul>"
    return f"<p>{html.escape(part)}</p>"


def _html_table(table: Table) -> str:
    head = _html_row(table.header, "col")
    bodies = (
        f"<tbody>{''.join(_html_row(row, 'row') for row in rows)}</tbody>" for rows in table.groups
    )
    notes = "".join(f'<p class="notes">{html.escape(note)}</p>' for note in table.notes)
    return f'<div class="wide"><table><thead>{head}</thead>{"".join(bodies)}</table></div>\n{notes}'


def _html_row(cells: Sequence[str], scope: str) -> str:
    """A row; all its cells are headings (scope "col") or the first is (scope "row")."""
    headings = len(cells) if scope == "col" else 1
    marked = [f'<th scope="{scope}">{_html_cell(cell)}</th>' for cell in cells[:headings]]
    marked += [f"<td>{_html_cell(cell)}</td>" for cell in cells[headings:]]
    return f"<tr>{''.join(marked)}</tr>"


def _html_cell(text: str) -> str:
    first, _, second = html.escape(text).partition("\n")
    return f"{first}<br><small>{second}</small>" if second else first


def _html_picture(picture: Picture, folder: pathlib.Path) -> str:
    kind = mimetypes.guess_type(picture.file)[0]
    data = base64.b64encode((folder / picture.file).read_bytes()).decode("ascii")
    look = "film" if kind == "image/gif" else "wide"
    return (
        f'<figure class="{look}"><img alt="{html.escape(picture.text)}" '
        f'src="data:{kind};base64,{data}">'
        f"<figcaption>{html.escape(picture.caption)}</figcaption></figure>"
    )
