"""What the documents say can be typed: the flags of every command exist, every target of make, and
every error that troubleshooting explains.
"""

import os
import re
import shlex
import subprocess
import sys

import pytest

from tests.pages import COMMANDS, PROGRAMS, ROOT

# Reads commands from its input, and prints those whose flags the program does not know.
PARSE = """
import sys
from absl import flags
from lmvp_tf.commands import MODULE
for line in sys.stdin.read().split("\\n\\n"):
    flags.FLAGS.unparse_flags()
    argv = line.split("\\n")
    if hasattr(MODULE, "_spread_inputs"):
        argv = MODULE._spread_inputs(argv)
    try:
        left = flags.FLAGS(argv)[1:]
    except flags.Error as error:
        left = [str(error)]
    if left:
        print(argv, left)
"""


# The words of the commands that start a program, or make.
WORDS = [
    (page, shlex.split(text, comments=True))
    for page, text, python in COMMANDS
    if not python and re.match(r"(python3?|make|lmvp-\w+) ", text)
]


@pytest.mark.parametrize("module", sorted(set(PROGRAMS.values())))
def test_every_flag_that_a_page_gives_is_one(module):
    found = [
        words[1:]
        for _, words in WORDS
        if words[0].startswith("python") and PROGRAMS.get(words[1]) == module
    ]
    assert found
    done = subprocess.run(
        [sys.executable, "-c", PARSE.replace("MODULE", module)],
        input="\n\n".join("\n".join(words) for words in found),
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert not done.stdout


def test_every_program_and_target_exists():
    makefile = (ROOT / "Makefile").read_text()
    for page, words in WORDS:
        if words[0] == "make":
            assert re.search(rf"(?m)^{words[1]}:", makefile), (page, words)
        elif words[0].startswith("python") and words[1] == "-m":
            name = words[2].replace(".", "/")
            module = (ROOT / f"{name}.py").exists() or (ROOT / name).is_dir()
            assert module or words[2] in ("venv", "build", "pip", "pytest"), (page, words)
        elif words[0].startswith("python") and not words[1].startswith("steps/"):
            assert (ROOT / words[1]).exists(), (page, words)


def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet"]
    done = subprocess.run(
        [*command, f"--site-dir={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "how_it_works" / "index.html").exists()


def test_troubleshooting_explains_errors_that_there_are():
    sources = (path.read_text(encoding="utf-8") for path in (ROOT / "lmvp_tf").rglob("*.py"))
    joined = " ".join(re.sub(r'"\s*\n\s*f?r?"', "", source) for source in sources)
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| ([^|]+) \| [^|]+ \| [^|]+ \|$", page)
    lines = [row for row in rows if row not in ("the line says", "---")]
    assert len(lines) > 40
    assert [line for line in lines if line not in joined] == []
