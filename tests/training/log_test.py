"""log.csv: its rows stay, its columns grow."""

import csv

import pytest

from lmvp_tf.errors import UserError
from lmvp_tf.training import log


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_value_that_nobody_declared_opens_a_column_and_loses_no_row(tmp_path):
    path = tmp_path / "log.csv"
    writer = log.Log(path, ["step", "loss"], 0)
    writer.append({"step": 1, "loss": 0.5})
    writer.append({"step": 2, "loss": 0.25, "new": 7.0})
    writer.append({"step": 3, "loss": 0.125})
    assert path.read_text() == "step,loss,new\n1,0.5,\n2,0.25,7\n3,0.125,\n"


def test_a_run_that_goes_on_keeps_columns_and_drops_later_rows(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("step,old\n1,a\n2,b\n3,c\n4")  # killed while it wrote
    log.Log(path, ["step", "added"], 2).append({"step": 3, "added": 1.0})
    assert rows(path) == [
        {"step": "1", "added": "", "old": "a"},
        {"step": "2", "added": "", "old": "b"},
        {"step": "3", "added": "1", "old": ""},
    ]


def test_another_logs_rows_and_columns_come_after_its_own(tmp_path):
    (tmp_path / "a.csv").write_text("step,x\n1,10\n2,20\n")
    (tmp_path / "b.csv").write_text("step,y\n2,0\n3,30\n4,40\n")
    log.merge(tmp_path / "a.csv", tmp_path / "b.csv", last_step=3)
    assert rows(tmp_path / "a.csv") == [
        {"step": "1", "x": "10", "y": ""},
        {"step": "2", "x": "20", "y": ""},
        {"step": "3", "x": "", "y": "30"},
    ]


def test_no_other_log_leaves_it_as_it_is(tmp_path):
    (tmp_path / "a.csv").write_text("step,x\n1,10\n")
    log.merge(tmp_path / "a.csv", tmp_path / "none.csv", last_step=3)
    assert (tmp_path / "a.csv").read_text() == "step,x\n1,10\n"


@pytest.mark.parametrize(
    "content",
    [
        b"stop,L\n1,2\n",
        b"step,L\none,2\n",
        b"step,L\n1.5,2\n",
        b"step,L\n1,\xff\n",
        b"step,L\n1," + b"9" * 200_000 + b"\n",
    ],
)
def test_a_damaged_log_is_named_and_left_alone(tmp_path, content):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"log.csv is damaged or another file \(.*\): move it away"):
        log.Log(path, ["step"], 5)
    assert path.read_bytes() == content


@pytest.mark.parametrize("content", [b"", b"st", b"step,L\n", b"step,L\n1,2\n2"])
def test_a_log_that_was_cut_short_keeps_its_whole_lines(tmp_path, content):
    path = tmp_path / "log.csv"
    path.write_bytes(content)
    log.Log(path, ["step", "L"], 5).append({"step": 7, "L": 1.0})
    whole = ["1,2"] if b"1,2" in content else []
    assert path.read_text().splitlines() == ["step,L", *whole, "7,1"]
