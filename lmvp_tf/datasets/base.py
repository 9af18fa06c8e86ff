"""What every data set is: videos to train on, to validate by and to test on, under one interface.

A new data set is one file: a subclass of `Dataset` with its `Settings` and its presets, and a line
in `lmvp_tf.datasets.registry`. Everything that is particular to it stands there: nothing else asks
which data set it is.
"""

from __future__ import annotations

import abc
import dataclasses
import math
from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.presets.preset import Preset
from lmvp_tf.settings import setting

if TYPE_CHECKING:
    import tensorflow as tf

    from lmvp_tf.configs import Config

PerFrameValues = Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]]


@dataclasses.dataclass(frozen=True)
class DataSettings:
    """What the videos of any data set are. Its subclasses' fields are the config's `data.*`."""

    num_frames: int = setting(20, positive=True, task=True)  # T
    num_inputs: int = setting(10, positive=True, task=True)  # T0
    height: int = setting(64, positive=True, task=True)  # H, pixels
    width: int = setting(64, positive=True, task=True)  # W, pixels
    channels: int = setting(1, choices=(1, 3), task=True)  # C, grey or RGB
    path: str = setting("", resumable=True)  # where the data are: a file or a folder

    @property
    def frame_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return self.height, self.width, self.channels

    @property
    def settled(self) -> bool:
        """Whether nothing is left to the data: see Dataset.resolve."""
        return True

    @property
    def num_predicted(self) -> int:
        """S = T - T0."""
        return self.num_frames - self.num_inputs

    def film_options(self) -> FrameOptions:
        """What makes frames of a film that are like those of the data set, as a model reads them.

        `fps` and `stride` are of the frames of a sequence, not of those that are kept on disk.
        """
        return FrameOptions(self.height, self.width, channels=self.channels)

    def batch_bytes(self, batch_size: int) -> int:
        """The memory that a batch of videos takes at the least while it is made, in bytes."""
        return 4 * batch_size * self.num_frames * math.prod(self.frame_shape)

    def validate(self) -> None:
        """Refuses what cannot work together.

        Raises:
          UserError: naming the field, what it may hold, and what it holds.
        """
        if self.num_inputs >= self.num_frames:
            raise UserError(
                "data.num_inputs (T0) must be below data.num_frames (T), or nothing is left to "
                f"predict. Received: T0 = {self.num_inputs}, T = {self.num_frames}"
            )


class Dataset(abc.ABC):
    """The videos that a config names.

    A subclass takes its settings, opens its files, and sets what stands under "Attributes". Frames
    are float32 in [0, 1]; a batch is [B, T, H, W, C] as the settings say.

    Class attributes:
      title: how people call it.
      Settings: class of its settings, a DataSettings.
      presets: {name: function that gives the Preset}; its docstring says what it costs and reaches.
      smooth: whether its frames are enlarged smoothly in pictures, as a camera's are; False: each
        pixel becomes a square.
      columns: names of the metrics in its tables, in order (keys of
        lmvp_tf.metrics.registry.METRICS).
      cited: what others reported on it, {system: {metric: value}}, shown below our rows.
      cited_from: where those rows are from, such as "the paper's Table 1".
      cited_psnr: the paper's Table 3: {system: PSNR at its steps of two example sequences}.

    Attributes:
      settings: its Settings.
      source: one line that says what was found where.
      fingerprint: hex digest of the training data. Two runs with the same one have seen the same.
      has_training: whether there are training sequences; a test set alone can be evaluated.
      test_size: number of sequences in the test set.
      validation_size: number of sequences to validate by; 0: none; None: without end.
      test_recordings: the recording that each test sequence is from, in order; None: of none.
      overlap: how many neighbouring test sequences share frames, 1 for none: what the bootstrap
        has to keep together.

    Raises (from the constructor):
      UserError: its files are missing or damaged, or do not suit the settings.
    """

    title: ClassVar[str]
    Settings: ClassVar[type[DataSettings]]
    presets: ClassVar[Mapping[str, Callable[[], Preset]]]
    smooth: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]]
    cited: ClassVar[Mapping[str, Mapping[str, float]]] = {}
    cited_from: ClassVar[str] = ""
    cited_psnr: ClassVar[PerFrameValues] = {}

    settings: DataSettings
    source: str
    fingerprint: str
    has_training: bool = True
    test_size: int
    validation_size: int | None = None
    test_recordings: list[str] | None = None
    overlap: int = 1

    @abc.abstractmethod
    def __init__(self, settings: Any) -> None: ...

    @classmethod
    def resolve(cls, config: Config, given: Collection[str] = ()) -> Config:
        """Fills in what a config leaves to the data, by looking at them.

        Called once, before a run begins; what it gives is saved with the run.

        Args:
          config: the Config.
          given: paths of the fields that the user set, which stay as they are.

        Raises:
          UserError: the data are missing or damaged.
        """
        return config

    @abc.abstractmethod
    def train(
        self, seed: int, batch_size: int, first_step: int = 0, shard: tuple[int, int] = (1, 0)
    ) -> tf.data.Dataset:
        """Batches without end, [B, T, H, W, C]; batch i depends on (data, seed, i) alone.

        Args:
          seed: of the run.
          batch_size: B.
          first_step: i of the first batch: a resumed run goes on where it stopped.
          shard: (n, i), worker i of n. The workers' batches of one step, put together, are the
            batch of a lone worker with batch size n * B.
        """

    @abc.abstractmethod
    def in_graph(
        self,
        seed: int,
        batch_size: int,
        shard: tuple[int, int] = (1, 0),
        hold: Callable[..., Any] | None = None,
    ) -> Callable[[tf.Tensor], tf.Tensor]:
        """The same training batches, drawn inside a compiled step.

        Args:
          seed, batch_size, shard: as for `train`.
          hold: what keeps the data, given an array and a name; None: tf.Variable.

        Returns:
          A function of the batch's number, an int64 scalar, that gives [B, T, H, W, C]. It reads
          its data from variables, for constants would become part of the program.
        """

    @abc.abstractmethod
    def validation(self, num_sequences: int, batch_size: int) -> tf.data.Dataset:
        """Batches that no training run draws, the same for every seed, about `num_sequences`."""

    @abc.abstractmethod
    def test(self, num_sequences: int | None = None, batch_size: int = 64) -> tf.data.Dataset:
        """The first test sequences, or all, in order; the last batch may be smaller."""

    def examples(self, num_sequences: int, count: int) -> list[int]:
        """Numbers of the test sequences to show in pictures: the first."""
        return list(range(min(count, num_sequences)))

    def check_test(self, num_sequences: int, frames_sha256: str) -> None:  # noqa: B027 (may stay so)
        """Checks that the test sequences are the published ones, where their hash is known.

        Args:
          num_sequences: how many were gone over.
          frames_sha256: hash of their frames, by lmvp_tf.datasets.frame_hash.

        Raises:
          RunError: they are not.
        """
