"""Runs one test file under pytest: the main of every target that pytest_test.bzl makes."""

import os
import sys
import tempfile

import pytest


def main(path):
    """Returns pytest's exit code; what Bazel asks for comes by the environment.

    Temporary files lie in a folder of their own instead of Bazel's TEST_TMPDIR, whose path is too
    long for the name of a socket.
    """
    options = ["-p", "no:cacheprovider"]  # the tree is read-only
    if "XML_OUTPUT_FILE" in os.environ:
        options.append(f"--junitxml={os.environ['XML_OUTPUT_FILE']}")
    if "TESTBRIDGE_TEST_ONLY" in os.environ:  # bazel test --test_filter=
        options += ["-k", os.environ["TESTBRIDGE_TEST_ONLY"]]
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        os.environ["TMPDIR"] = tempfile.tempdir = folder
        code = pytest.main([*options, path])
    filtered_out = "-k" in options and code == pytest.ExitCode.NO_TESTS_COLLECTED
    return pytest.ExitCode.OK if filtered_out else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
