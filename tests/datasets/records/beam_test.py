"""Films read side by side by Apache Beam: the same data set, byte for byte."""

import logging
import sys

import numpy as np
import pytest

from lmvp_tf.datasets.records import builder
from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions


@pytest.fixture
def films(tmp_path):
    """Three recordings, one of them with a cut."""
    rng = np.random.default_rng(0)
    for name in "abc":
        frames = rng.integers(0, 256, (12, 8, 8, 1), np.uint8).repeat(4, 1).repeat(4, 2)
        np.save(tmp_path / f"{name}.npy", frames)
    return [tmp_path / f"{name}.npy" for name in "abc"]


def build(films, folder, **options):
    frames = FrameOptions(16, 16)
    builder.build(films, folder, builder.BuildOptions(frames, "fraction:0.8", "0", **options))
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_it_is_the_data_set_of_the_plain_path_byte_for_byte(films, tmp_path):
    pytest.importorskip("apache_beam")
    plain = build(films, tmp_path / "plain")
    assert build(films, tmp_path / "beam", runner="direct") == plain


def test_a_damaged_film_costs_itself_alone(films, tmp_path, caplog):
    pytest.importorskip("apache_beam")
    films[1] = tmp_path / "b.mp4"
    films[1].write_bytes(bytes(1000))
    with pytest.raises(UserError, match="b.mp4"):
        build(films, tmp_path / "plain")
    with caplog.at_level(logging.WARNING):
        found = build(films, tmp_path / "beam", runner="direct")
    assert "left out: " in caplog.text
    assert "b.mp4" in caplog.text
    good = build([films[0], films[2]], tmp_path / "good")
    assert {name: found[name] for name in good if name != "dataset.json"} == {
        name: content for name, content in good.items() if name != "dataset.json"
    }


def test_without_beam_it_says_what_to_install(films, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "apache_beam", None)
    with pytest.raises(UserError, match=r"--runner needs Apache Beam: pip install"):
        build(films, tmp_path / "beam", runner="direct")
