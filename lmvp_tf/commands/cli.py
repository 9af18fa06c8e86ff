"""What the command-line programs share: one line for an error, an exit code, quiet libraries."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import pathlib
import re
import signal
import sys
from collections.abc import Callable, Iterator
from types import FrameType

from absl import app, flags, logging

from lmvp_tf import runtime, stopping
from lmvp_tf.errors import RunError, UserError, WorkerLost, one_line, printable

runtime.prepare()  # here, for a program may import TensorFlow right after this module

_TAKES_NO_MORE = (errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


def run(main: Callable[[list[str]], int | None]) -> None:
    """Runs `main(argv)` as an absl program.

    Exit codes: 0; 2 for what the user gave (UserError, a bad flag); 1 for what failed in mid-run
    (RunError); 130 for Ctrl-C, 129 for a terminal that is closed, and 143 for SIGTERM, which Slurm,
    Kubernetes and Kubeflow (from 128 on) start again, and so for a distributed run that has lost a
    worker.
    Either error is one line on stderr; `--verbosity=1` or more shows where it came from. After a
    signal nothing half written stays; a second one ends the program at once.
    """

    def guarded(argv: list[str]) -> int | None:
        logging.use_python_logging(quiet=True)
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # TensorFlow tells much that no user asked for
        if isinstance(sys.stdout, io.TextIOWrapper):  # what was said is read, whatever comes then
            sys.stdout.reconfigure(line_buffering=True)
        _stop_by_signals()
        try:
            if len(argv) > 1:
                raise UserError(f"flags start with --. Received: {' '.join(argv[1:])}")
            code = main(argv)
            sys.stdout.flush()
            return code
        except KeyboardInterrupt:
            sys.exit(stopping.exit_code())
        except Exception as error:
            known = isinstance(error, UserError | RunError)
            line = str(error) if known else _raised_in_pipeline(error) or _of_the_machine(error)
            if line is None and stopping.was_asked():  # a library has made another error of it
                sys.exit(stopping.exit_code())
            if line is None or flags.FLAGS.verbosity >= 1:
                raise
            print(f"{os.path.basename(sys.argv[0])}: {line}", file=sys.stderr)
            sys.exit(_exit_code(error))

    # --help shows the text and the flags of the main module: take those of main's for it, and the
    # flags that it shares with other programs.
    sys.modules["__main__"].__doc__ = sys.modules[main.__module__].__doc__
    for module in [name for name in sys.modules if name.startswith(f"{__package__}.")]:
        for flag in flags.FLAGS.get_key_flags_for_module(module):
            flags.FLAGS.register_key_flag_for_module(sys.argv[0], flag)
    with _read_by_nobody():
        app.run(guarded, flags_parser=_parse_flags)


@contextlib.contextmanager
def _read_by_nobody() -> Iterator[None]:
    """Ends in silence where what --help prints is read no further, as by `head`."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        stopping.silence(1)
        sys.exit(1)


def _stop_by_signals() -> None:
    """From now on the first signal ends what runs as an exception does: it is cleared up after."""

    def stop(number: int, frame: FrameType | None) -> None:
        del frame
        stopping.note(number)
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    stopping.forget()
    for number in stopping.SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # of nohup, or a shell's background
            signal.signal(number, stop)


def _exit_code(error: Exception) -> int:
    if stopping.was_asked() or isinstance(error, WorkerLost):
        return stopping.exit_code()
    return 2 if isinstance(error, UserError) else 1


def _of_the_machine(error: Exception) -> str | None:
    """The line of an error that is none of the program; None: it is one.

    A path that may not be looked at, as the folder above it is somebody else's; memory that there
    is not; an output that takes no more, of which nothing is tried again at the end.
    """
    if isinstance(error, MemoryError):
        return f"the machine has too little memory ({one_line(error)})"
    if isinstance(error, OSError) and error.filename:
        return f"{printable(os.fsdecode(error.filename))}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in _TAKES_NO_MORE:
        stopping.silence(1)
        return f"what it prints, or a temporary file, cannot be written: {error.strerror}"
    if isinstance(error, FileNotFoundError) and "temporary directory" in str(error.strerror):
        return f"{error.strerror}: set TMPDIR to a folder that can be written to"
    return None


def _raised_in_pipeline(error: Exception) -> str | None:
    """The line of a RunError that tf.data has turned into one of TensorFlow's; None: it is none.

    A record on disk is read, and may turn out to be damaged, in the middle of a pipeline.
    """
    found = re.search(r"\bRunError: (.+)", str(error))
    return found[1] if found and type(error).__module__.startswith("tensorflow.") else None


def folder(flag: str, value: str) -> pathlib.Path:
    """The folder that a flag names.

    Raises:
      UserError: its name has characters that no line can tell of: control characters (a line break)
        or bytes that are no UTF-8.
    """
    if not value.isprintable():
        raise UserError(
            f"--{flag} has characters that cannot be printed, such as a line break: give a folder "
            f"of another name. Received: {value!a}"
        )
    return pathlib.Path(value)


def _parse_flags(argv: list[str]) -> list[str]:
    """Parses flags; a wrong one ends the program with one line and exit code 2."""
    try:
        return flags.FLAGS(argv)
    except flags.Error as error:
        print(f"{os.path.basename(argv[0])}: {error}", file=sys.stderr)
        sys.exit(2)
