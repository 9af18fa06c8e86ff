"""Settings of the process that make TensorFlow faster and quieter, made before it is imported."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import pathlib
import platform
import re
import sys
from collections.abc import Iterator
from typing import Any

from absl import logging

from lmvp_tf import files
from lmvp_tf.errors import RunError, one_line

# Whether oneDNN predicts one video faster, by the vendor of the processor (docs/decisions.md). The
# choice for others is TensorFlow's.
_ONEDNN_PREDICTS = {"GenuineIntel": "1", "AuthenticAMD": "0"}
# What TensorFlow's libraries say on any machine without a GPU, whatever TF_CPP_MIN_LOG_LEVEL is
# (github.com/tensorflow/tensorflow/issues/100442).
_CHATTER = re.compile(
    rb"I\d{4} |WARNING: All log messages before absl|E\d{4} .* to cuInit: .*\(303\)"
)
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4


def prepare() -> None:
    """Sets up the process. What the user's environment says already stays as it is."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow's warnings hide our own
    _open_closed_streams()
    keep_freed_memory()


def _open_closed_streams() -> None:
    """Opens stdin, stdout and stderr where they are closed (`2>&-`, some daemons).

    Else the next file that is opened has one of their numbers, and what a library says to it would
    be written into the file.
    """
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w"))  # noqa: SIM115 (as long as the process)


def import_tensorflow(training: bool = True) -> None:
    """Imports TensorFlow and Keras in half the time, where packages are installed that Keras looks
    for and that no program of ours wants through Keras (docs/decisions.md).

    Args:
      training: whether convolutions are those of large batches, which oneDNN makes half as fast
        again. Whether it helps a prediction of one video depends on the processor. What the user's
        environment says wins.

    Raises:
      RunError: it cannot be imported.
    """
    onednn = "1" if training else _ONEDNN_PREDICTS.get(_processor_vendor())
    if onednn:
        os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", onednn)
    hidden = ("cv2", "jax", "matplotlib", "pandas", "scipy", "sklearn")
    _choose_backend()
    with _hidden(*hidden), _without_garbage_collection(), _without_chatter():
        try:
            import keras  # imports TensorFlow, its backend
            import tensorflow  # noqa: F401  (finds Keras there already)
        except ImportError as error:
            raise RunError(f"TensorFlow cannot be imported: {one_line(error)}") from error
    # What ~/.keras/keras.json says is for the user's own models.
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")


def _choose_backend() -> None:
    """The programs compute by TensorFlow, whatever Keras does elsewhere on this machine."""
    asked = os.environ.get("KERAS_BACKEND", "tensorflow")
    if asked != "tensorflow":
        logging.warning("KERAS_BACKEND=%s is left aside: this program runs on TensorFlow", asked)
    os.environ["KERAS_BACKEND"] = "tensorflow"


def halves_are_slow() -> bool:
    """Whether bfloat16 and float16 take longer than float32: on x86 without AVX-512, for which
    oneDNN has no convolution of them.
    """
    info = _processor()
    return "vendor_id" in info and not re.search(r"(?m)^flags\b.*\bavx512bw\b", info)


def _processor_vendor() -> str:
    """As "GenuineIntel"; empty where neither Linux nor Windows says it."""
    if info := _processor():
        vendor = re.search(r"(?m)^vendor_id\s*: (\w+)$", info)
        return vendor[1] if vendor else ""
    return platform.processor().rpartition(", ")[2]  # Windows: "..., GenuineIntel"


def _processor() -> str:
    """What Linux says of the processor; empty elsewhere."""
    try:
        return pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


@contextlib.contextmanager
def _hidden(*packages: str) -> Iterator[None]:
    """Lets packages that are not imported yet appear as not installed."""
    absent = [name for name in packages if name not in sys.modules]
    nothing: dict[str, Any] = dict.fromkeys(absent)
    sys.modules.update(nothing)
    try:
        yield
    finally:
        for name in absent:
            del sys.modules[name]


@contextlib.contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Keeps Python from going through all that an import makes again and again, a tenth of it.

    What was made stays as long as the process: it is not gone through later or at the end either.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_on:
            gc.enable()


@contextlib.contextmanager
def _without_chatter() -> Iterator[None]:
    """Holds stderr back, also C++'s, and lets through at the end what is no chatter."""
    sys.stderr.flush()
    stderr = os.dup(2)
    with files.scratch() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        finally:
            sys.stderr.flush()
            os.dup2(stderr, 2)
            os.close(stderr)
            said.seek(0)
            os.write(2, b"".join(line for line in said if not _CHATTER.match(line)))


def keep_freed_memory() -> bool:
    """Tells glibc's malloc to map no block by itself and never to shrink its heap.

    A training step frees and takes again hundreds of megabytes in large blocks. glibc would map
    each of them anew, and the kernel clear every page of them, in every step; on two cores that was
    two thirds of the step (docs/decisions.md).

    Returns:
      Whether it was set. Other C libraries (musl, macOS, Windows) have no such setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return False
    return bool(
        mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1) and mallopt(_M_TOP_PAD, 2**28)
    )
