"""BUILD files name every module once, nothing that is not there, and all that is imported."""

import ast
import pathlib
from typing import NamedTuple

import pytest

# The source tree, also where Bazel runs this test: it shows a test only what BUILD files name.
ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDERS = (".", "benchmarks", "data", "lmvp_tf/**", "tests/**")
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
    for node in ast.walk(_parse(root / path)):
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
    """Imports that deps do not cover."""
    targets = read_targets(root)
    owners = {path: target.label for target in targets for path in target.srcs}
    for target in targets:
        for source in filter(lambda path: (root / path).is_file(), target.srcs):
            for path in imported_files(root, source):
                label = owners.get(path, target.label)  # unnamed_modules tells of one without
                if label not in (target.label, *target.deps):
                    yield f'{target.place} uses {path}: add "{label}" to its deps'


CHECKS = [unnamed_modules, missing_sources, unknown_labels, missing_deps]


@pytest.mark.parametrize("check", CHECKS)
def test_the_build_files_fit_the_tree(check):
    problems = list(check(ROOT))
    assert not problems, "\n".join(["", *problems])


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
    for name, text in tree.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    problems = [line for check in CHECKS for line in check(tmp_path)]
    assert any(line.startswith(problem) for line in problems) if problem else not problems
