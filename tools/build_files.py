"""Writes the Python targets of every BUILD file from the modules that exist and what they import.

    python tools/build_files.py            rewrites the files that differ (make build-files)
    python tools/build_files.py --check    prints a line for each difference, and fails if any is

A module is one target. Its deps are the modules that it imports, wherever in the file, and those
that a string names: "lmvp_tf.models.lmvp.LMVP", "run_train.py", or f"lmvp_tf.presets.{name}" for
every module of a package. A test file with tests marked slow is large. What is written by hand
stays: comments, calls that make no Python target, and a target's other attributes.
"""

import argparse
import ast
import collections
import difflib
import graphlib
import os
import pathlib
import sys
from collections.abc import Iterable, Iterator

ROOT = pathlib.Path(__file__).resolve().parents[1]
LOADS = {
    "py_binary": "@rules_python//python:py_binary.bzl",
    "py_library": "@rules_python//python:py_library.bzl",
    "pytest_test": "//tests:pytest_test.bzl",
}
PUBLIC = 'package(default_visibility = ["//visibility:public"])'
WRITTEN = {"name", "size", "srcs", "main", "deps"}  # the attributes that this program decides
NOT_CODE = {"docs", "notebooks", "results"}  # what lies there is data, programs too


def find_files(root: pathlib.Path) -> Iterator[str]:
    """Yields the paths from the root, with /, of all files in folders that Bazel may look at."""
    ignored = root / ".bazelignore"
    skipped = NOT_CODE | set(ignored.read_text().split() if ignored.exists() else ())
    for folder, subfolders, names in os.walk(root):
        place = pathlib.Path(folder).relative_to(root)
        visible = {name for name in subfolders if not name.startswith((".", "__"))}
        subfolders[:] = [name for name in visible if (place / name).as_posix() not in skipped]
        yield from ((place / name).as_posix() for name in names)


def folder_of(path: str) -> str:
    return path.rpartition("/")[0]


def join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def names_in(node: ast.AST, when: str = "loading") -> Iterator[tuple[str, str]]:
    """Yields what a syntax tree imports or names, "a.b.c", and when: "loading" or "running".

    What only type checkers see is left out.
    """
    children: Iterable[ast.AST] = ast.iter_child_nodes(node)
    match node:
        case ast.If() if "TYPE_CHECKING" in ast.unparse(node.test):
            children = node.orelse
        case ast.FunctionDef() | ast.AsyncFunctionDef():
            when = "running"
        case ast.Import():
            yield from ((name.name, when) for name in node.names)
        case ast.ImportFrom(module=str(module)):
            yield from ((f"{module}.{name.name}", when) for name in node.names)
        case ast.JoinedStr(values=[ast.Constant(value=text), ast.FormattedValue() as value]):
            children = [value]
            yield f"{text}*", "running"
        case ast.Constant(value=str(text)) if "." in text:
            yield text, "running"
    for child in children:
        yield from names_in(child, when)


class Modules:
    """The modules of a tree, by their paths from its root, and which need which."""

    def __init__(self, root: pathlib.Path) -> None:
        paths = sorted(path for path in find_files(root) if path.endswith(".py"))
        self.trees = {path: ast.parse((root / path).read_bytes(), path) for path in paths}
        self._named: dict[tuple[str, str], set[str]] = collections.defaultdict(set)
        for path, tree in self.trees.items():
            for name, when in names_in(tree):
                self._named[path, when] |= self._files(name, path)

    def package(self, path: str) -> str | None:
        """The __init__.py that Python loads before a module, or None."""
        above = (f"{folder}/__init__.py" for folder in pathlib.PurePosixPath(path).parents)
        return next((file for file in above if file in self.trees and file != path), None)

    def _files(self, name: str, importer: str) -> set[str]:
        """The module that a name stands for, as "a.b", "a.b.AnObject" or "b.py"; all of "a.*"."""
        if name.endswith(".py") and "__" not in name:
            same = {path for path in self.trees if f"/{path}".endswith(f"/{name}")}
            return same if len(same) == 1 else set()
        stem = name.replace(".", "/")
        owner = folder_of(stem)
        if stem.endswith("/*") and f"{owner}/__init__.py" in self.trees:
            return {path for path in self.trees if folder_of(path) == owner and "/__" not in path}
        stems = [stem, owner]
        if not self.package(importer):  # a program finds what lies beside it
            stems += [join(folder_of(importer), name) for name in stems]
        candidates = (file for stem in stems for file in (f"{stem}.py", f"{stem}/__init__.py"))
        return {next((file for file in candidates if file in self.trees), importer)}

    def _used(self, path: str) -> set[str]:
        """The modules that a module imports or names; of a package what loading it takes.

        All its modules load the package: what it uses later may be one of them.
        """
        later = set() if path.endswith("__init__.py") else self._named[path, "running"]
        return self._named[path, "loading"] | later

    def _before(self, package: str) -> set[str]:
        """The modules that a package takes to load: they cannot depend on it."""
        found, new = set(), {package}
        while new:
            found |= new
            new = set().union(*(self._used(path) | {self.package(path)} for path in new))
            new -= found | {None}
        return found

    def needed(self, path: str) -> set[str]:
        """The modules that a module's target depends on."""
        found = self._used(path)
        for package in [file for file in found if file.endswith("/__init__.py")]:
            if not path.startswith(f"{folder_of(package)}/"):
                found |= self._named[package, "running"]  # what its user may come to
        package = self.package(path)
        if package and path not in self._before(package):
            found.add(package)
        if path.endswith("_test.py"):
            folders = pathlib.PurePosixPath(path).parents
            found |= {f"{folder}/conftest.py" for folder in folders} & set(self.trees)
        return found - {path}


def target_name(path: str) -> str:
    """The name of a module's target: the module's, or that of the folder of a __main__.py."""
    file = pathlib.PurePosixPath(path)
    return file.parent.name if file.stem == "__main__" else file.stem


def label(path: str, folder: str) -> str:
    """The label of a module's target, as the BUILD file of a folder writes it."""
    home, name = folder_of(path), target_name(path)
    if home == folder:
        return f":{name}"
    return f"//{home}" if home.rpartition("/")[2] == name else f"//{home}:{name}"


class BuildFile:
    """What a person wrote in a BUILD file.

    Attributes:
      top: the comment that it begins with.
      calls: the sources of the calls that make no Python target, with the comments above them.
      targets: {source file: (rule, comment above, {attribute: its source, with the comment})}.
    """

    def __init__(self, text: str) -> None:
        self.top, self.calls, self.targets = "", [], {}
        self._text, self._lines, end = text, text.splitlines(), 0
        for statement in ast.parse(text).body:
            above = self._comment(end, statement.lineno)
            if not end:
                self.top, above = above, ""
            call, end = statement.value, statement.end_lineno
            rule = ast.unparse(call.func) if isinstance(call, ast.Call) else ""
            if rule in LOADS:
                values = {keyword.arg: keyword.value for keyword in call.keywords}
                source = ast.literal_eval(values["srcs"])[0]
                self.targets[source] = (rule, above, dict(self._attributes(call)))
            elif rule != "load" or not {arg.value for arg in call.args[1:]} <= set(LOADS):
                self.calls.append(above + "\n".join(self._lines[statement.lineno - 1 : end]))
        if below := self._comment(end, len(self._lines) + 1):
            self.calls.append(below.rstrip())

    def _comment(self, end: int, start: int, indent: str = "") -> str:
        """What stands between the line number `end` and the line number `start`."""
        lines = [line.strip() for line in self._lines[end : start - 1]]
        return "".join(f"{indent}{line}\n" for line in "\n".join(lines).strip().splitlines())

    def _attributes(self, call: ast.Call) -> Iterator[tuple[str, str]]:
        end = call.func.end_lineno
        for keyword in call.keywords:
            source = ast.get_source_segment(self._text, keyword.value)
            comment = self._comment(end, keyword.lineno, indent="    ")
            yield keyword.arg, f"{comment}    {keyword.arg} = {source},"
            end = keyword.end_lineno


def new_rule(path: str, modules: Modules) -> str:
    """The rule of a module that has no target yet."""
    if path.endswith("_test.py"):
        return "pytest_test"
    body = modules.trees[path].body
    main = any(isinstance(node, ast.If) and "__main__" in ast.unparse(node.test) for node in body)
    program = main and not modules.package(path)
    return "py_binary" if program or path.endswith("__main__.py") else "py_library"


def attribute(name: str, value: str | list[str]) -> str:
    """A line or more of a target: its value is a string or a list of strings."""
    if isinstance(value, str):
        return f'    {name} = "{value}",'
    if len(value) == 1:
        return f'    {name} = ["{value[0]}"],'
    return "\n".join([f"    {name} = [", *(f'        "{item}",' for item in value), "    ],"])


def target(path: str, modules: Modules, rule: str, kept: dict[str, str]) -> str:
    """The text of a module's target, with the attributes that a person wrote."""
    folder, _, file = path.rpartition("/")
    deps = {label(needed, folder) for needed in modules.needed(path)}
    lines = [attribute("name", target_name(path))]
    marks = (getattr(node, "attr", "") for node in ast.walk(modules.trees[path]))
    if rule == "pytest_test" and "slow" in marks:
        lines.append(attribute("size", "large"))
    lines.append(attribute("srcs", [file]))
    lines += [source for name, source in kept.items() if name not in WRITTEN]
    if file == "__main__.py":
        lines.append(attribute("main", file))
    if deps:
        lines.append(attribute("deps", sorted(deps, key=lambda name: name.replace(":", "\0"))))
    return "\n".join([f"{rule}(", *lines, ")"])


def build_text(folder: str, modules: Modules, old: BuildFile) -> str:
    """The text of a folder's BUILD file, "" where nothing is left to say."""
    targets, rules = [], set()
    for path in (path for path in modules.trees if folder_of(path) == folder):
        new = (new_rule(path, modules), "", {})
        rule, above, kept = old.targets.get(path.rpartition("/")[2], new)
        rules.add(rule)
        targets.append(above + target(path, modules, rule, kept))
    if not targets and old.calls in ([], [PUBLIC]):
        return ""
    loads = "\n".join(f'load("{LOADS[rule]}", "{rule}")' for rule in LOADS if rule in rules)
    calls = old.calls
    if rules - {"pytest_test"} and not any("package(" in call for call in calls):
        calls = [PUBLIC, *calls]
    return "\n\n".join(filter(None, [old.top.rstrip(), loads, *calls, *targets])) + "\n"


def rewritten(root: pathlib.Path) -> Iterator[tuple[str, str, str]]:
    """Yields (path from the root, text now, text to be) of every BUILD file with Python targets."""
    modules = Modules(root)
    try:
        graphlib.TopologicalSorter({path: modules.needed(path) for path in modules.trees}).prepare()
    except graphlib.CycleError as error:
        sys.exit(f"modules that need one another: {' <- '.join(error.args[1])}")
    homes = {folder_of(path) for path in modules.trees}
    builds = {path for path in find_files(root) if path.rpartition("/")[2] == "BUILD"}
    for folder in sorted(homes | {folder_of(path) for path in builds}):
        path = join(folder, "BUILD")
        text = (root / path).read_text(encoding="utf-8") if path in builds else ""
        try:
            old = BuildFile(text)
        except (AttributeError, KeyError, SyntaxError, ValueError) as error:
            sys.exit(f"{path} cannot be read ({error}): correct it, or delete it to have it new")
        if folder in homes or old.targets:
            yield path, text, build_text(folder, modules, old)


def main(root: pathlib.Path, check: bool) -> int:
    """Writes the BUILD files, or names what differs. Returns the exit code."""
    changed = [(path, old, new) for path, old, new in rewritten(root) if old != new]
    for path, old, new in changed:
        if check:
            lines = difflib.ndiff(old.splitlines(), new.splitlines())
            print("".join(f"{path}: {line}\n" for line in lines if line[0] in "+-"), end="")
        elif new:
            (root / path).write_text(new, encoding="utf-8")
        else:
            (root / path).unlink()
    if check and changed:
        print("BUILD files differ from the modules: make build-files")
    return int(check and bool(changed))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing, say what differs")
    sys.exit(main(ROOT, parser.parse_args().check))
