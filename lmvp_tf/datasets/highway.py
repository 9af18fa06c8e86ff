"""Highway Drive as a data set: windows of a drive's frames, from TFRecord shards."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any, ClassVar

import tensorflow as tf

from lmvp_tf.datasets import augmentation
from lmvp_tf.datasets.base import Dataset, DataSettings
from lmvp_tf.datasets.records import reader
from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.presets import highway as presets
from lmvp_tf.settings import setting


@dataclasses.dataclass(frozen=True)
class HighwaySettings(DataSettings):
    """The paper's setting: three grey frames in, three out. `path` is a folder with shards."""

    num_frames: int = setting(6, positive=True, task=True)
    num_inputs: int = setting(3, positive=True, task=True)
    path: str = setting("data/highway", resumable=True)
    # Frames of the recording from one frame of a window to the next.
    frame_stride: int = setting(1, positive=True, task=True)
    # Training strides are drawn from 1 to this; 0: frame_stride.
    random_stride: int = 0
    # Frames between the starts of two training windows.
    window_stride: int = setting(1, positive=True)
    mirror: bool = False  # turn half of the training windows left to right
    reverse: bool = False  # play half of the training windows backwards
    # The smallest side of training windows' random crops, as a share of the frame's; 1: whole ones.
    crop: float = setting(1.0, positive=True, at_most=1)
    contrast: float = setting(0.0, at_most=1)  # training windows' contrast changes by this share
    # Leave out damaged records instead of ending.
    skip_corrupt: bool = setting(False, resumable=True)

    def film_options(self) -> FrameOptions:
        return dataclasses.replace(super().film_options(), stride=self.frame_stride)


class Highway(Dataset):
    """Highway Drive: windows of a data set that data/build_highway.py wrote.

    Frames that are larger than the settings' are averaged by area to their size. See Dataset.
    `fingerprint` is that of the training frames.
    """

    title = "Highway Drive"
    Settings = HighwaySettings
    presets = presets.PRESETS
    columns = (
        "mse",
        "ratio",
        "psnr",
        "ssim_tf",
        "ssim_skimage",
        "ssim_openstl",
        "ssim_paper",
    )
    cited: ClassVar = {
        "Last Frame": {"mse": 0.01034, "ratio": 1.0, "ssim_paper": 0.83, "psnr": 22.11},
        "DFN": {"mse": 0.00308, "ratio": 0.298, "ssim_paper": 0.92, "psnr": 26.95},
        "LMVP": {"mse": 0.00267, "ratio": 0.258, "ssim_paper": 0.927, "psnr": 27.23},
    }
    cited_from = "the paper's Table 2"

    settings: HighwaySettings

    def __init__(self, settings: HighwaySettings) -> None:
        self.settings = settings
        self.dataset = reader.open_dataset(settings.path, settings.skip_corrupt)
        self._check_frames()
        self.fingerprint = self.dataset.splits["train"].sha256
        self.test_recordings = list(self._index("test").clips)
        self.test_size = len(self.test_recordings)
        self.overlap = (settings.num_frames - 1) * settings.frame_stride + 1
        self.has_training = len(self.dataset.splits["train"].frames) > 0
        num_windows = 0
        if self.has_training:
            num_windows = len(self._index("train", settings.window_stride).starts)
        self.source = (
            f"{settings.path}: {num_windows} training windows of {settings.num_frames} frames, "
            f"{self.test_size} test windows"
        )

    def train(self, seed: int, batch_size: int, first_step: int = 0) -> tf.data.Dataset:
        settings = self.settings
        batches = self._windows(
            "train", batch_size, settings.window_stride, seed=seed, first_step=first_step
        )
        numbers = tf.data.Dataset.counter(first_step)
        return tf.data.Dataset.zip(numbers, batches).map(
            lambda number, video: augmentation.augmented(video, settings, seed, number)
        )

    def in_graph(self, seed: int, batch_size: int) -> Callable[[tf.Tensor], tf.Tensor]:
        settings = self.settings
        draw = reader.windows_in_graph(
            self.dataset,
            "train",
            batch_size=batch_size,
            stride=settings.window_stride,
            seed=seed,
            **self._frames("train"),
        )
        return lambda number: augmentation.augmented(draw(number), settings, seed, number)

    def validation(self, num_sequences: int, batch_size: int) -> tf.data.Dataset:
        """Batches of windows spread evenly over the validation split; the same for every seed."""
        total = len(self._index("validation").starts)
        stride = max(1, total // num_sequences)
        batches = self._fitted("validation", batch_size, stride)
        return _first(batches, num_sequences, batch_size)

    def test(self, num_sequences: int | None = None, batch_size: int = 64) -> tf.data.Dataset:
        batches = self._fitted("test", batch_size)
        return _first(batches, num_sequences, batch_size) if num_sequences else batches

    def examples(self, num_sequences: int, count: int) -> list[int]:
        """Numbers of the test windows to show: spread evenly, for neighbours look alike."""
        count = min(count, num_sequences)
        return [(2 * i + 1) * num_sequences // (2 * count) for i in range(count)]

    def _index(self, split: str, stride: int = 1) -> reader.WindowIndex:
        return reader.window_index(self.dataset, split, stride=stride, **self._frames(split))

    def _frames(self, split: str) -> dict[str, int]:
        """Which frames of the recording a window is made of, or is then drawn from."""
        settings = self.settings
        fastest = settings.random_stride
        if split == "train" and fastest:
            return {"num_frames": (settings.num_frames - 1) * fastest + 1, "frame_stride": 1}
        return {"num_frames": settings.num_frames, "frame_stride": settings.frame_stride}

    def _check_frames(self) -> None:
        settings, path = self.settings, self.settings.path
        size, channels = self.dataset.size, self.dataset.channels
        if channels != settings.channels or size < max(settings.height, settings.width):
            color = "grey" if settings.channels == 1 else "rgb"
            raise UserError(
                f"{path} has frames of {size}x{size} pixels and {channels} channels, the config "
                f"wants {settings.height}x{settings.width} and {settings.channels}: give "
                f"--set data.height={size} --set data.width={size} --set data.channels={channels}, "
                f"or build it with --size={settings.height} --color={color}"
            )
        if settings.crop * size < settings.height:
            raise UserError(
                f"data.crop={settings.crop:g} of {path}'s {size} pixels is less than a frame's "
                f"{settings.height} (data.height): give --set data.crop={settings.height / size:g},"
                " or build it with a larger --size"
            )

    def _fitted(self, split: str, batch_size: int, stride: int = 1) -> tf.data.Dataset:
        """Windows of whole frames, as they are evaluated."""
        settings = self.settings
        return self._windows(split, batch_size, stride).map(
            lambda video: augmentation.fit(video, settings.height, settings.width)
        )

    def _windows(
        self, split: str, batch_size: int, stride: int = 1, **options: Any
    ) -> tf.data.Dataset:
        return reader.windows(
            self.dataset,
            split,
            batch_size=batch_size,
            stride=stride,
            **self._frames(split),
            **options,
        )


def _first(batches: tf.data.Dataset, num_sequences: int, batch_size: int) -> tf.data.Dataset:
    return batches.unbatch().take(num_sequences).batch(batch_size)
