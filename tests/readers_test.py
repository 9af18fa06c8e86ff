"""Files that may be anything are read by one reader for each format."""

import os
from typing import Annotated

import msgspec
import pytest

from lmvp_tf import readers
from lmvp_tf.errors import UserError


class Facts(msgspec.Struct):
    step: Annotated[int, msgspec.Meta(ge=0)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"step": -1}', r"Expected `int` >= 0 - at `\$.step`"),
        (b'{"step": 5.7}', "Expected `int`, got `float`"),
        (b'{"step": 1e999}', "Number out of range|Expected `int`"),
        (b'{"step": "5"}', "Expected `int`, got `str`"),
        (b'{"step": NaN}', "malformed"),
        (b'{"step": 5', "truncated"),
        (b"", "truncated"),
        (b"[1]", "Expected `object`"),
        (b"{}", "missing required field `step`"),
        (b"\xff\xfe{", "malformed|utf-8"),
        (b'{"a": ' + b'{"a": ' * 100_000, "recursion"),
    ],
)
def test_json_of_another_kind_is_refused_by_name(tmp_path, content, message):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(
        UserError, match=f"a.json is damaged or another file .*({message})"
    ) as caught:
        readers.read_json(path, Facts, "evaluate again")
    assert str(caught.value).endswith(": evaluate again")
    assert "\n" not in str(caught.value)


def test_an_editor_on_windows_may_have_saved_it(tmp_path):
    """With a byte order mark before its text, and lines that end in two characters."""
    (tmp_path / "a.json").write_bytes(b'\xef\xbb\xbf{\r\n"step": 5}\r\n')
    assert readers.read_json(tmp_path / "a.json", Facts).step == 5
    (tmp_path / "a.csv").write_bytes(b"\xef\xbb\xbfstep,loss\r\n5,0.5\r\n")
    assert readers.read_csv(tmp_path / "a.csv") == [{"step": "5", "loss": "0.5"}]


def test_json_is_read_from_regular_files_alone(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for name in (tmp_path / "pipe", "/dev/zero", tmp_path):
        with pytest.raises(UserError, match="cannot be read"):
            readers.read_json(name, Facts)
    with pytest.raises(FileNotFoundError):
        readers.read_json(tmp_path / "none", Facts)
    with (tmp_path / "large").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(UserError, match="1099511627776 bytes, at most"):
        readers.read_json(tmp_path / "large", Facts)
