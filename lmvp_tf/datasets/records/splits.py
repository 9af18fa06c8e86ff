"""Which frames of which recordings are for training, for validation and for the test."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import re

import numpy as np
import numpy.typing as npt

from lmvp_tf.errors import UserError

SPLITS = ("train", "validation", "test")
UNUSED = -1  # the split of a frame that no split has
PAPER_FRAMES = (16_000, 4_000)  # train, test
SPLIT_SYNTAX = (
    "paper | fraction:0.8 (of each clip's frames) | clips:0.8 (of whole clips) | "
    "test:CLIP[@FROM-TO][,CLIP[@FROM-TO]...], with CLIP an input's name without its ending and "
    "FROM-TO its own frame numbers, both included, either left out for the clip's end"
)
VALIDATION_SYNTAX = (
    "a share of each clip's training frames, from 0 to below 1, or whole clips: clips:0.05 or "
    "clips:NAME[,NAME...]"
)
_TRAIN, _VALIDATION, _TEST = (SPLITS.index(name) for name in ("train", "validation", "test"))

Range = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class SplitRule:
    """A parsed --split and --validation.

    Attributes:
      fraction: share of each recording's frames, from its start, that are for training.
      tests: recording -> list of (first, last) frame numbers for the test. Where `fraction` and
        `tests` are both None, the paper's rule holds.
      validation: share of each recording's training frames, at their end, that become validation.
      held_out: names of the recordings whose training frames are all for validation.
    """

    fraction: float | None = None
    tests: dict[str, list[Range]] | None = None
    validation: float = 0.0
    held_out: frozenset[str] = frozenset()

    def assign(
        self, name: str, numbers: npt.NDArray[np.int64], before: int
    ) -> npt.NDArray[np.int64]:
        """The split of each frame of a recording.

        Args:
          name: the recording's name.
          numbers: int64 [N], its frame numbers.
          before: number of frames in the recordings before it.

        Returns:
          int64 [N], index into SPLITS, or UNUSED.

        Raises:
          UserError: it has no frame in a range that was asked for.
        """
        splits = self._train_and_test(name, numbers, before)
        training = np.flatnonzero(splits == _TRAIN)
        share = 1.0 if name in self.held_out else self.validation
        splits[training[len(training) - round(share * len(training)) :]] = _VALIDATION
        return splits

    def _train_and_test(
        self, name: str, numbers: npt.NDArray[np.int64], before: int
    ) -> npt.NDArray[np.int64]:
        place = np.arange(len(numbers))
        if self.fraction is not None:
            return np.where(place < round(self.fraction * len(numbers)), _TRAIN, _TEST)
        if self.tests is None:
            ends = np.cumsum(PAPER_FRAMES) - before
            return np.select([place < ends[0], place < ends[1]], [_TRAIN, _TEST], UNUSED)
        is_test = np.zeros(len(numbers), bool)
        for first, last in self.tests.get(name, []):
            inside = (first <= numbers) & (numbers <= last)
            if not inside.any():
                raise UserError(
                    f"--split: {name} has no frame from {first} to {last}; "
                    f"its frames are {numbers[0]} to {numbers[-1]}"
                )
            is_test |= inside
        return np.where(is_test, _TEST, _TRAIN)


def parse(split: str, validation: str, names: list[str]) -> SplitRule:
    """Parses --split and --validation.

    Args:
      split: see SPLIT_SYNTAX.
      validation: see VALIDATION_SYNTAX.
      names: of the recordings.

    Raises:
      UserError: a text does not parse, or names a recording that is not there.
    """
    rule = _parse_split(split, names)
    kind, colon, rest = validation.partition(":")
    if not colon:
        share = _number(kind)
        if not 0 <= share < 1:
            raise UserError(f"--validation must be {VALIDATION_SYNTAX}. Received: {validation!r}")
        return dataclasses.replace(rule, validation=share)
    if kind != "clips" or not rest:
        raise UserError(f"--validation must be {VALIDATION_SYNTAX}. Received: {validation!r}")
    candidates = [name for name in names if _trains(rule, name)]
    return dataclasses.replace(rule, held_out=frozenset(_whole(rest, names, candidates)))


def _trains(rule: SplitRule, name: str) -> bool:
    """Whether a recording has training frames, as far as its name tells."""
    return not any(limits == (0, math.inf) for limits in (rule.tests or {}).get(name, []))


def _parse_split(text: str, names: list[str]) -> SplitRule:
    kind, _, rest = text.partition(":")
    if text == "paper":
        return SplitRule()
    if kind == "fraction":
        return SplitRule(fraction=_share("--split=fraction:", rest))
    if kind == "clips":
        count = round((1 - _share("--split=clips:", rest)) * len(names))
        return SplitRule(tests={name: [(0, math.inf)] for name in _draw(names, count)})
    if kind == "test" and rest:
        tests: dict[str, list[Range]] = {}
        for item in rest.split(","):
            name, limits = _test_range(item)
            _check_name("--split", name, names)
            tests.setdefault(name, []).append(limits)
        return SplitRule(tests=tests)
    raise UserError(f"--split must be {SPLIT_SYNTAX}. Received: {text!r}")


def _whole(text: str, names: list[str], candidates: list[str]) -> list[str]:
    """The recordings that "0.05" or "NAME,NAME" stands for."""
    share = _number(text)
    if text in names or math.isnan(share):
        for name in text.split(","):
            _check_name("--validation", name, names)
        return text.split(",")
    if not 0 <= share < 1:
        raise UserError(f"--validation=clips: takes a share from 0 to below 1. Received: {text!r}")
    count = round(share * len(candidates))
    return _draw(candidates, max(count, 1) if share and len(candidates) > 1 else count)


def _draw(names: list[str], count: int) -> list[str]:
    """As good as random, and the same for the same names in whatever order."""
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())[:count]


def _check_name(flag: str, name: str, names: list[str]) -> None:
    if name not in names:
        more = f" and {len(names) - 20} more" if len(names) > 20 else ""
        known = ", ".join(names[:20])
        raise UserError(f"{flag}: no clip {name!r}; the clips are {known}{more}")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _share(flag: str, text: str) -> float:
    share = _number(text)
    if not 0 <= share <= 1:
        raise UserError(f"{flag} takes a number from 0 to 1. Received: {text!r}")
    return share


def _test_range(item: str) -> tuple[str, Range]:
    """(name, (first, last)) of CLIP or CLIP@FROM-TO."""
    name, at, limits = item.partition("@")
    match = re.fullmatch(r"(\d*)-(\d*)", limits) if at else None
    if at and match is None:
        raise UserError(f"--split: a range is CLIP@FROM-TO. Received: {item!r}")
    first, last = match.groups() if match else ("", "")
    return name, (int(first or 0), int(last) if last else math.inf)
