"""The test sequences on their way: hashed, and a few of them kept for the pictures."""

from __future__ import annotations

import collections
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf.datasets.base import Dataset
from lmvp_tf.datasets.frame_hash import FrameHash
from lmvp_tf.evaluation.options import EvaluationOptions


class TestSet:
    """The test batches of a data set, to be gone over once.

    Args:
      videos: the data set.
      options: how many sequences, in batches of which size.
      num_examples: how many to keep.

    Attributes:
      num_sequences: how many sequences there are.
      recordings: the recording that each is from, or None.
      shown: numbers of the sequences that are kept.
    """

    __test__ = False  # not a test case, whatever its name suggests to a test runner

    def __init__(self, videos: Dataset, options: EvaluationOptions, num_examples: int) -> None:
        self.videos = videos
        self.num_sequences = min(options.num_sequences or videos.test_size, videos.test_size)
        recordings = videos.test_recordings
        self.recordings = recordings and recordings[: self.num_sequences]
        self.shown = videos.examples(self.num_sequences, num_examples)
        self._batches = videos.test(self.num_sequences, options.batch_size)
        self._hash = FrameHash()
        self._examples: list[npt.NDArray[np.float32]] = []

    def __iter__(self) -> Iterator[tf.Tensor]:
        done = 0
        for batch in self._batches:
            self._hash.update(batch)
            here = [i - done for i in self.shown if done <= i < done + len(batch)]
            self._examples += [batch[i].numpy() for i in here]
            done += len(batch)
            yield batch
        self.videos.check_test(self.num_sequences, self.sha256)

    def read(self) -> TestSet:
        """Goes over all of it, for the hash and the examples alone. Returns itself."""
        collections.deque(self, maxlen=0)
        return self

    @property
    def sha256(self) -> str:
        """Hex digest of the frames that were gone over."""
        return self._hash.hexdigest()

    @property
    def examples(self) -> npt.NDArray[np.float32]:
        """The sequences for the pictures, [N, T, H, W, C]."""
        return np.stack(self._examples)
