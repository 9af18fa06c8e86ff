"""The order of pictures by their names: what a person would say."""

import datetime
import random

import numpy as np
import pytest

from lmvp_tf.films import names


def arranged(stems):
    """The Order of shuffled names, and the names in it."""
    shuffled = random.Random(0).sample(stems, len(stems))
    order = names.arrange(shuffled)
    return order, [shuffled[i] for i in order.indices]


def times(pattern, step=300, start="2019-05-06 23:30", count=12):
    first = datetime.datetime.fromisoformat(start)
    return [(first + datetime.timedelta(seconds=step * i)).strftime(pattern) for i in range(count)]


COUNTED = [
    [f"f{i}" for i in range(1, 13)],
    [f"f_{i}_of_12" for i in range(1, 13)],
    [f"cam2_{i:03}_640x360" for i in range(1, 13)],
    [f"20190506_{i:04}" for i in range(1, 80)],  # no times: 0060 is no minute
    [f"2019-05-06_{i:04}" for i in range(1, 50)],
    [f"IMG-20190506-WA{i:04}" for i in range(1, 9)],
    [f"1.{i}" for i in range(1, 15)],  # 1.9 comes before 1.10
]


@pytest.mark.parametrize("stems", COUNTED, ids=lambda stems: stems[0])
def test_the_number_that_varies_is_the_frames_number(stems):
    order, found = arranged(stems)
    assert found == stems
    assert order.timeline.numbers.tolist() == list(range(1, len(stems) + 1))
    assert not order.timeline.gaps.any()
    assert (order.timeline.fps, order.remark) == (0, "")


@pytest.mark.parametrize(
    ("stems", "fps"),
    [
        (times("radar_%Y-%m-%d_%H-%M"), 1 / 300),
        (times("radar_%Y%m%d_%H%M"), 1 / 300),
        (times("%Y%m%d%H%M%S%f", step=0.04), 25),
        (times("x%Y%m%dT%H%M%SZ"), 1 / 300),
        (times("%Y%m%d%H", step=3600), 1 / 3600),
        (times("%d-%m-%Y %H-%M", start="2019-05-31 23:30"), 1 / 300),
        (times("%m-%d-%Y %H.%M.%S", start="2019-12-31 23:30"), 1 / 300),
        (times("cam_%H-%M-%S", step=1, start="2019-05-06 10:59:55"), 1),
        (times("cam_%H-%M"), 1 / 300),  # past midnight
        (times("%H%M", start="2019-05-06 09:30"), 1 / 300),
        (["2019-5-6_9-55", "2019-5-6_10-0", "2019-5-6_10-5", "2019-5-6_10-10"], 1 / 300),
        ([f"{1557185400123 + 40 * i + i * 7919 % 13}" for i in range(40)], 25),
        ([f"{1557185400 + i // 5}.{i % 5 * 200000:06}" for i in range(12)], 5),
        ([f"{i}_{t}" for i, t in enumerate(times("%Y-%m-%d_%H-%M"))], 1 / 300),
        (["2019-05-06T23:30:00", "2019-05-06T23:30:00.500", "2019-05-06T23:30:01"], 2),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_times_are_frames_a_step_apart(stems, fps):
    order, found = arranged(stems)
    assert found == stems
    assert order.timeline.fps == pytest.approx(fps, rel=0.01)
    assert order.timeline.numbers.tolist() == list(range(len(stems)))
    assert not order.timeline.gaps.any()
    assert not order.remark
    np.testing.assert_allclose(order.timeline.times * fps, range(len(stems)), atol=0.5)


@pytest.mark.parametrize(
    ("stems", "numbers", "gaps"),
    [
        ([f"f{i}" for i in (0, 5, 10, 20, 25, 30, 35, 50)], [0, 5, 10, 20, 25, 30, 35, 50], [3, 7]),
        (
            times("%Y-%m-%d_%H-%M")[:4] + times("%Y-%m-%d_%H-%M")[5:],
            [*range(4), *range(5, 12)],
            [4],
        ),
    ],
)
def test_what_is_missing_is_a_gap(stems, numbers, gaps):
    order, found = arranged(stems)
    assert found == stems
    assert order.timeline.numbers.tolist() == numbers
    assert np.flatnonzero(order.timeline.gaps).tolist() == gaps


@pytest.mark.parametrize(
    "stems",
    [
        [f"s{scene}_f{frame}" for scene in range(3) for frame in range(9, 12)],
        ["t0.0", "t0.25", "t0.5", "t0.75", "t1.0", "t1.25"],
        [f"x{10**40 + i}" for i in range(5)],
        ["a", "b", "c"],
        ["only7"],
    ],
    ids=lambda stems: stems[0],
)
def test_other_orders_that_leave_no_doubt(stems):
    order, found = arranged(stems)
    assert found == stems
    assert not order.remark
    assert not order.timeline.gaps.any()


def test_numbers_that_contradict_each_other_are_told():
    order, found = arranged([f"{9 - i}_{i:04}" for i in range(9)])
    assert found[0] == "1_0008"
    assert "contradict" in order.remark
    assert "would begin with 9_0000" in order.remark
    stems = [f"{random.Random(i).randrange(9999)}_{i:04}" for i in range(9)]
    order, found = arranged(stems)  # one number is in no order, the other one is
    assert found == stems
    assert "contradict" in order.remark


def test_patterns_tell_films_apart():
    assert names.pattern("left_001") == names.pattern("Left_002") != names.pattern("right_001")
    assert names.pattern("2019-05-06T23:30:00") == names.pattern("2019-05-06T23:30:00.5")


def test_natural_order_takes_numbers_of_any_length():
    found = sorted(["a10", "a9", "a", "a" + "9" * 30, "A2"], key=names.natural)
    assert found == ["a", "A2", "a9", "a10", "a" + "9" * 30]
