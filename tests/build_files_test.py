"""BUILD files name every module once, nothing that is not there, and all that is imported.

What is checked here is read from the tree anew, by no function of tools/build_files.py.
"""

import ast
import graphlib
import pathlib
from typing import NamedTuple

import pytest

from tools import build_files

# The source tree, also where Bazel runs this test: it shows a test only what BUILD files name.
ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = (".", "benchmarks", "data", "examples", "lmvp_tf/**", "tests/**", "tools", "web")
RULES = {"py_library", "py_binary", "py_test", "pytest_test"}


class Target(NamedTuple):
    """A target: its label in full, its sources as paths from the root, its deps and data."""

    label: str
    srcs: list[str]
    deps: list[str]
    data: list[str]

    @property
    def place(self):
        """The BUILD file and the target's name there, to begin a message with."""
        folder, name = self.label[2:].split(":")
        return f"{_join(folder, 'BUILD')}: {name}"


def _join(folder, name):
    return f"{folder}/{name}" if folder else name


def _parse(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _files(root, name):
    """Paths from the root of the files of that name or pattern in the folders with code."""
    found = {path for folder in FOLDERS for path in root.glob(f"{folder}/{name}")}
    return sorted(path.relative_to(root).as_posix() for path in found)


def _full_label(label, folder):
    """`:a` in the folder x is `//x:a`; `//x/a` is `//x/a:a`."""
    if label.startswith(":"):
        return f"//{folder}{label}"
    return label if ":" in label else f"{label}:{label.rpartition('/')[2]}"


def read_targets(root):
    """Every Python target of every BUILD file, whose arguments have to be literals."""
    targets = []
    for build in _files(root, "BUILD"):
        folder = build.rpartition("/")[0]
        for call in (line.value for line in _parse(root / build).body):
            if isinstance(call, ast.Call) and ast.unparse(call.func) in RULES:
                given = {k.arg: ast.literal_eval(k.value) for k in call.keywords}
                target = Target(
                    label=_full_label(f":{given['name']}", folder),
                    srcs=[_join(folder, name) for name in given["srcs"]],
                    deps=[_full_label(label, folder) for label in given.get("deps", [])],
                    data=[_full_label(label, folder) for label in given.get("data", [])],
                )
                targets.append(target)
    return targets


def filegroups(root):
    """Labels of the groups of files that are no code."""
    for build in _files(root, "BUILD"):
        for call in (line.value for line in _parse(root / build).body):
            if isinstance(call, ast.Call) and ast.unparse(call.func) == "filegroup":
                name = next(k.value.value for k in call.keywords if k.arg == "name")
                yield _full_label(f":{name}", build.rpartition("/")[0])


def imported_files(root, path):
    """Paths from the root of the project's files that a file imports, its own package included."""

    def file_of(module):
        stem = module.replace(".", "/")
        candidates = (f"{stem}.py", f"{stem}/__init__.py")
        return next((name for name in candidates if (root / name).is_file()), None)

    package = pathlib.PurePosixPath(path.removesuffix("/__init__.py")).parent / "__init__.py"
    found = {str(package)} if (root / package).is_file() else set()
    tree = _parse(root / path)
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            node.body = []  # imported by type checkers alone
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {file_of(name.name) for name in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [name.name for name in node.names]
            found |= {file_of(f"{node.module}.{name}") or file_of(node.module) for name in names}
    return sorted(found - {None, path})


def unnamed_modules(root):
    """Modules that no target names, or more than one."""
    targets = read_targets(root)
    for path in _files(root, "*.py"):
        labels = [target.label for target in targets if path in target.srcs]
        folder, _, name = path.rpartition("/")
        if not labels:
            build, stem = _join(folder, "BUILD"), name.removesuffix(".py")
            yield f'{build}: add a target with name = "{stem}", srcs = ["{name}"]'
        elif len(labels) > 1:
            yield f"{path} is in the srcs of {' and '.join(labels)}: leave it in one"


def missing_sources(root):
    """Entries of srcs that are not there."""
    for target in read_targets(root):
        for path in target.srcs:
            if not (root / path).is_file():
                yield f"{target.place} has {path} in its srcs, which is not there: take it out"


def unknown_labels(root):
    """Entries of deps and data that are no target."""
    targets = read_targets(root)
    known = {target.label for target in targets} | {*filegroups(root)}
    for target in targets:
        for label in target.deps + target.data:
            if label not in known:
                yield f"{target.place} depends on {label}, which no BUILD file has: correct it"


def missing_deps(root):
    """Imports that deps do not cover, but for those of what depends on the target itself."""
    targets = read_targets(root)
    owners = {path: target.label for target in targets for path in target.srcs}
    deps = {target.label: target.deps for target in targets}

    def depends(label, other):
        return other in deps.get(label, []) or any(depends(x, other) for x in deps.get(label, []))

    for target in targets:
        for source in filter(lambda path: (root / path).is_file(), target.srcs):
            for path in imported_files(root, source):
                label = owners.get(path, target.label)  # unnamed_modules tells of one without
                if label not in (target.label, *target.deps) and not depends(label, target.label):
                    yield f'{target.place} uses {path}: add "{label}" to its deps'


def circles(root):
    """Targets that depend on themselves."""
    try:
        deps = {target.label: target.deps for target in read_targets(root)}
        graphlib.TopologicalSorter(deps).prepare()
    except graphlib.CycleError as error:
        yield f"targets that depend on one another: {' and '.join(sorted({*error.args[1]}))}"


CHECKS = [circles, unnamed_modules, missing_sources, unknown_labels, missing_deps]


@pytest.mark.parametrize("check", CHECKS)
def test_the_build_files_fit_the_tree(check):
    problems = list(check(ROOT))
    assert not problems, "\n".join(["", *problems])


def test_the_build_files_are_as_the_program_writes_them(capsys):
    assert build_files.main(ROOT, check=True) == 0, capsys.readouterr().out


def test_the_tree_is_read():
    assert "//lmvp_tf/models:lmvp" in {target.label for target in read_targets(ROOT)}
    assert "lmvp_tf/losses.py" in imported_files(ROOT, "lmvp_tf/training/algorithm1.py")


SMALL_TREE = {
    "run.py": "def main():\n    from lmvp_tf.sub.b import f\n",
    "BUILD": 'py_binary(name = "run", srcs = ["run.py"], deps = ["//lmvp_tf/sub:b"])',
    "lmvp_tf/__init__.py": "",
    "lmvp_tf/a.py": "import json",
    "lmvp_tf/BUILD": (
        'py_library(name = "lmvp_tf", srcs = ["__init__.py"])\n'
        'py_library(name = "a", srcs = ["a.py"], deps = [":lmvp_tf"])'
    ),
    "lmvp_tf/sub/b.py": "from lmvp_tf import a",
    "lmvp_tf/sub/BUILD": (
        'load("//tests:x.bzl", "x")\n'
        'py_library(name = "b", srcs = ["b.py"], deps = ["//lmvp_tf:a"])'
    ),
}


@pytest.mark.parametrize(
    ("path", "old", "new", "problem"),
    [
        ("run.py", "", "", None),
        ("lmvp_tf/BUILD", 'deps = [":lmvp_tf"]', 'deps = ["//lmvp_tf"]', None),
        ("lmvp_tf/c.py", "", "", 'lmvp_tf/BUILD: add a target with name = "c", srcs = ["c.py"]'),
        ("tests/c_test.py", "", "", 'tests/BUILD: add a target with name = "c_test", '),
        (
            "lmvp_tf/BUILD",
            '["a.py"]',
            '["a.py", "__init__.py"]',
            "lmvp_tf/__init__.py is in the srcs of //lmvp_tf:lmvp_tf and //lmvp_tf:a: leave it in",
        ),
        (
            "lmvp_tf/BUILD",
            '["a.py"]',
            '["a.py", "d.py"]',
            "lmvp_tf/BUILD: a has lmvp_tf/d.py in its srcs, which is not there",
        ),
        ("BUILD", "deps =", 'data = [":x"], deps =', "BUILD: run depends on //:x, which no BUILD"),
        ("BUILD", "sub:b", "sub:c", "BUILD: run depends on //lmvp_tf/sub:c, which no BUILD"),
        ("run.py", ".sub.b", ".a", 'BUILD: run uses lmvp_tf/a.py: add "//lmvp_tf:a" to its deps'),
        ("run.py", "from", "import lmvp_tf.a; from", "BUILD: run uses lmvp_tf/a.py: add"),
        ("lmvp_tf/BUILD", '":lmvp_tf"', "", "lmvp_tf/BUILD: a uses lmvp_tf/__init__.py: add "),
    ],
)
def test_each_fault_is_told_with_what_to_do(tmp_path, path, old, new, problem):
    tree = {path: "", **SMALL_TREE}
    tree[path] = tree[path].replace(old, new)
    write(tmp_path, tree)
    problems = [line for check in CHECKS for line in check(tmp_path)]
    assert any(line.startswith(problem) for line in problems) if problem else not problems


# What is there before: a module that is gone, one without a target, and what a person wrote.
NEW_PACKAGE = {
    "run.py": "from lmvp_tf.registry import make\nif __name__ == '__main__':\n    make()\n",
    "lmvp_tf/__init__.py": (
        "from lmvp_tf.errors import Error\n"
        "def __getattr__(name):\n    from lmvp_tf.registry import make\n    return make\n"
    ),
    "lmvp_tf/__main__.py": "from lmvp_tf import registry\n",
    "lmvp_tf/errors.py": "from lmvp_tf import texts\n",
    "lmvp_tf/texts.py": "",
    "lmvp_tf/registry.py": (
        "from typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from lmvp_tf.__main__ import main\n"
        "ENTRIES = {'a': 'lmvp_tf.parts.a.A', 'no module': 'lmvp_tf.data.size'}\n"
        "def make(name):\n    return f'lmvp_tf.parts.{name}'\n"
    ),
    "lmvp_tf/parts/__init__.py": "",
    "lmvp_tf/parts/a.py": "from lmvp_tf.parts.base import Part\n",
    "lmvp_tf/parts/base.py": "import json\n",
    "tests/conftest.py": "",
    "tests/toys.py": "",
    "tests/parts/a_test.py": "import lmvp_tf, pytest\nPROGRAM = 'run.py'\npytest.mark.slow\n",
    "tests/b_test.py": "import toys\n",
    "results/tuning.py": "a program that is data",
    "old/BUILD": 'py_library(name = "gone", srcs = ["gone.py"])\n',
    "tests/BUILD": (
        "# Tests.\n\n"
        'load("//tests:pytest_test.bzl", "pytest_test")\n\n'
        "# Read by a.\n"
        'exports_files(["x.txt"])  # and b\n\n'
        "# First.\n"
        'pytest_test(\n    name = "b_test",\n    size = "small",\n    srcs = ["b_test.py"],\n'
        '    # It reads x.\n    data = ["x.txt"],  \n    deps = [":gone"],\n)\n'
        'pytest_test(name = "gone", srcs = ["gone.py"])\n'
    ),
}


TESTS_BUILD = """\
# Tests.

load("@rules_python//python:py_library.bzl", "py_library")
load("//tests:pytest_test.bzl", "pytest_test")

package(default_visibility = ["//visibility:public"])

# Read by a.
exports_files(["x.txt"])  # and b

# First.
pytest_test(
    name = "b_test",
    srcs = ["b_test.py"],
    # It reads x.
    data = ["x.txt"],
    deps = [
        ":conftest",
        ":toys",
    ],
)

py_library(
    name = "conftest",
    srcs = ["conftest.py"],
)

py_library(
    name = "toys",
    srcs = ["toys.py"],
)
"""


def write(root, tree):
    for name, text in tree.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def test_a_new_package_gets_its_targets(tmp_path):
    write(tmp_path, NEW_PACKAGE)
    assert build_files.main(tmp_path, check=True) == 1
    assert not (tmp_path / "lmvp_tf/BUILD").exists()
    assert build_files.main(tmp_path, check=False) == 0
    assert build_files.main(tmp_path, check=True) == 0
    assert not (tmp_path / "old/BUILD").exists()
    assert not (tmp_path / "results/BUILD").exists()
    package = "//lmvp_tf:__init__"
    assert {target.label: sorted(target.deps) for target in read_targets(tmp_path)} == {
        "//:run": ["//lmvp_tf:registry"],
        # What a package loads itself cannot depend on it; what it loads later is its user's.
        package: ["//lmvp_tf:errors"],
        "//lmvp_tf:errors": ["//lmvp_tf:texts"],
        "//lmvp_tf:texts": [],
        "//lmvp_tf:lmvp_tf": [package, "//lmvp_tf:registry"],
        "//lmvp_tf:registry": ["//lmvp_tf/parts:a", "//lmvp_tf/parts:base", package],
        "//lmvp_tf/parts:__init__": [package],
        "//lmvp_tf/parts:a": ["//lmvp_tf/parts:__init__", "//lmvp_tf/parts:base"],
        "//lmvp_tf/parts:base": ["//lmvp_tf/parts:__init__"],
        "//tests:conftest": [],
        "//tests:toys": [],
        "//tests:b_test": ["//tests:conftest", "//tests:toys"],
        "//tests/parts:a_test": ["//:run", package, "//lmvp_tf:registry", "//tests:conftest"],
    }
    assert (tmp_path / "tests/BUILD").read_text() == TESTS_BUILD
    assert 'py_binary(\n    name = "run"' in (tmp_path / "BUILD").read_text()
    assert '    main = "__main__.py",\n' in (tmp_path / "lmvp_tf/BUILD").read_text()
    assert '    size = "large",\n' in (tmp_path / "tests/parts/BUILD").read_text()


def test_modules_that_need_one_another_are_named(tmp_path):
    write(tmp_path, {"a.py": "import b", "b.py": "import a"})
    with pytest.raises(SystemExit, match=r"need one another: (a|b)\.py <- "):
        build_files.main(tmp_path, check=False)


def test_a_build_file_that_cannot_be_read_is_named(tmp_path):
    write(tmp_path, {"a.py": "", "BUILD": "<<<<<<< ours\n"})
    with pytest.raises(SystemExit, match="^BUILD cannot be read"):
        build_files.main(tmp_path, check=False)
