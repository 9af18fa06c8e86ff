"""The pages of the documentation, and the commands that they show."""

import pathlib
import re
from collections.abc import Iterator
from typing import NamedTuple

ROOT = pathlib.Path(__file__).resolve().parents[1]
# In the order in which somebody comes to them: a page uses what one before it has made.
NAMES = """
README.md docs/index.md docs/your_video.md docs/training.md docs/reproduce.md docs/results.md
docs/experiments.md docs/serving.md docs/devices.md docs/scaling.md docs/troubleshooting.md
docs/how_it_works.md docs/paper_map.md docs/decisions.md docs/reliability.md docs/security.md
docs/compatibility.md docs/api.md docs/contributing.md CONTRIBUTING.md data/README.md
deploy/README.md benchmarks/README.md
""".split()
PAGES = [ROOT / name for name in NAMES]
PROGRAMS = {
    "run_train.py": "train",
    "run_eval.py": "eval",
    "run_export.py": "export",
    "run_predict.py": "predict",
    "data/build_videos.py": "build_dataset",
    "data/build_highway.py": "build_dataset",
}  # and the modules of lmvp_tf.commands that they are


class Command(NamedTuple):
    """What a reader may paste: lines of a shell, or a block of Python."""

    page: str
    text: str
    python: bool


def commands(page: pathlib.Path) -> Iterator[Command]:
    """Yields the commands of a page: a line of an indented block, or a whole fenced one."""
    name = page.relative_to(ROOT).as_posix()
    fenced = r"^```(?P<language>\w*)\n(?P<block>.*?)^```$"
    indented = r"(?<=\n\n)(?P<lines>(?: {4}\S.*\n(?: {4,}.*\n)*)+)"
    for found in re.finditer(f"(?ms){fenced}|(?-s:{indented})", page.read_text(encoding="utf-8")):
        if found["block"]:
            yield Command(name, found["block"], found["language"] == "python")
        else:
            lines = re.sub(r"(?m)^ {4}", "", found["lines"].replace("\\\n", ""))
            yield from (Command(name, line, False) for line in lines.splitlines() if line)


COMMANDS = [command for page in PAGES for command in commands(page)]
