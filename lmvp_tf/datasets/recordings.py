"""Data sets of films that were built into shards: what Highway and `video` have in common."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any, ClassVar

import tensorflow as tf

from lmvp_tf.datasets import augmentation
from lmvp_tf.datasets.base import Dataset, DataSettings
from lmvp_tf.datasets.pipeline import counter, mapped, variable
from lmvp_tf.datasets.records import index, reader
from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions, parse_crop
from lmvp_tf.settings import setting

if TYPE_CHECKING:
    from lmvp_tf.configs import Config


@dataclasses.dataclass(frozen=True)
class RecordingsSettings(DataSettings):
    """`path` is the folder of the data set."""

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
    # A part moves over the frame as if the camera did, up to so many pixels a frame, and zooms.
    camera: float = setting(0.0)
    contrast: float = setting(0.0, at_most=1)  # training windows' contrast changes by this share
    # Leave out damaged records instead of ending.
    skip_corrupt: bool = setting(False, resumable=True)
    # So many MiB of frames are kept in memory; what is beyond is read from disk.
    cache_mib: int = setting(reader.CACHE_BYTES // 2**20, resumable=True)
    # How the films were read: as --crop, --stride and --fps of the builder; fps 0: by the stride.
    film_crop: str = setting("centre", resumable=True)
    film_stride: int = setting(1, positive=True, resumable=True)
    film_fps: float = setting(0.0, resumable=True)
    # Frames per second of the data set, the median of its recordings'; 0: not known.
    film_rate: float = setting(0.0, resumable=True)

    def validate(self) -> None:
        super().validate()
        if self.camera and self.crop == 1:
            raise UserError(
                "data.camera moves a part over the frame: give it room by --set data.crop=0.5, or "
                "leave it out"
            )

    def film_options(self) -> FrameOptions:
        """How a film is read for a model of these data: FrameOptions."""
        return FrameOptions(
            height=self.height,
            width=self.width,
            channels=self.channels,
            crop=parse_crop(self.film_crop),
            stride=self.film_stride * self.frame_stride,
            fps=self.film_fps / self.frame_stride if self.film_fps else None,
            rate=self.film_rate / self.frame_stride,
        )


class Recordings(Dataset):
    """Windows of a data set that lmvp_tf.commands.build_dataset wrote. See Dataset.

    Frames that are larger than the settings' are averaged by area to their size; of another shape,
    their middle is taken. `fingerprint` is that of the training frames.

    Class attributes:
      how_to_build: the command that builds such a data set, with "{path}" in it.
    """

    Settings = RecordingsSettings
    how_to_build: ClassVar[str] = reader.HOW_TO_BUILD

    settings: RecordingsSettings
    validation_size: int

    def __init__(self, settings: RecordingsSettings) -> None:
        if not settings.settled:
            raise ValueError(f"resolve the config before its data are opened: {settings}")
        self.settings = settings
        self.records = reader.open_records(
            settings.path, settings.skip_corrupt, settings.cache_mib * 2**20, self.how_to_build
        )
        self._check_frames()
        self.fingerprint = self.records.splits["train"].sha256
        names = [recording.name for recording in self.records.index.recordings]
        test = self._index("test").recordings().tolist()
        self.test_recordings = [names[i] for i in test]
        self.test_size = len(test)
        self.validation_size = len(self._index("validation"))
        self.overlap = (settings.num_frames - 1) * settings.frame_stride + 1
        num_windows = len(self._index("train", settings.window_stride))
        self.has_training = num_windows > 0 and self._crops_are_large_enough
        self.source = (
            f"{settings.path}: {num_windows} training windows of {settings.num_frames} frames, "
            f"{self.test_size} test windows"
        )
        if not self.validation_size:
            self.source += "; nothing to validate by: no checkpoint is chosen"

    @classmethod
    def resolve(cls, config: Config, given: Collection[str] = ()) -> Config:
        data: Any = config.data
        if not (pathlib.Path(data.path) / index.FILE).exists():
            return config  # it can be looked at; opening the data will refuse it
        found = index.read(pathlib.Path(data.path), cls.how_to_build.format(path=data.path))
        return dataclasses.replace(config, data=dataclasses.replace(data, **how_read(found)))

    def train(
        self, seed: int, batch_size: int, first_step: int = 0, shard: tuple[int, int] = (1, 0)
    ) -> tf.data.Dataset:
        self._check_crop()
        settings = self.settings
        batches = self._windows(
            "train",
            batch_size,
            settings.window_stride,
            seed=seed,
            first_step=first_step,
            shard=shard,
        )
        numbers = counter(first_step)
        return mapped(
            tf.data.Dataset.zip(numbers, batches),
            lambda number, video: augmentation.augmented(video, settings, seed, number, shard),
        )

    def in_graph(
        self,
        seed: int,
        batch_size: int,
        shard: tuple[int, int] = (1, 0),
        hold: Callable[..., Any] | None = None,
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        self._check_crop()
        settings = self.settings
        draw = reader.windows_in_graph(
            self.records,
            "train",
            batch_size=batch_size,
            stride=settings.window_stride,
            seed=seed,
            shard=shard,
            hold=hold or variable,
            **self._frames("train"),
        )
        return lambda number: augmentation.augmented(draw(number), settings, seed, number, shard)

    def validation(self, num_sequences: int, batch_size: int) -> tf.data.Dataset:
        """Windows spread evenly over the validation split, maybe none; the same for every seed."""
        if not self.validation_size:
            settings = self.settings
            nothing = tf.zeros((0, settings.num_frames, *settings.frame_shape))
            return tf.data.Dataset.from_tensor_slices(nothing).batch(batch_size)
        stride = max(1, self.validation_size // num_sequences)
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
        return reader.window_index(self.records, split, stride=stride, **self._frames(split))

    def _frames(self, split: str) -> dict[str, Any]:
        """Which frames of the recording a window is made of, or is then drawn from."""
        settings = self.settings
        fastest = settings.random_stride
        if split == "train" and fastest:
            return {"num_frames": (settings.num_frames - 1) * fastest + 1, "frame_stride": 1}
        return {"num_frames": settings.num_frames, "frame_stride": settings.frame_stride}

    def _check_frames(self) -> None:
        settings, path = self.settings, self.settings.path
        height, width, channels = self.records.index.shape
        if channels != settings.channels or self._reduction < 1 - 1e-9:
            color = "grey" if settings.channels == 1 else "rgb"
            raise UserError(
                f"{path} has frames of {height}x{width} pixels and {channels} channels, the config "
                f"wants {settings.height}x{settings.width} and {settings.channels}: build it with "
                f"--size={settings.height}x{settings.width} --color={color}, or train on what it "
                f"has: --set data.height={height} --set data.width={width} "
                f"--set data.channels={channels}"
            )

    def _check_crop(self) -> None:
        """Training windows are cropped, which what is only tested on has no need to bear."""
        settings, path = self.settings, self.settings.path
        height, width, _ = self.records.index.shape
        if not self._crops_are_large_enough:
            raise UserError(
                f"data.crop={settings.crop:g} of {path}'s {height}x{width} pixels is less than a "
                f"frame's {settings.height}x{settings.width} (data.height, data.width): give "
                f"--set data.crop={1 / self._reduction:g}, or build it with a larger --size"
            )

    @property
    def _crops_are_large_enough(self) -> bool:
        return self.settings.crop * self._reduction >= 1 - 1e-9

    @property
    def _reduction(self) -> float:
        """How many pixels of a recording, along a side, become one of a frame."""
        settings = self.settings
        height, width, _ = self.records.index.shape
        high, wide = augmentation.largest_part(height, width, (settings.height, settings.width))
        return float(min(high * height / settings.height, wide * width / settings.width))

    def _fitted(self, split: str, batch_size: int, stride: int = 1) -> tf.data.Dataset:
        """Windows of whole frames, as they are evaluated."""
        settings = self.settings
        return mapped(
            self._windows(split, batch_size, stride),
            lambda video: augmentation.fit(video, settings.height, settings.width),
        )

    def _windows(
        self, split: str, batch_size: int, stride: int = 1, **options: Any
    ) -> tf.data.Dataset:
        return reader.windows(
            self.records,
            split,
            batch_size=batch_size,
            stride=stride,
            **self._frames(split),
            **options,
        )


def how_read(found: index.Index) -> dict[str, Any]:
    """Fields of RecordingsSettings that say how a data set's films were read."""
    films = found.films
    crop = films.crop if isinstance(films.crop, str) else ",".join(map(str, films.crop))
    return {
        "film_crop": crop,
        "film_stride": films.stride,
        "film_fps": films.fps or 0.0,
        "film_rate": found.usual_rate,
    }


def _first(batches: tf.data.Dataset, num_sequences: int, batch_size: int) -> tf.data.Dataset:
    return batches.unbatch().take(num_sequences).batch(batch_size)
