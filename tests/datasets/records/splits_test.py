"""Tests of --split and --validation: their syntax, and which frames they name."""

import numpy as np
import pytest

from lmvp_tf.datasets.records import splits
from lmvp_tf.errors import UserError

NAMES = [f"clip-{i:02}" for i in range(40)]


def assign(text, count=100, name="a", before=0, validation="0"):
    rule = splits.parse(text, validation, ["a", "b"])
    return rule.assign(name, np.arange(0, 2 * count, 2), before)  # as of stride 2


def test_the_papers_split_counts_over_all_clips():
    assert assign("paper", 4, before=15_998).tolist() == [0, 0, 2, 2]
    assert assign("paper", 4, before=19_998).tolist() == [2, 2, -1, -1]


def test_a_fraction_is_of_each_clip():
    assert assign("fraction:0.8", 10).tolist() == [0] * 8 + [2] * 2
    assert assign("fraction:0.8", 5, name="b", before=10).tolist() == [0] * 4 + [2]


@pytest.mark.parametrize(
    ("text", "first_test", "end_test"),
    [
        ("test:a", 0, 100),
        ("test:a@100-", 50, 100),
        ("test:a@-19", 0, 10),
        ("test:a@101-120", 51, 61),
        ("test:b,a@100-", 50, 100),
        ("test:b", 0, 0),
    ],
)
def test_named_tests_are_by_the_clips_own_frame_numbers(text, first_test, end_test):
    expected = np.zeros(100)
    expected[first_test:end_test] = 2
    np.testing.assert_array_equal(assign(text), expected)


def test_a_clip_may_have_several_test_ranges():
    assert np.flatnonzero(assign("test:a@10-13,a@190-") == 2).tolist() == [5, 6, 95, 96, 97, 98, 99]


def test_validation_is_the_end_of_the_training_frames():
    found = assign("test:a@100-", validation="0.1")
    assert found.tolist() == [0] * 45 + [1] * 5 + [2] * 50
    assert 1 not in assign("test:a", validation="0.1")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("papers", "--split must be paper"),
        ("test:", "--split must be paper"),
        ("", "--split must be paper"),
        ("fraction:1.5", "a number from 0 to 1. Received: '1.5'"),
        ("fraction:", "a number from 0 to 1. Received: ''"),
        ("test:c", "no clip 'c'; the clips are a, b"),
        ("test:a@100", "a range is CLIP@FROM-TO. Received: 'a@100'"),
        ("test:a@x-y", "a range is CLIP@FROM-TO"),
        ("test:a@500-", "a has no frame from 500 to inf; its frames are 0 to 198"),
    ],
)
def test_splits_that_make_no_sense_say_why(text, message):
    with pytest.raises(UserError, match=message):
        assign(text)


@pytest.mark.parametrize(
    ("validation", "message"),
    [
        ("-0.1", r"a share of each clip's training frames.*Received: '-0\.1'"),
        ("1", "a share of each clip's training frames"),
        ("half", "a share of each clip's training frames"),
        ("clips:", "a share of each clip's training frames"),
        ("names:a", "a share of each clip's training frames"),
        ("clips:1.5", "from 0 to below 1. Received: '1.5'"),
        ("clips:a,c", "--validation: no clip 'c'; the clips are a, b"),
    ],
)
def test_validations_that_make_no_sense_say_why(validation, message):
    with pytest.raises(UserError, match=message):
        assign("paper", validation=validation)


def kinds(split, validation, names=NAMES):
    """{recording: split} where every recording is of one split."""
    rule = splits.parse(split, validation, names)
    found = {name: set(rule.assign(name, np.arange(8), 0).tolist()) for name in names}
    assert all(len(kind) == 1 for kind in found.values())
    return {name: kind.pop() for name, kind in found.items()}


def test_whole_recordings_are_split_by_share():
    found = kinds("clips:0.8", "clips:0.1")
    counts = [list(found.values()).count(kind) for kind in range(3)]
    assert counts == [29, 3, 8]  # a tenth of the 32 that are not for the test


def test_which_recordings_depends_on_their_names_alone():
    found = kinds("clips:0.8", "clips:0.1")
    assert kinds("clips:0.8", "clips:0.1", NAMES[::-1]) == found
    tests = [i for i, name in enumerate(NAMES) if found[name] == 2]
    assert tests != list(range(8))
    assert tests != list(range(32, 40))


def test_a_small_share_of_recordings_is_at_least_one():
    assert list(kinds("test:clip-00", "clips:0.05", NAMES[:4]).values()).count(1) == 1
    assert list(kinds("test:clip-00", "clips:0", NAMES[:4]).values()).count(1) == 0


def test_recordings_are_held_out_by_name():
    found = kinds("test:clip-00", "clips:clip-07,clip-30")
    assert [name for name, kind in found.items() if kind == 1] == ["clip-07", "clip-30"]
    assert found["clip-00"] == 2


def test_a_long_list_of_names_is_cut_short():
    with pytest.raises(UserError, match="clip-19 and 20 more$"):
        splits.parse("test:other", "0", NAMES)
