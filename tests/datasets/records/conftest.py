"""What the tests of reading share."""

import pytest

from lmvp_tf.datasets.records import tfrecords
from tests.datasets.records.drives import DRIVES, build


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(tfrecords, "SHARD_BYTES", 16 * 383)  # 16 frames
    return build(tmp_path, DRIVES, "test:a@50-,c")
