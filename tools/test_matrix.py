"""Runs the fast tests with the oldest and the newest packages that pyproject.toml allows, on every
Python that it allows and uv can give.

    python tools/test_matrix.py --write      # make test-matrix

Writes the table of docs/compatibility.md. Half an hour for each row.
"""

from __future__ import annotations

import argparse
import pathlib
import re
import subprocess
import sys
import tempfile
import textwrap

ROOT = pathlib.Path(__file__).parents[1]
PAGE = ROOT / "docs" / "compatibility.md"
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
PACKAGES = {"oldest": "lowest-direct", "newest": "highest"}
# Of these the oldest that has a wheel for a Python is taken: nobody compiles them.
COMPILED = "numpy pillow h5py matplotlib msgspec scikit-image scipy google-crc32c grpcio".split()
SHOWN = ("tensorflow", "keras", "numpy")
BEGIN, END = "<!-- matrix: begin -->\n", "<!-- matrix: end -->\n"


def main() -> None:
    """Runs what --python and --packages choose, all by default."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", nargs="*", default=PYTHONS, help="versions of Python")
    parser.add_argument("--packages", nargs="*", default=list(PACKAGES), choices=list(PACKAGES))
    parser.add_argument("--tests", nargs="*", default=[], help="files and folders; all by default")
    parser.add_argument("--write", action="store_true", help="write the table")
    arguments = parser.parse_args()
    heads = "".join(f" {name} |" for name in SHOWN)
    lines = [f"| Python | packages |{heads} fast tests |", "|---" * (3 + len(SHOWN)) + "|"]
    chosen = ", ".join(map("`{}`".format, arguments.tests))
    note = textwrap.fill(f"Of the tests these alone: {chosen}.", 80, break_on_hyphens=False)
    note = f"\n{note}\n" if chosen else ""
    for python in arguments.python:
        for packages in arguments.packages:
            lines.append(row(python, packages, arguments.tests))
            print(lines[-1], flush=True)
            if arguments.write:
                write("\n".join(lines) + "\n" + note)


def write(table: str) -> None:
    """Writes the table: after each row, for there are hours of them."""
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    PAGE.write_text(before + BEGIN + table + END + rest.split(END)[1], encoding="utf-8")


def row(python: str, packages: str, tests: list[str]) -> str:
    """Installs, tests, and tells the outcome as a row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        interpreter = f"{folder}/bin/python"
        if run(["uv", "venv", "--quiet", "--python", python, folder]).returncode:
            return cells(python, packages, {}, "not run: there is no such Python here")
        install = ["uv", "pip", "install", "--quiet", "--python", interpreter]
        install += [f"--only-binary={name}" for name in COMPILED]
        installed = run([*install, f"--resolution={PACKAGES[packages]}", "--editable=.[test]"])
        if installed.returncode:
            return cells(python, packages, {}, f"not installed: {last_line(installed.stderr)}")
        listed = run(["uv", "pip", "list", "--python", interpreter]).stdout
        versions = dict(re.findall(r"(?m)^([\w-]+) +(\S+)", listed))
        tested = run([interpreter, "-m", "pytest", "-m", "not slow", "-n", "2", *tests])
        return cells(python, packages, versions, last_line(tested.stdout))


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def last_line(text: str) -> str:
    """The last line that says something, without warnings and the time that it took."""
    lines = text.strip().splitlines() or ["no reason given"]
    return re.sub(r"(, \d+ warnings?)? in [\d.]+s.*", "", lines[-1]).strip("= ")


def cells(python: str, packages: str, versions: dict[str, str], outcome: str) -> str:
    shown = "".join(f" {versions.get(name, '')} |" for name in SHOWN)
    return f"| {python} | {packages} |{shown} {outcome} |"


if __name__ == "__main__":
    sys.exit(main())
