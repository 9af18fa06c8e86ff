"""Settings as frozen dataclasses: what a field may hold stands beside its default."""

from __future__ import annotations

import dataclasses
import math
import typing
from typing import Any

from lmvp_tf.errors import UserError, one_line


def setting(
    default: Any,
    *,
    choices: tuple[Any, ...] = (),
    positive: bool = False,
    below: float = math.inf,
    at_most: float = math.inf,
    empty: bool = False,
    resumable: bool = False,
    task: bool = False,
) -> Any:
    """A field of settings, for a class body: `size: int = setting(64, positive=True)`.

    Args:
      default: its value where none is given.
      choices: all that it may be; empty: whatever its type allows.
      positive: it must be above 0. Every number must be finite and not negative.
      below, at_most: bounds of a number.
      empty: a list may have no number at all.
      resumable: a run may be continued with another value of it.
      task: runs that differ in it predict other things, and no report compares them.
    """
    rule = Rule(choices, positive, below, at_most, empty, resumable, task)
    return dataclasses.field(default=default, metadata={"rule": rule})


_LONGEST_LIST = 64  # of widths, each is a layer of a network; of horizons, each is a phase
_MOST = 2**31 - 1  # as a whole number: TensorFlow's sizes have 32 bits in many places
_LONGEST = 4096  # characters of a text: Linux has no longer paths


class Rule(typing.NamedTuple):
    """What a field may hold: see `setting`."""

    choices: tuple[Any, ...] = ()
    positive: bool = False
    below: float = math.inf
    at_most: float = math.inf
    empty: bool = False
    resumable: bool = False
    task: bool = False

    def check(self, path: str, value: Any) -> None:
        """Refuses a value that is not allowed.

        Raises:
          UserError: naming the field, what it may hold, and what it holds.
        """
        if self.choices and value not in self.choices:
            allowed = ", ".join(map(str, self.choices))
            raise UserError(f"{path} must be one of {allowed}. Received: {one_line(value)}")
        if isinstance(value, tuple):
            fewest = 0 if self.empty else 1
            in_range = all(0 < number <= _MOST for number in value)
            if not (fewest <= len(value) <= _LONGEST_LIST and in_range):
                raise UserError(
                    f"{path} wants {fewest} to {_LONGEST_LIST} numbers, each from 1 to {_MOST}. "
                    f"Received: {one_line(value)}"
                )
        if isinstance(value, bool) or not isinstance(value, int | float):
            return
        if isinstance(value, int) and value > _MOST:
            raise UserError(f"{path} must be at most {_MOST}. Received: {one_line(value)}")
        if not 0 <= value < math.inf:
            raise UserError(f"{path} must be finite and not negative. Received: {value}")
        if self.positive and not value > 0:
            raise UserError(f"{path} must be above 0. Received: {value}")
        if not value < self.below:
            raise UserError(f"{path} must be below {self.below:g}. Received: {value}")
        if not value <= self.at_most:
            raise UserError(f"{path} must be at most {self.at_most:g}. Received: {value}")


def rules(settings: Any, prefix: str = "") -> dict[str, Rule]:
    """The rule of every field by dotted path, of nested settings too."""
    found: dict[str, Rule] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            found |= rules(value, f"{prefix}{field.name}.")
        else:
            found[prefix + field.name] = field.metadata.get("rule", Rule())
    return found


def flatten(settings: Any, prefix: str = "") -> dict[str, Any]:
    """The values by dotted path, for example `{"model.kernel_size": 9, ...}`."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(settings):
        value = getattr(settings, field.name)
        if dataclasses.is_dataclass(value):
            values |= flatten(value, f"{prefix}{field.name}.")
        else:
            values[prefix + field.name] = value
    return values


def field_type(settings: Any, path: str) -> Any:
    """The declared type of the field at a dotted path."""
    part, _, name = path.partition(".")
    if name:
        return field_type(getattr(settings, part), name)
    return typing.get_type_hints(type(settings))[part]


def convert(path: str, value: Any, kind: Any) -> Any:
    """`value`, from a string or from JSON, as a field's type.

    Raises:
      UserError: it is of another type.
    """
    is_tuple = typing.get_origin(kind) is tuple
    wanted = "a list of whole numbers, as 16,32,32" if is_tuple else kind.__name__
    try:
        if is_tuple:
            if isinstance(value, str):
                text = value.strip("()[] ").rstrip(",")
                value = text.split(",") if text else ()
            return tuple(_whole(part) for part in value)
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]
        if kind is int:
            return _whole(value)
        if kind is float and not isinstance(value, bool):
            return float(value)
        if kind is str and isinstance(value, str):
            if value.isprintable() and len(value) <= _LONGEST:
                return value
            wanted = f"a text of one line with at most {_LONGEST} characters"
    except (ValueError, KeyError, TypeError, OverflowError):
        pass
    raise UserError(f"{path} must be {wanted}. Received: {_quoted(value)}")


def _quoted(value: Any) -> str:
    return one_line(repr(value) if isinstance(value, str) else value)


def _whole(value: Any) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value  # as a float it would lose its last digits
    number = float(value)
    if isinstance(value, bool) or number != int(number):
        raise ValueError(value)
    return int(number)
