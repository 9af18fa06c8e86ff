"""The order of a film's pictures, as the names of their files tell it.

Names of one pattern differ in some of their numbers. Those may be read in several ways: as a
counter, as a date and a time, as a decimal number. The reading that sets the pictures at the most
equal steps is taken, and the plainest one where several do.
"""

from __future__ import annotations

import dataclasses
import datetime
import fractions
import itertools
import re
import statistics
from collections.abc import Iterator, Sequence

import numpy as np

from lmvp_tf.films.film import Timeline

Value = fractions.Fraction | int

_EVEN = 0.5  # of the steps have to be usual ones, or the reading is none
_LARGEST = 2**53  # a number of a frame above it is a name and no count
_DAY = 86_400
_EPOCHS = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}  # digits since 1970: units a second

_TWO = r"(?:\d\d|\d(?!\d))"  # one digit only where it stands alone
_YEAR, _MONTH, _DATE = r"(?P<Y>(?:19|20)\d\d)", rf"(?P<M>{_TWO})", rf"(?P<D>{_TWO})"
_TIME = (
    rf"(?:(?P<apart>[-_.T ]{{0,3}})(?P<h>{_TWO})(?:(?P<colon>[-_.:h ]?)(?P<m>{_TWO})"
    rf"(?:[-_.:m ]?(?P<s>{_TWO})(?:[-_.,]?(?P<f>\d{{1,9}}))?)?)?)?(?!\d)"
)
_YEAR_FIRST = re.compile(rf"(?<!\d){_YEAR}(?P<sep>[-_. ]?){_MONTH}(?P=sep){_DATE}{_TIME}", re.ASCII)
_DAY_FIRST = re.compile(rf"(?<!\d){_DATE}(?P<sep>[-_. ]){_MONTH}(?P=sep){_YEAR}{_TIME}", re.ASCII)
_MONTH_FIRST = re.compile(rf"(?<!\d){_MONTH}(?P<sep>[-_. ]){_DATE}(?P=sep){_YEAR}{_TIME}", re.ASCII)
_CLOCK = re.compile(
    r"(?<!\d)(?P<h>\d\d)(?P<colon>[-_.:h]?)(?P<m>\d\d)(?:(?P=colon)(?P<s>\d\d))?(?!\d)", re.ASCII
)


@dataclasses.dataclass(frozen=True)
class Order:
    """The pictures of a film in their order.

    Attributes:
      indices: of the given names, first picture first.
      timeline: where the pictures lie.
      remark: what to tell the user, where the names leave a doubt; else "".
    """

    indices: list[int]
    timeline: Timeline
    remark: str = ""


@dataclasses.dataclass(frozen=True)
class _Reading:
    """One way to read the names.

    Attributes:
      what: in words.
      values: of each name.
      fields: which of the names' numbers are in it.
      seconds: whether the values are seconds.
    """

    what: str
    values: list[Value]
    fields: set[int]
    seconds: bool = False

    @property
    def order(self) -> list[int]:
        """Indices of the names in the order of their values."""
        return sorted(range(len(self.values)), key=self.values.__getitem__)

    @property
    def evenness(self) -> float:
        """The share of the steps that are like the usual one."""
        steps, usual = self.steps()
        return float(np.mean([usual < 2 * step < 3 * usual for step in steps])) if steps else 1.0

    def steps(self) -> tuple[list[Value], Value]:
        """The differences between successive values, and the usual one."""
        values = sorted(self.values)
        steps = [after - before for before, after in itertools.pairwise(values)]
        return steps, statistics.median_low(steps) if steps else 1


def pattern(stem: str) -> str:
    """What a name has in common with the others of its film: all but its numbers and its date."""
    return re.sub(r"[0-9]+", "#", _YEAR_FIRST.sub("@", stem)).casefold()


def natural(text: str) -> list[tuple[int, int, str]]:
    """A key by which 2 comes before 10."""
    parts = re.split(r"([0-9]+)", text.casefold())
    return [(0, int(part), part) if i % 2 else (1, 0, part) for i, part in enumerate(parts)]


def arrange(stems: Sequence[str]) -> Order:
    """Finds the order of pictures.

    Args:
      stems: names without their endings, all different, of one `pattern` or of none.

    Returns:
      Order. Missing numbers and times are gaps in its timeline.
    """
    readings = list(_readings(stems))
    best = max(readings, key=lambda reading: reading.evenness, default=None)
    if best is None or (len(readings) > 1 and best.evenness < _EVEN):
        indices = sorted(range(len(stems)), key=lambda i: natural(stems[i]))
        return Order(indices, Timeline.regular(len(stems)), _remark(stems, indices, readings))
    others = [r for r in readings if not r.fields & best.fields or r.what == best.what]
    return Order(best.order, _timeline(best), _remark(stems, best.order, others, best.what))


def _remark(stems: Sequence[str], order: list[int], others: list[_Reading], what: str = "") -> str:
    """What to say where another reading gives another order."""
    contrary = next((reading for reading in others if reading.order != order), None)
    if contrary is None:
        return ""
    by = f"by {what}" if what else "in natural order"
    return (
        f"the numbers in the names contradict each other: taken {by}, from {stems[order[0]]} to "
        f"{stems[order[-1]]}; {contrary.what} would begin with {stems[contrary.order[0]]}"
    )


def _timeline(reading: _Reading) -> Timeline:
    """Where the pictures lie; steps that are not the usual one are gaps."""
    values = sorted(reading.values)
    steps, usual = reading.steps()
    gaps = np.array([False, *(not usual < 2 * step < 3 * usual for step in steps)], bool)
    places = [round((value - values[0]) / usual) for value in values]
    if not reading.seconds and values[-1] < _LARGEST and all(v == int(v) for v in values):
        places = [int(value) for value in values]
    if len(set(places)) < len(places):
        places = list(range(len(places)))
    numbers = np.array(places, np.int64)
    if not reading.seconds:
        return Timeline(numbers, np.full(len(values), np.nan), gaps)
    times = np.array([float(value - values[0]) for value in values])
    like_usual = np.diff(times)[~gaps[1:]]
    return Timeline(numbers, times, gaps, 1 / float(like_usual.mean()) if steps else 0.0)


def _readings(stems: Sequence[str]) -> Iterator[_Reading]:
    """All ways to read the names that give each another value, the plainest first."""
    if len({pattern(stem) for stem in stems}) > 1:
        return
    certain: list[_Reading] = []
    doubtful: list[_Reading] = []
    for regex, what in (
        (_YEAR_FIRST, "their dates"),
        (_DAY_FIRST, "their dates, the day first"),
        (_MONTH_FIRST, "their dates, the month first"),
        (_CLOCK, "the time of day"),
    ):
        reading = _times(stems, regex, what)
        if reading is not None:
            (doubtful if _may_be_a_counter(regex, stems[0]) else certain).append(reading)
    numbers = list(_numbers(stems))
    alone = [reading for reading in numbers if reading.fields >= _varying(stems)]
    apart = [reading for reading in doubtful if len(reading.fields) > 1]
    yield from [*certain, *alone, *apart]
    yield from [reading for reading in [*numbers, *doubtful] if reading not in [*alone, *apart]]


def _varying(stems: Sequence[str]) -> set[int]:
    """Which numbers differ between the names."""
    columns = zip(*(re.findall(r"[0-9]+", stem) for stem in stems), strict=False)
    return {i for i, column in enumerate(columns) if len(set(column)) > 1}


def _may_be_a_counter(regex: re.Pattern[str], stem: str) -> bool:
    """Whether what looks like a time, as 0012 in 2019-05-06_0012, may as well count frames."""
    match = regex.search(stem)
    if match is None or regex is _CLOCK:
        return True
    return bool(match["h"] and match["apart"] and not match["colon"])


def _times(stems: Sequence[str], regex: re.Pattern[str], what: str) -> _Reading | None:
    """The names read as times, if they are."""
    matches = [match for stem in stems if (match := regex.search(stem))]
    try:
        values: list[Value] = [_seconds(match) for match in matches]
    except ValueError:  # no such day, no such hour
        return None
    if len(set(values)) < len(stems):
        return None
    first = matches[0]
    spans = [match.span() for match in re.finditer(r"[0-9]+", stems[0])]
    fields = {i for i, span in enumerate(spans) if first.start() < span[1] <= first.end()}
    if regex is _CLOCK:
        values = _past_midnight(values)
    return _Reading(what, values, fields, seconds=True)


def _seconds(match: re.Match[str]) -> fractions.Fraction:
    """A date or a time of day in seconds."""
    part = {key: value for key, value in match.groupdict().items() if value}
    year, month, day = (int(part.get(key, 1)) for key in "YMD")
    hour, minute, second = (int(part.get(key, 0)) for key in "hms")
    time = datetime.datetime(year, month, day, hour, minute, second)
    seconds = (time - datetime.datetime(1, 1, 1)) // datetime.timedelta(seconds=1)
    digits = part.get("f", "0")
    return seconds + fractions.Fraction(int(digits), 10 ** len(digits))


def _past_midnight(values: list[Value]) -> list[Value]:
    """Times of day that go on after midnight: the day begins after the longest break."""
    ordered = sorted(values)
    breaks = [after - before for before, after in itertools.pairwise(ordered)]
    if not breaks or max(breaks) < _DAY / 2:
        return values
    start = ordered[breaks.index(max(breaks)) + 1]
    return [value if value >= start else value + _DAY for value in values]


def _numbers(stems: Sequence[str]) -> Iterator[_Reading]:
    """The fields that vary, each as a counter, as seconds since 1970, or with decimals."""
    texts = [re.findall(r"[0-9]+", stem) for stem in stems]
    between = re.split(r"[0-9]+", stems[0])[1:-1]
    columns = list(zip(*texts, strict=False))
    for i, column in enumerate(columns):
        counter = [int(text) for text in column]
        units = _EPOCHS.get(len(column[0])) if len(set(map(len, column))) == 1 else None
        epoch = units if units and min(counter) // units >= 10**9 else None
        if epoch:
            values: list[Value] = [fractions.Fraction(value, epoch) for value in counter]
            reading = _Reading("the seconds since 1970", values, {i}, seconds=True)
        else:
            reading = _Reading(f"number {i + 1} of each name", list(counter), {i})
        if len(set(reading.values)) == len(stems):
            yield reading
        if i + 1 < len(columns) and between[i] == ".":
            decimals = zip(column, columns[i + 1], strict=True)
            values = [fractions.Fraction(f"{whole}.{part}") for whole, part in decimals]
            if len(set(values)) == len(stems) > len(set(counter)):
                what = f"number {i + 1} of each name with its decimals"
                yield _Reading(what, values, {i, i + 1}, seconds=bool(epoch))
