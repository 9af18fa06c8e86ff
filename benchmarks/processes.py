"""Functions of this package run in fresh processes: their memory and their start are their own."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).parents[1]
_MARK = "benchmark value: "  # libraries print to stdout too
_PROGRAM = f"""
import importlib, json, sys
from lmvp_tf import runtime
runtime.prepare()
runtime.import_tensorflow()
module, name, arguments = json.loads(sys.argv[1])
for value in getattr(importlib.import_module(module), name)(*arguments):
    print("{_MARK}" + json.dumps(value), flush=True)
"""


class ProcessFailed(Exception):
    """A process ended with an error; the message is in one line."""


def values_of(function, *arguments, **environment):
    """Runs a generator function of a module in a new process, set up as the programs are.

    Args:
      function: a function at the top of a module, which yields what JSON can hold.
      *arguments: what JSON can hold.
      **environment: variables of the environment, besides those of this process.

    Yields:
      What it yields, at once.

    Raises:
      ProcessFailed: it ended with an error, or was ended.
    """
    call = json.dumps([function.__module__, function.__name__, arguments])
    command = [sys.executable, "-c", _PROGRAM, call]
    with tempfile.TemporaryFile("w+", errors="replace") as log:
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            cwd=ROOT,
            env={**os.environ, **environment},
        ) as process:
            for line in process.stdout:
                if line.startswith(_MARK):
                    yield json.loads(line.removeprefix(_MARK))
        log.seek(0)
        complaints = log.read().strip().splitlines()
    if process.returncode < 0:
        raise ProcessFailed(f"ended by {signal.Signals(-process.returncode).name}")
    if process.returncode:
        reason = complaints[-1] if complaints else "no reason given"
        raise ProcessFailed(f"ended with code {process.returncode}: {reason}")


def value_of(function, *arguments):
    """The one value that `values_of` yields."""
    (value,) = values_of(function, *arguments)
    return value
