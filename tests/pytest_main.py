"""Runs one test file under pytest: the main of every target that pytest_test.bzl makes."""

import os
import sys

import pytest


def main(path):
    """Returns pytest's exit code; what Bazel asks for comes by the environment."""
    options = ["-p", "no:cacheprovider"]  # the tree is read-only
    if "TEST_TMPDIR" in os.environ:
        os.environ["TMPDIR"] = os.environ["TEST_TMPDIR"]
    if "XML_OUTPUT_FILE" in os.environ:
        options.append(f"--junitxml={os.environ['XML_OUTPUT_FILE']}")
    if "TESTBRIDGE_TEST_ONLY" in os.environ:  # bazel test --test_filter=
        options += ["-k", os.environ["TESTBRIDGE_TEST_ONLY"]]
    code = pytest.main([*options, path])
    filtered_out = "-k" in options and code == pytest.ExitCode.NO_TESTS_COLLECTED
    return pytest.ExitCode.OK if filtered_out else code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
