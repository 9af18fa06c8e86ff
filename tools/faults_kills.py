"""A program as a fork of this process, killed at a moment or at one of its file operations.

The process may have imported TensorFlow and computed nothing by it: then a program starts at once.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import pathlib
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from typing import Any

PACKAGE = "lmvp_tf.commands"

# Of Python's audit events, those that change files. Their first argument is a path.
_CHANGES = {"os.chmod", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink",
            "os.truncate"}  # fmt: skip


class Killed(Exception):
    """The program was."""


@dataclasses.dataclass(frozen=True)
class Kill:
    """When a program is killed: after so many seconds, or at one of its file operations.

    Attributes:
      moment: seconds from its start.
      operation: number of the operation, from 1 on.
      delay: seconds after it; 0: before it.
    """

    moment: float = 0.0
    operation: int = 0
    delay: float = 0.0


NEVER = Kill()


def run_program(module: str, flags: Sequence[str], place: pathlib.Path, kill: Kill = NEVER) -> int:
    """Runs a program to its end.

    Args:
      module: what runs it, in PACKAGE.
      flags: its command line.
      place: the folder in which its file operations count.
      kill: when it is killed.

    Returns:
      How many file operations it made.

    Raises:
      Killed: it did not come to its end.
      RuntimeError: it failed; with what it printed.
    """
    counts, output = place.with_suffix(".count"), place.with_suffix(".output")
    process = os.fork()
    if not process:
        _be_program(module, [f"{module}.py", *flags], place, kill, counts, output)
    if kill.moment:
        time.sleep(kill.moment)
        os.kill(process, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    if code in (-signal.SIGKILL, -signal.SIGALRM):
        raise Killed
    if code:
        raise RuntimeError(f"exit code {code}: {output.read_text()[-1000:]}")
    return int(counts.read_text())


def _be_program(
    module: str,
    command: list[str],
    place: pathlib.Path,
    kill: Kill,
    counts: pathlib.Path,
    output: pathlib.Path,
) -> None:
    code = 99
    try:
        with output.open("wb") as file:
            for number in (1, 2):
                os.dup2(file.fileno(), number)
        operations = _watch(f"{place}/", kill)
        sys.argv = command
        importlib.import_module(f"{PACKAGE}.{module}").run()
        code = 0
    except SystemExit as error:
        code = error.code if isinstance(error.code, int) else int(error.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        if code == 0:
            counts.write_text(str(operations[0]))
        sys.stdout.flush()
        os._exit(code)


def _watch(place: str, kill: Kill) -> list[int]:
    """Counts the file operations in a place from now on, and kills the process at one of them."""
    count = [0]

    def see(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            if not (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                return
        elif event in _CHANGES:
            path = arguments[0]
        else:
            return
        if not isinstance(path, str | bytes) or not os.fsdecode(path).startswith(place):
            return
        count[0] += 1
        if count[0] == kill.operation and kill.delay:
            signal.setitimer(signal.ITIMER_REAL, kill.delay)  # nobody handles it: the process ends
        elif count[0] == kill.operation:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(see)
    return count


def apart(function: Callable[[], Any]) -> Any:
    """What a function returns, called in a process of its own: it may compute by TensorFlow."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        try:
            with os.fdopen(writing, "w") as file:
                json.dump(function(), file)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as file:
        text = file.read()
    if os.waitpid(process, 0)[1]:
        raise RuntimeError("what there is cannot be read")
    return json.loads(text)
