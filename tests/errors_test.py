"""What errors say."""

from lmvp_tf.errors import one_line


def test_a_long_reason_keeps_both_its_ends():
    """A library names the file first, then what was wrong with it."""
    said = one_line(f"cannot write {'/folder' * 99}/a.data;\nNo space left on device")
    assert said.startswith("cannot write /folder")
    assert said.endswith("/a.data; No space left on device")
    assert len(said) < 210


def test_what_has_no_words_is_told_by_its_kind():
    assert one_line(ValueError()) == "ValueError"
    assert one_line(10**5000) == "a number of thousands of digits"
