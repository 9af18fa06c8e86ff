"""Windows of frames from the shards of a data set of films.

A data set that fits a bound is read into memory as it is opened, as uint8: the paper's 20,000
frames of 64 x 64 are 80 MB. So every file is checked at opening, and a batch costs no more than a
gather. Of a larger one every window is read from its shards when its turn comes, and checked then;
what memory holds is where the runs of its frames are. The batches are the same in both cases.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf
from absl import logging

from lmvp_tf.datasets.pipeline import counter, mapped, prepare_ahead, variable
from lmvp_tf.datasets.records import index as dataset_index
from lmvp_tf.datasets.records.frames import Disk, Memory, Stretches
from lmvp_tf.datasets.records.index import Index
from lmvp_tf.datasets.records.splits import SPLITS
from lmvp_tf.datasets.records.tfrecords import BadRecord
from lmvp_tf.errors import RunError, UserError

CACHE_BYTES = 2 * 2**30
HOW_TO_BUILD = "python data/build_videos.py --input VIDEO... --output {path}"
_LISTED = 2**20  # windows: an order of so many is a list, of more a function

Integers = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Records:
    """An opened data set.

    Attributes:
      index: Index, what dataset.json says.
      splits: "train", "validation", "test" -> Memory or Disk.
      skip_corrupt: leave out what is damaged.
    """

    index: Index
    splits: dict[str, Memory | Disk]
    skip_corrupt: bool

    @property
    def path(self) -> pathlib.Path:
        """Its folder."""
        return self.index.path

    @property
    def lost(self) -> int:
        """Number of frames in memory that damage has cost."""
        return sum(part.lost for part in self.splits.values() if isinstance(part, Memory))


def open_records(
    path: str | pathlib.Path,
    skip_corrupt: bool = False,
    cache_bytes: int = CACHE_BYTES,
    how_to_build: str = HOW_TO_BUILD,
) -> Records:
    """Opens a data set.

    Args:
      path: the folder that lmvp_tf.commands.build_dataset wrote.
      skip_corrupt: leave out damaged records and missing shards, with a warning, instead of
        raising.
      cache_bytes: so many bytes of frames are read into memory; what goes beyond, test frames last,
        stays on disk.
      how_to_build: the command that builds such a data set, with "{path}" in it.

    Raises:
      UserError: there is no data set, or it is damaged; the message names the shard and the record.
    """
    index = dataset_index.read(pathlib.Path(path), how_to_build.format(path=path))
    splits: dict[str, Memory | Disk] = {}
    left = cache_bytes
    for split in reversed(SPLITS):
        size = index.frames(split) * int(np.prod(index.shape))
        if size <= left:
            left -= size
            splits[split] = Memory(index, split, skip_corrupt)
        else:
            splits[split] = Disk(index, split, skip_corrupt)
    records = Records(index, splits, skip_corrupt)
    if records.lost:
        logging.warning("%s: damage costs %d frames; going on without them", path, records.lost)
    return records


class WindowIndex:
    """The windows of a split, in order: T frames of a stretch without a break."""

    def __init__(
        self, stretches: Stretches, num_frames: int, stride: int, frame_stride: int
    ) -> None:
        """Finds them.

        Args:
          stretches: of the split.
          num_frames: T.
          stride: frames between the starts of two windows; 1 gives every window.
          frame_stride: frames from one frame of a window to the next; 1 for neighbours. A film that
            is built whole and read with a frame_stride of 2 gives twice the windows of one that was
            built of every second frame, at the same speed of motion.
        """
        self.span = (num_frames - 1) * frame_stride  # from a window's first frame to its last
        self._stretches, self._stride = stretches, stride
        counts = -(-np.maximum(stretches.lengths - self.span, 0) // stride)
        self._ends = np.cumsum(counts)

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def starts(self, windows: Integers) -> Integers:
        """Index of the first frame of each window, by the windows' numbers."""
        stretch = np.searchsorted(self._ends, windows, side="right")
        before = np.where(stretch > 0, self._ends[stretch - 1], 0)
        return self._stretches.firsts[stretch] + (windows - before) * self._stride

    def recordings(self) -> Integers:
        """Index of the recording of each window."""
        return np.repeat(self._stretches.recordings, np.diff(self._ends, prepend=0))


def window_index(
    records: Records, split: str, num_frames: int, stride: int = 1, frame_stride: int = 1
) -> WindowIndex:
    """The windows of a split, maybe none: see WindowIndex."""
    return WindowIndex(records.splits[split].stretches, num_frames, stride, frame_stride)


def _some_windows(
    records: Records, split: str, num_frames: int, stride: int, frame_stride: int
) -> WindowIndex:
    """The windows of a split.

    Raises:
      UserError: there are none.
    """
    windows = window_index(records, split, num_frames, stride, frame_stride)
    if not len(windows):
        stretches = records.splits[split].stretches
        longest = int(stretches.lengths.max(initial=0))
        raise UserError(
            f"{records.path}: {split} has no {windows.span + 1} frames in a row "
            f"({stretches.lengths.sum()} in all, {longest} in a row): build the data set from a "
            "longer film or with another --split or --validation, or lower data.num_frames, "
            "data.frame_stride or data.random_stride"
        )
    return windows


def windows(
    records: Records,
    split: str,
    num_frames: int,
    batch_size: int,
    *,
    stride: int = 1,
    frame_stride: int = 1,
    seed: int | None = None,
    first_step: int = 0,
    shard: tuple[int, int] = (1, 0),
) -> tf.data.Dataset:
    """Batches of windows as a tf.data.Dataset of float32 [B, T, H, W, C] in [0, 1].

    With a seed, batches without end: each epoch is another permutation of all windows, and batch i
    depends on (frames, seed, i) alone, so that a run goes on from step i with `first_step=i`.
    Without one, every window once, in the order of WindowIndex; the last batch may be smaller.

    Args:
      records: Records.
      split: "train", "validation" or "test".
      num_frames: T.
      batch_size: B, of this worker.
      stride, frame_stride: see WindowIndex.
      seed: an int, or None.
      first_step: batches to leave out at the start.
      shard: (n, i), worker i of n. The workers' batches of one step, put together, are the batch of
        a lone worker with batch size n * B; without a seed, worker i has windows i, i + n, ...

    Raises:
      UserError: no window of this length fits.
    """
    found = _some_windows(records, split, num_frames, stride, frame_stride)
    workers, worker = shard
    if seed is None:
        first = worker + workers * first_step * batch_size
        numbers = tf.data.Dataset.range(first, len(found), workers).batch(batch_size)
    else:
        order = _shuffled(len(found), seed, first_step * workers * batch_size)
        numbers = mapped(
            order.batch(workers * batch_size),
            lambda batch: batch[worker * batch_size : (worker + 1) * batch_size],
        )
    part = records.splits[split]
    if isinstance(part, Disk):
        read = functools.partial(
            _read_windows, part, found, num_frames, frame_stride, records.skip_corrupt
        )
        shape = (None, num_frames, *records.index.shape)
        return prepare_ahead(numbers, lambda batch: _from_disk(read, batch, shape))
    with tf.device("CPU:0"):  # where tf.data runs; a GPU would be asked for each batch
        frames, starts = tf.constant(part.frames), tf.constant(found.starts(np.arange(len(found))))
    return prepare_ahead(
        numbers, lambda batch: _gather(frames, tf.gather(starts, batch), num_frames, frame_stride)
    )


def windows_in_graph(
    records: Records,
    split: str,
    num_frames: int,
    batch_size: int,
    *,
    stride: int = 1,
    frame_stride: int = 1,
    seed: int = 0,
    shard: tuple[int, int] = (1, 0),
    hold: Callable[..., Any] = variable,
) -> Callable[[tf.Tensor], tf.Tensor]:
    """The batches of `windows` with a seed, drawn inside a compiled step.

    Args:
      records, split, num_frames, batch_size, stride, frame_stride, seed, shard: as for `windows`.
      hold: what keeps the data, given an array and a name.

    Returns:
      A function of the batch's number, an int64 scalar, that gives float32 [B, T, H, W, C].

    Raises:
      UserError: no window of this length fits, or fewer than a batch, or more than memory holds.
    """
    found = _some_windows(records, split, num_frames, stride, frame_stride)
    part, count = records.splits[split], len(found)
    if isinstance(part, Disk) or count > _LISTED:
        raise UserError(
            f"{records.path}: a compiled step, and a data service, hold the training frames in "
            "memory, up to data.cache_mib: raise that, or build a smaller data set"
        )
    workers, worker = shard
    if count < workers * batch_size:
        raise UserError(
            f"{records.path}: {split} has {count} windows, a compiled step needs a batch's "
            f"{workers * batch_size} at least: lower training.batch_size"
        )
    frames = hold(part.frames, name="frames")
    starts = hold(found.starts(np.arange(count)), name="starts")

    def batch(number: tf.Tensor) -> tf.Tensor:
        first_place = (number * workers + worker) * batch_size
        places = first_place + tf.range(batch_size, dtype=tf.int64)
        epoch = places[0] // count  # a batch may reach into the next one
        orders = tf.concat([_order(count, seed, epoch), _order(count, seed, epoch + 1)], axis=0)
        first = tf.gather(starts, tf.gather(orders, places - epoch * count))
        return _gather(frames, first, num_frames, frame_stride)

    return batch


def _gather(frames: tf.Tensor, first: tf.Tensor, num_frames: int, frame_stride: int) -> tf.Tensor:
    """The windows that begin at the frames `first` [B], float32 [B, T, H, W, C] in [0, 1]."""
    places = first[:, None] + frame_stride * tf.range(num_frames, dtype=tf.int64)
    return tf.cast(tf.gather(frames, places), tf.float32) / 255.0


def _from_disk(
    read: Callable[[Integers], npt.NDArray[np.uint8]],
    numbers: tf.Tensor,
    shape: tuple[int | None, ...],
) -> tf.Tensor:
    """The windows of these numbers [B], float32 [B, T, H, W, C] in [0, 1]."""
    pixels = tf.numpy_function(read, [numbers], tf.uint8, stateful=False)
    pixels.set_shape(shape)
    return tf.cast(pixels, tf.float32) / 255.0


def _read_windows(
    disk: Disk,
    found: WindowIndex,
    num_frames: int,
    frame_stride: int,
    skip_corrupt: bool,
    numbers: Integers,
) -> npt.NDArray[np.uint8]:
    """uint8 [B, T, H, W, C]. In place of a damaged window stands the next whole one.

    Raises:
      RunError: one is damaged, and that is not to be skipped; or all are.
    """
    offsets = frame_stride * np.arange(num_frames)

    def window(number: int) -> npt.NDArray[np.uint8]:
        for candidate in range(number, number + len(found)):
            start = found.starts(np.array(candidate % len(found)))
            try:
                return disk.read(start + offsets)
            except BadRecord as error:
                if not skip_corrupt:
                    raise RunError(
                        f"{error}: build the data set again, or go on without it by --skip_corrupt"
                    ) from error
                logging.log_first_n(logging.WARNING, "%s: left out", 20, error)
        raise RunError("not one window of the data set is whole")

    return np.stack([window(number) for number in numbers.tolist()])


def _shuffled(count: int, seed: int, first: int) -> tf.data.Dataset:
    """The numbers 0 to count - 1 without end, each epoch in another order, from the first-th on."""
    if count > _LISTED:
        places = counter(first)
        return mapped(places, lambda place: _shuffled_place(count, seed, place))
    orders = mapped(counter(first // count), lambda number: _order(count, seed, number))
    return orders.unbatch().skip(first % count)


def _order(count: int, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    """A permutation of 0 to count - 1."""
    keys = tf.random.stateless_uniform(
        [count], [seed, epoch], minval=None, maxval=None, dtype=tf.int64, alg="philox"
    )
    return tf.argsort(keys, stable=True)


def _shuffled_place(count: int, seed: int, place: tf.Tensor) -> tf.Tensor:
    """What stands at a place of epoch after epoch, by a permutation that no memory holds."""
    key = tf.stack([tf.constant(seed, tf.int64), place // count])
    return tf.random.experimental.index_shuffle(place % count, key, tf.cast(count - 1, tf.int64))
