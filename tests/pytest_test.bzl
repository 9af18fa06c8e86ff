"""A py_test for test files of pytest."""

load("@rules_python//python:py_test.bzl", "py_test")

def pytest_test(name, srcs, deps = [], data = [], **kwargs):
    """Runs one file under pytest, with the settings in pyproject.toml.

    Args:
      name: name of the target, that of the file without .py.
      srcs: the test file alone.
      deps: libraries that the test imports, and conftest.
      data: programs and files that the test opens or runs.
      **kwargs: handed on to py_test.
    """
    if len(srcs) != 1:
        fail("pytest_test takes one test file. Received: srcs = %r" % srcs)
    py_test(
        name = name,
        srcs = srcs + ["//tests:pytest_main.py"],
        main = "//tests:pytest_main.py",
        args = ["%s/%s" % (native.package_name(), srcs[0])],
        data = data + ["//:pyproject.toml"],
        deps = deps,
        legacy_create_init = 0,  # pytest takes a folder with __init__.py for a package
        **kwargs
    )
