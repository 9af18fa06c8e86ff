"""The dataset that a config names: its training, validation and test videos under one interface."""

from lmvp_tf.configs import DataConfig
from lmvp_tf.datasets import mnist, moving_mnist


class MovingMNIST:
    """Moving MNIST, drawn without end from the training digits; the test digits make the test set.

    Args:
      data: a DataConfig.

    Attributes:
      test_size: sequences in the test set.
      source: one line that says where the digits come from.
      fingerprint: sha256 of the digits. Two runs with the same one have seen the same digits.
    """

    test_size = moving_mnist.TEST_SEQUENCES

    def __init__(self, data):
        self.data = data
        self.digits = mnist.load_digits(data.mnist_path)
        self.source = self.digits.source
        self.fingerprint = self.digits.sha256

    def train(self, seed, batch_size, first_step=0):
        """Batches without end, [B, T, H, W, 1]; batch i depends on (digits, seed, i) alone."""
        return self._dataset(seed, batch_size, "train", first_step)

    def validation(self, num_sequences, batch_size):
        """Batches from the training digits that no training run draws; the same for every seed."""
        return self._dataset(0, batch_size, "validation").take(-(-num_sequences // batch_size))

    def test(self, num_sequences=moving_mnist.TEST_SEQUENCES, batch_size=64):
        """The first of the 10,000 test sequences, in order."""
        return moving_mnist.test_batches(
            self.digits.test, num_sequences, batch_size, **self._format()
        )

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


def open_videos(data):
    """Opens the dataset that a DataConfig names.

    Raises:
      UserError: its files are missing or damaged.
    """
    return {"moving_mnist": MovingMNIST}[data.dataset](data)
