"""The dataset that a config names: its training, validation and test videos under one interface."""

import tensorflow as tf

from lmvp_tf.configs import DataConfig
from lmvp_tf.datasets import augmentation, highway, mnist, moving_mnist
from lmvp_tf.errors import UserError


class MovingMNIST:
    """Moving MNIST, drawn without end from the training digits; the test digits make the test set.

    Args:
      data: a DataConfig.

    Attributes:
      test_size: sequences in the test set.
      source: one line that says where the digits come from.
      fingerprint: sha256 of the digits. Two runs with the same one have seen the same digits.
      test_clips: None: the sequences belong to no clips.
    """

    test_size = moving_mnist.TEST_SEQUENCES
    test_clips = None

    def __init__(self, data):
        self.data = data
        self.digits = mnist.load_digits(data.mnist_path)
        self.source = self.digits.source
        self.fingerprint = self.digits.sha256

    def train(self, seed, batch_size, first_step=0):
        """Batches without end, [B, T, H, W, 1]; batch i depends on (digits, seed, i) alone."""
        return self._dataset(seed, batch_size, "train", first_step)

    def in_graph(self, seed, batch_size):
        """The same training batches, drawn inside a compiled step.

        Returns:
          A function of the batch's number, an int64 scalar, that gives [B, T, H, W, 1]. It reads
          the digits from a variable, for a constant would become part of the program.
        """
        digits = tf.Variable(self.digits.train, trainable=False, name="digits")

        def batch(number):
            key = moving_mnist.batch_seed(seed, "train", number)
            return moving_mnist.moving_mnist(digits, key, batch_size, **self._format())

        return batch

    def validation(self, num_sequences, batch_size):
        """Batches from the training digits that no training run draws; the same for every seed."""
        return self._dataset(0, batch_size, "validation").take(-(-num_sequences // batch_size))

    def test(self, num_sequences=moving_mnist.TEST_SEQUENCES, batch_size=64):
        """The first of the 10,000 test sequences, in order."""
        return moving_mnist.test_batches(
            self.digits.test, num_sequences, batch_size, **self._format()
        )

    def examples(self, num_sequences, count):
        """Numbers of the test sequences to show: the first."""
        return list(range(min(count, num_sequences)))

    def check_test_hash(self, num_sequences, frames_sha256):
        """Checks that all 10,000 sequences are the published ones, where their hash is known.

        Raises:
          RunError: they are not.
        """
        if self._format() == self._format(DataConfig()):
            moving_mnist.check_test_hash(self.fingerprint, num_sequences, frames_sha256)

    def _dataset(self, seed, batch_size, split, first_step=0):
        return moving_mnist.dataset(
            self.digits.train, seed, batch_size, split, first_step, **self._format()
        )

    def _format(self, data=None):
        data = data or self.data
        return {"num_frames": data.num_frames, "size": data.size, "num_digits": data.num_digits}


class Highway:
    """Highway Drive: windows of a dataset that data/build_highway.py wrote.

    Frames that are larger than the config's are averaged by area to its size.

    Args:
      data: a DataConfig.

    Attributes:
      test_size: windows in the test split.
      source: one line that says what was found where.
      fingerprint: sha256 of the training frames.
      test_clips: the name of the clip that each test window is from, in order.

    Raises:
      UserError: there is no dataset, it is damaged, or its frames have too few pixels or another
        number of channels than the config's.
    """

    def __init__(self, data):
        self.data = data
        self.dataset = highway.open_dataset(data.highway_path, data.skip_corrupt)
        self._check_frames()
        self.fingerprint = self.dataset.splits["train"].sha256
        self.test_clips = list(self._index("test").clips)
        self.test_size = len(self.test_clips)
        self.source = (
            f"{data.highway_path}: {len(self._index('train', data.window_stride).starts)} training "
            f"windows of {data.num_frames} frames, {self.test_size} test windows"
        )

    def train(self, seed, batch_size, first_step=0):
        """Batches without end, [B, T, H, W, C]; batch i depends on (frames, seed, i) alone."""
        batches = self._windows(
            "train", batch_size, self.data.window_stride, seed=seed, first_step=first_step
        )
        numbers = tf.data.Dataset.counter(first_step)
        return tf.data.Dataset.zip(numbers, batches).map(
            lambda number, video: augmentation.augmented(video, self.data, seed, number)
        )

    def in_graph(self, seed, batch_size):
        """The same training batches, drawn inside a compiled step.

        Returns:
          A function of the batch's number, an int64 scalar, that gives [B, T, H, W, C]. It reads
          the frames from a variable, for a constant would become part of the program.
        """
        draw = highway.windows_in_graph(
            self.dataset,
            "train",
            batch_size=batch_size,
            stride=self.data.window_stride,
            seed=seed,
            **self._frames("train"),
        )
        return lambda number: augmentation.augmented(draw(number), self.data, seed, number)

    def validation(self, num_sequences, batch_size):
        """Batches of windows spread evenly over the validation split; the same for every seed."""
        total = len(self._index("validation").starts)
        stride = max(1, total // num_sequences)
        batches = self._fitted("validation", batch_size, stride)
        return _first(batches, num_sequences, batch_size)

    def test(self, num_sequences=None, batch_size=64):
        """The first test windows, or all, in order."""
        batches = self._fitted("test", batch_size)
        return _first(batches, num_sequences, batch_size) if num_sequences else batches

    def examples(self, num_sequences, count):
        """Numbers of the test windows to show: spread evenly, for neighbours look alike."""
        count = min(count, num_sequences)
        return [(2 * i + 1) * num_sequences // (2 * count) for i in range(count)]

    def check_test_hash(self, num_sequences, frames_sha256):
        """Nothing to check here: every shard's own hash was compared when it was opened."""

    def _index(self, split, stride=1):
        return highway.window_index(self.dataset, split, stride=stride, **self._frames(split))

    def _frames(self, split):
        """Which frames of the drive a window is made of, or is then drawn from."""
        fastest = self.data.random_stride
        if split == "train" and fastest:
            return {"num_frames": (self.data.num_frames - 1) * fastest + 1, "frame_stride": 1}
        return {"num_frames": self.data.num_frames, "frame_stride": self.data.frame_stride}

    def _check_frames(self):
        data, path = self.data, self.data.highway_path
        size, channels = self.dataset.size, self.dataset.channels
        if channels != data.channels or size < data.size:
            raise UserError(
                f"{path} has frames of {size}x{size} pixels and {channels} channels, the config "
                f"wants {data.size} and {data.channels}: give --set data.size={size} "
                f"--set data.channels={channels}, or build it with --size={data.size} "
                f"--color={'grey' if data.channels == 1 else 'rgb'}"
            )
        if data.crop * size < data.size:
            raise UserError(
                f"data.crop={data.crop:g} of {path}'s {size} pixels is less than a frame's "
                f"{data.size} (data.size): give --set data.crop={data.size / size:g}, or build "
                "it with a larger --size"
            )

    def _fitted(self, split, batch_size, stride=1):
        """Windows of whole frames, as they are evaluated."""
        windows = self._windows(split, batch_size, stride)
        return windows.map(lambda video: augmentation.fit(video, self.data.size))

    def _windows(self, split, batch_size, stride=1, **options):
        return highway.windows(
            self.dataset,
            split,
            batch_size=batch_size,
            stride=stride,
            **self._frames(split),
            **options,
        )


def _first(batches, num_sequences, batch_size):
    return batches.unbatch().take(num_sequences).batch(batch_size)


def open_videos(data):
    """Opens the dataset that a DataConfig names.

    Raises:
      UserError: its files are missing or damaged.
    """
    return {"moving_mnist": MovingMNIST, "highway": Highway}[data.dataset](data)
