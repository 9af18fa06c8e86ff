"""Highway Drive: windows of frames from the TFRecord shards that `data/build_highway.py` writes.

A dataset is read into memory as it is opened, as uint8: the paper's 20,000 frames of 64 x 64 are
80 MB, a million are 4 GB. So every file is checked at opening, and a batch costs no more than a
gather. A dataset that does not fit is refused with a line that says how much it needs; the answer
is a larger --stride or a smaller --size, or several datasets.
"""

import dataclasses
import functools
import hashlib
import json
import pathlib

import numpy as np
import tensorflow as tf
from absl import logging

from lmvp_tf.datasets.pipeline import prepare_ahead
from lmvp_tf.datasets.records import tfrecords
from lmvp_tf.errors import UserError

_HOW_TO_BUILD = (
    "build it from any drive with `python data/build_highway.py --input VIDEO... --output {path}`"
    " or `make data-highway VIDEO=...`"
)


@dataclasses.dataclass(frozen=True)
class Split:
    """The frames of one split, in order of clip and time.

    Attributes:
      frames: uint8 [N, H, W, C].
      places: int64 [N], one more than the frame before where it follows that in the same segment,
        and larger than that after every boundary: a clip's end, a cut, a lost frame.
      clips: list of the names of the dataset's clips.
      clip_ids: int64 [N], index into `clips`.
      numbers: int64 [N], the frame's number in its source.
    """

    frames: np.ndarray
    places: np.ndarray
    clips: list[str]
    clip_ids: np.ndarray
    numbers: np.ndarray

    @functools.cached_property
    def sha256(self):
        """Hex digest of the frames and of where windows may lie."""
        digest = hashlib.sha256(repr(self.frames.shape).encode())
        for array in (self.frames, self.places):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()


@dataclasses.dataclass(frozen=True)
class HighwayDataset:
    """An opened dataset.

    Attributes:
      path: its folder.
      size: H = W, pixels.
      channels: C, 1 or 3.
      splits: "train", "validation", "test" -> Split.
      lost: number of frames that damage has cost, where `skip_corrupt` let it pass.
    """

    path: pathlib.Path
    size: int
    channels: int
    splits: dict[str, Split]
    lost: int


@dataclasses.dataclass(frozen=True)
class WindowIndex:
    """The windows of a split, in order.

    Attributes:
      starts: int64 [N], index of a window's first frame among the split's frames.
      clips: str [N], name of the clip it is from.
      first_frames: int64 [N], number of its first frame in the source.
    """

    starts: np.ndarray
    clips: np.ndarray
    first_frames: np.ndarray


def open_dataset(path, skip_corrupt=False):
    """Opens a dataset: reads and checks every shard.

    Args:
      path: the folder that data/build_highway.py wrote.
      skip_corrupt: leave out damaged records and missing shards, with a warning that counts the
        lost frames, instead of raising.

    Returns:
      HighwayDataset.

    Raises:
      UserError: there is no dataset, or it is damaged; the message names the shard and the record.
    """
    path = pathlib.Path(path)
    shape, clips, shards = _read_index(path)
    splits, lost = {}, 0
    for name in tfrecords.SPLITS:
        part = [shard for shard in shards if shard.split == name]
        splits[name], missing = _read_split(path, part, shape, clips, skip_corrupt)
        lost += missing
    if lost:
        logging.warning("%s: damage costs %d frames; going on without them", path, lost)
    return HighwayDataset(path, shape[0], shape[2], splits, lost)


def _read_index(path):
    """The shape of a frame, the clips' names and the list of Shard from dataset.json."""
    file = path / tfrecords.INDEX
    if not file.exists():
        raise UserError(f"no Highway dataset in {path}: {_HOW_TO_BUILD.format(path=path)}")
    try:
        index = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file}: damaged ({error}): build the dataset again") from error
    if not isinstance(index, dict) or index.get("format") != tfrecords.FORMAT:
        raise UserError(f"{file}: not the index of a Highway dataset")
    if index.get("version") != tfrecords.FORMAT_VERSION:
        raise UserError(
            f"{file}: version {index.get('version')}, this program reads version "
            f"{tfrecords.FORMAT_VERSION}: {_HOW_TO_BUILD.format(path=path)}"
        )
    try:
        shape = (index["parameters"]["size"],) * 2 + (index["parameters"]["channels"],)
        clips = [clip["name"] for clip in index["clips"]]
        return shape, clips, [tfrecords.Shard(**entry) for entry in index["shards"]]
    except (KeyError, TypeError) as error:
        raise UserError(f"{file}: damaged ({error}): build the dataset again") from error


def _read_split(path, shards, shape, clips, skip_corrupt):
    """Returns (Split, number of lost frames)."""
    expected = sum(shard.frames for shard in shards)
    try:
        frames = np.empty((expected, *shape), np.uint8)
    except MemoryError as error:
        raise UserError(
            f"{path}: its frames need {expected * np.prod(shape) / 2**30:.1f} GiB of memory: build "
            "it with a larger --stride or a smaller --size, or as several datasets"
        ) from error
    places, clip_ids, numbers = [], [], []
    place, segment = 0, None
    for shard in shards:
        if segment != (segment := (shard.clip, shard.segment)):
            place += 1  # leaves one place free, so that no window crosses
        for i, frame, number in _read_frames(path, shard, shape, skip_corrupt):
            frames[len(places)] = frame
            places.append(place + i)
            clip_ids.append(clips.index(shard.clip))
            numbers.append(number)
        place += shard.frames
    columns = (np.array(values, np.int64) for values in (places, clip_ids, numbers))
    places, clip_ids, numbers = columns
    return Split(frames[: len(places)], places, clips, clip_ids, numbers), expected - len(places)


def _read_frames(path, shard, shape, skip_corrupt):
    """Yields (record, frame, number) of a shard, without what is damaged where that is allowed."""
    file = path / shard.file
    advice = "build the dataset again, or go on without it by --skip_corrupt"

    def complain(what):
        if not skip_corrupt:
            raise UserError(f"{what}: {advice}")
        logging.warning("%s: left out", what)

    try:
        data = file.read_bytes()
    except OSError as error:
        complain(f"{file}: {error.strerror}")
        return
    intact = hashlib.sha256(data).hexdigest() == shard.sha256
    records = list(tfrecords.read_shard(data, shape, intact))
    for i, record in enumerate(records):
        if isinstance(record, tfrecords.BadRecord):
            complain(f"{file}, record {i}: {record}")
            intact = True  # that is why its sha256 differs
        elif i < shard.frames:
            yield i, *record
    if len(records) != shard.frames:
        complain(f"{file}, record {len(records)}: it has {len(records)} instead of {shard.frames}")
    elif not intact:
        raise UserError(f"{file}: not the file that was built: build the dataset again")


def window_index(dataset, split, num_frames, stride=1, frame_stride=1):
    """Finds the windows of a split: `num_frames` frames from a stretch without a break.

    Args:
      dataset: HighwayDataset.
      split: "train", "validation" or "test".
      num_frames: T.
      stride: frames between the starts of two windows; 1 gives every window.
      frame_stride: frames from one frame of a window to the next; 1 for neighbours. A drive that is
        built whole and read with a frame_stride of 2 gives twice the windows of one that was built
        of every second frame, at the same speed of motion.

    Returns:
      WindowIndex.

    Raises:
      UserError: no window of this length fits.
    """
    part = dataset.splits[split]
    places = part.places
    first_of_run = np.diff(places, prepend=-2) != 1
    into_run = np.arange(len(places)) - np.maximum.accumulate(
        np.where(first_of_run, np.arange(len(places)), 0)
    )
    span = (num_frames - 1) * frame_stride  # from a window's first frame to its last
    starts = np.flatnonzero(places[span:] - places[: max(len(places) - span, 0)] == span)
    starts = starts[into_run[starts] % stride == 0]
    if not len(starts):
        raise UserError(
            f"{dataset.path}: {split} has no {span + 1} frames in a row ({len(places)} in all): "
            "build the dataset from a longer drive or with another --split or --validation, or "
            "lower data.frame_stride and data.random_stride"
        )
    clips = np.array(part.clips)[part.clip_ids[starts]]
    return WindowIndex(starts, clips, part.numbers[starts])


def frames_and_starts(dataset, split, num_frames, stride=1, frame_stride=1):
    """A split for those who gather windows themselves, for example inside a compiled step.

    Returns:
      (frames, starts): uint8 [N, H, W, C], and int64 [M] such that frames[starts[i] + frame_stride
      * arange(num_frames)] is window i. Arguments and errors as for `window_index`.
    """
    index = window_index(dataset, split, num_frames, stride, frame_stride)
    return dataset.splits[split].frames, index.starts


def windows(
    dataset,
    split,
    num_frames,
    batch_size,
    *,
    stride=1,
    frame_stride=1,
    seed=None,
    first_step=0,
    shard=(1, 0),
):
    """Batches of windows as a tf.data.Dataset of float32 [B, T, H, W, C] in [0, 1].

    With a seed, batches without end: each epoch is another permutation of all windows, and batch i
    depends on (frames, seed, i) alone, so that a run goes on from step i with `first_step=i`.
    Without one, every window once, in the order of `window_index`; the last batch may be smaller.

    Args:
      dataset: HighwayDataset.
      split: "train", "validation" or "test".
      num_frames: T.
      batch_size: B, of this worker.
      stride, frame_stride: see `window_index`.
      seed: an int, or None.
      first_step: batches to leave out at the start.
      shard: (n, i), worker i of n. The workers' batches of one step, put together, are the batch of
        a lone worker with batch size n * B; without a seed, worker i has windows i, i + n, ...

    Raises:
      UserError: no window of this length fits.
    """
    frames, starts = frames_and_starts(dataset, split, num_frames, stride, frame_stride)
    workers, worker = shard
    with tf.device("CPU:0"):  # where tf.data runs; a GPU would be asked for each batch
        frames, starts = tf.constant(frames), tf.constant(starts)
    if seed is None:
        mine = starts[worker::workers][first_step * batch_size :]
        batches = tf.data.Dataset.from_tensor_slices(mine).batch(batch_size)
    else:
        order = _shuffled(len(starts), seed, first_step * workers * batch_size)
        batches = order.batch(workers * batch_size).map(
            lambda batch: tf.gather(starts, batch[worker * batch_size : (worker + 1) * batch_size])
        )

    gather = functools.partial(_gather, frames, num_frames=num_frames, frame_stride=frame_stride)
    return prepare_ahead(batches, gather)


def windows_in_graph(dataset, split, num_frames, batch_size, *, stride=1, frame_stride=1, seed=0):
    """The batches of `windows` with a seed, drawn inside a compiled step.

    Args:
      dataset, split, num_frames, batch_size, stride, frame_stride, seed: as for `windows`.

    Returns:
      A function of the batch's number, an int64 scalar, that gives float32 [B, T, H, W, C]. Frames
      and starts are variables, for constants would become part of the program.

    Raises:
      UserError: no window of this length fits, or fewer than a batch.
    """
    frames, starts = frames_and_starts(dataset, split, num_frames, stride, frame_stride)
    count = len(starts)
    if count < batch_size:
        raise UserError(
            f"{dataset.path}: {split} has {count} windows, a compiled step needs a batch's "
            f"{batch_size} at least: lower training.batch_size"
        )
    frames = tf.Variable(frames, trainable=False, name="frames")
    starts = tf.Variable(starts, trainable=False, name="starts")

    def batch(number):
        places = number * batch_size + tf.range(batch_size, dtype=tf.int64)
        epoch = places[0] // count  # a batch may reach into the next one
        orders = tf.concat([_order(count, seed, epoch), _order(count, seed, epoch + 1)], axis=0)
        first = tf.gather(starts, tf.gather(orders, places - epoch * count))
        return _gather(frames, first, num_frames, frame_stride)

    return batch


def _gather(frames, first, num_frames, frame_stride):
    """The windows that begin at the frames `first` [B], float32 [B, T, H, W, C] in [0, 1]."""
    places = first[:, None] + frame_stride * tf.range(num_frames, dtype=tf.int64)
    return tf.cast(tf.gather(frames, places), tf.float32) / 255.0


def _shuffled(count, seed, first):
    """The numbers 0 to count - 1 without end, each epoch in another order, from the first-th on."""
    epochs = tf.data.Dataset.counter(first // count).flat_map(
        lambda number: tf.data.Dataset.from_tensor_slices(_order(count, seed, number))
    )
    return epochs.skip(first % count)


def _order(count, seed, epoch):
    """A permutation of 0 to count - 1."""
    keys = tf.random.stateless_uniform(
        [count], [seed, epoch], minval=None, maxval=None, dtype=tf.int64, alg="philox"
    )
    return tf.argsort(keys, stable=True)
