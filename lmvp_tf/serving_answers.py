"""What a model server may answer: anything. What is no prediction ends in one of these errors."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from lmvp_tf.errors import RunError, UserError, one_line

Arrays = dict[str, npt.NDArray[Any]]  # by the names of an endpoint's inputs or outputs

SOLE_OUTPUT = {"serve": "predictions", "serve_uint8": "predictions", "serve_step": "frame"}
MOST_BYTES = 2**30  # of an answer: 16 videos of twenty frames in 256x256 pixels and colour
_ROUNDING = 1e-3  # by which a prediction may leave [0, 1]


class RequestError(UserError):
    """The request cannot be answered as it is, by this client's checks or the server's: frames of
    another kind, an unknown label, a model that lacks the endpoint.
    """


class NotFoundError(RequestError):
    """The server has no such model or version, or has not loaded it yet."""


class ServingError(RunError):
    """The server failed, or what it answered makes no sense."""


class DeadlineError(ServingError):
    """There was no answer in time."""


class UnavailableError(ServingError):
    """The server cannot be reached, takes no request now, or breaks off in the middle of an answer,
    also after several attempts.
    """


def check_state_shapes(shapes: dict[str, list[int]], batch: int) -> None:
    """Refuses a server's word on a state that no memory holds."""
    sizes = [
        math.prod(shape) if min(shape, default=1) > 0 else math.inf for shape in shapes.values()
    ]
    if 4 * batch * sum(sizes) > MOST_BYTES:
        raise ServingError(
            f"serve_step is said to have a state of these shapes: {one_line(shapes)}"
        )


def check_answer(endpoint: str, inputs: Arrays, answer: Arrays, first: Arrays) -> None:
    """Refuses an answer that is none to these inputs.

    Args:
      endpoint: its name.
      inputs: what was sent.
      answer: what came.
      first: the answer to the first part of the same batch, of which it is to be the continuation.

    Raises:
      ServingError: with what is wrong.
    """
    sole = SOLE_OUTPUT[endpoint]
    if sole not in answer:
        raise ServingError(
            f"the answer of {endpoint} has no {sole!r}: the server has a model of another kind. "
            f"Received: {one_line(', '.join(answer))}"
        )
    expected: dict[str, tuple[int, ...]] = {name: value.shape for name, value in inputs.items()}
    if endpoint != "serve_step":  # [B, T0, H, W, C] -> [B, S, H, W, C]
        frames = inputs["frames"].shape
        steps = first[sole].shape[1:2] or (0,)
        expected = {sole: (frames[0], max(*steps, 1), *frames[2:])}
    dtype = next(iter(inputs.values())).dtype
    for name, shape in expected.items():
        value = answer.get(name)
        if value is None or value.shape != shape or value.dtype != dtype:
            found = "none" if value is None else f"{value.dtype} {value.shape}"
            raise ServingError(
                f"the answer of {endpoint} has another {name!r} than {dtype} {shape}: {found}"
            )
        if not np.isfinite(value).all():
            raise ServingError(f"the answer of {endpoint} has a NaN or an infinity in {name!r}")
    values = answer[sole]
    if endpoint == "serve" and not -_ROUNDING <= values.min() <= values.max() <= 1 + _ROUNDING:
        raise ServingError(
            f"the answer of {endpoint} leaves [0, 1]: {values.min():.4g} to {values.max():.4g}"
        )


def numbers(values: list[Any], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Numbers of JSON as an array, unless they are none of this type."""
    array = np.array(values)
    if array.dtype.kind not in ("iu" if dtype == np.uint8 else "iuf"):
        raise ValueError(f"values are {array.dtype}, expected {dtype}")
    if dtype == np.uint8 and not (array.size and 0 <= array.min() <= array.max() <= 255):
        raise ValueError("grey levels outside of 0..255")
    with np.errstate(over="ignore"):  # what is beyond float32 becomes infinite, and is refused
        return array.astype(dtype)


@contextlib.contextmanager
def understanding(server: str) -> Iterator[None]:
    """Turns what goes wrong in reading an answer into a ServingError."""
    try:
        yield
    except (ServingError, RequestError):
        raise
    except Exception as error:  # who answers may be anything
        raise ServingError(
            f"{server} gave no answer of a model server: {type(error).__name__} {one_line(error)}"
        ) from error
