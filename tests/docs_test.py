"""What the documents say can be typed: the flags of every command exist, every target of make, and
every error that troubleshooting explains.
"""

import os
import pathlib
import re
import shlex
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "data" / "README.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))
MODULES = {
    "run_train.py": "train",
    "run_eval.py": "eval",
    "run_export.py": "export",
    "run_predict.py": "predict",
    "data/build_videos.py": "build_dataset",
    "data/build_highway.py": "build_dataset",
}
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


def commands(page):
    """The commands in a page's indented blocks, each as a list of words."""
    text = re.sub(r"\\\n\s*", "", page.read_text(encoding="utf-8"))
    lines = re.findall(r"(?m)^ {4}((?:python3?|make|lmvp-\w+) .*)$", text)
    return [shlex.split(re.split(r"\s+#\s", line)[0]) for line in lines]


def test_there_are_commands():
    assert sum(len(commands(page)) for page in PAGES) > 30


@pytest.mark.parametrize("module", sorted(set(MODULES.values())))
def test_every_flag_that_a_page_gives_is_one(module):
    found = [
        words[1:]
        for page in PAGES
        for words in commands(page)
        if words[0].startswith("python") and MODULES.get(words[1]) == module
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
    for page in PAGES:
        for words in commands(page):
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
