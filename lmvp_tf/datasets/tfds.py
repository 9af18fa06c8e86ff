"""Any video data set of TensorFlow Datasets, by its name there.

    python run_train.py --dataset=tfds --set data.tfds_name=robonet --workdir=runs/robonet

It is downloaded and built into shards once, as a user's films are; from then on it is a data set of
recordings like any other. Needs the extra `[tfds]`.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from lmvp_tf.datasets.records import builder, index
from lmvp_tf.datasets.video import Video, VideoSettings
from lmvp_tf.errors import UserError
from lmvp_tf.films.film import Film, Timeline
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.films.picture import fit
from lmvp_tf.settings import setting

if TYPE_CHECKING:
    from lmvp_tf.configs import Config

Shape = tuple[int | None, ...]

_MISSING = "--dataset=tfds needs tensorflow-datasets: pip install 'lmvp-tf[tfds]'"
_CATALOG = "https://www.tensorflow.org/datasets/catalog/overview#video"
_TRAINING = "clips:0.9"  # where the data set has no test split
_HELD_OUT = "clips:0.05"  # for validation, where it has no such split


@dataclasses.dataclass(frozen=True)
class TFDSSettings(VideoSettings):
    """`path` is where its shards are, or are to be; empty: data/tfds/<name>."""

    path: str = setting("", resumable=True)
    # Its name at TensorFlow Datasets, as "robonet/robonet_sample_64".
    tfds_name: str = setting("", task=True)
    # Which feature of an example is the video; empty: the first that is one.
    tfds_feature: str = setting("", task=True)
    # Where TensorFlow Datasets keeps its files; empty: ~/tensorflow_datasets.
    tfds_path: str = setting("", resumable=True)


class TFDS(Video):
    """A video data set of TensorFlow Datasets. See Video."""

    title = "TensorFlow Datasets"
    Settings = TFDSSettings

    @classmethod
    def resolve(cls, config: Config, given: Collection[str] = ()) -> Config:
        """Builds the shards where they are not there yet, and goes on as Video does.

        Raises:
          UserError: there is no such data set, it has no videos, or it cannot be had.
        """
        data: Any = config.data
        if not data.tfds_name:
            raise UserError(
                "--dataset=tfds wants a name: --set data.tfds_name=bair_robot_pushing_small, or "
                f"another of {_CATALOG}"
            )
        path = pathlib.Path(data.path or f"data/tfds/{data.tfds_name}")
        if not (path / index.FILE).exists():
            _build(data, path)
        config = dataclasses.replace(config, data=dataclasses.replace(data, path=str(path)))
        return super().resolve(config, given)


def _build(data: TFDSSettings, path: pathlib.Path) -> None:
    """Writes the shards of a data set, in the shape that the settings ask for, or its own."""
    films = {split: examples.films(split) for split, examples in _open(data).items()}
    everything = [film for part in films.values() for film in part]
    if not everything:
        raise UserError(f"{data.tfds_name}: has no examples")
    first = everything[0]
    names = {split: ",".join(film.name for film in part) for split, part in films.items()}
    options = builder.BuildOptions(
        FrameOptions(
            height=data.height or first.height,
            width=data.width or first.width,
            channels=data.channels or first.channels,
        ),
        split=f"test:{names['test']}" if "test" in names else _TRAINING,
        validation=f"clips:{names['validation']}" if "validation" in names else _HELD_OUT,
        progress=True,
    )
    builder.build_films(everything, [data.tfds_name], path, options)


def _open(data: TFDSSettings) -> dict[str, Examples]:
    """The videos of every split, downloaded where they are not there yet."""
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(f"{_MISSING} ({error})") from error
    try:
        source = tfds.builder(data.tfds_name, data_dir=data.tfds_path or None)
        feature, shape = _video_feature(source.info.features.get_tensor_info(), data)
        source.download_and_prepare()
        splits = list(source.info.splits) or ["train", "test"]
        return {
            split: Examples(source.as_dataset(split=split, shuffle_files=False), feature, shape)
            for split in splits
        }
    except UserError:
        raise
    except Exception as error:  # tfds raises whatever its data sets and the network do
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise UserError(
            f"{data.tfds_name} cannot be had from TensorFlow Datasets ({reason}); its names: "
            f"{_CATALOG}"
        ) from error


def _video_feature(features: Any, data: TFDSSettings) -> tuple[tuple[str, ...], Shape]:
    """Path and shape [T, H, W, C] of the video in an example."""
    found = {}

    def look(part: Any, path: tuple[str, ...]) -> None:
        if isinstance(part, dict):
            for key, value in part.items():
                look(value, (*path, key))
        elif len(part.shape) == 4 and part.shape[-1] in (1, 3) and part.dtype == np.uint8:
            found["/".join(path)] = path, tuple(part.shape)

    look(features, ())
    if not found:
        raise UserError(
            f"{data.tfds_name} has no videos: none of its features is uint8 [T, H, W, 1 or 3]"
        )
    wanted = data.tfds_feature or next(iter(found))
    if wanted not in found:
        raise UserError(
            f"data.tfds_feature must be one of {', '.join(found)} for {data.tfds_name}. "
            f"Received: {wanted}"
        )
    return found[wanted]


class Examples:
    """The videos of one split, read one after the other; one at a time is in memory.

    Args:
      dataset: a tf.data.Dataset of examples, in an order that does not change.
      feature: path of the video in an example.
      shape: of the video, [T, H, W, C], None where it varies.
    """

    def __init__(self, dataset: Any, feature: tuple[str, ...], shape: Shape) -> None:
        self.shape = shape
        self._dataset, self._feature = dataset, feature
        self._position, self._iterator = -1, iter(())
        self._video: npt.NDArray[np.uint8] = np.zeros((0, 1, 1, 1), np.uint8)

    def films(self, split: str) -> list[Film]:
        """All of them."""
        known = int(self._dataset.cardinality())
        count = known if known >= 0 else sum(1 for _ in self._dataset)
        return [Example(self, f"{split}-{i:06}", i) for i in range(count)]

    def video(self, i: int) -> npt.NDArray[np.uint8]:
        """The i-th video, uint8 [T, H, W, C]; going back begins anew."""
        if self._position < 0 or i < self._position:
            self._position, self._iterator = -1, self._dataset.as_numpy_iterator()
        while self._position < i:
            part: Any = next(self._iterator)
            self._position += 1
            if self._position == i:
                for key in self._feature:
                    part = part[key]
                self._video = part
        return self._video


class Example(Film):
    """The i-th of some Examples as a film."""

    def __init__(self, examples: Examples, name: str, i: int) -> None:
        super().__init__(pathlib.Path(name), name)
        self._examples, self._i = examples, i

    @property
    def width(self) -> int:
        return self._side(2)

    @property
    def height(self) -> int:
        return self._side(1)

    @property
    def channels(self) -> int:
        return self._side(3)

    @property
    def timeline(self) -> Timeline:
        return Timeline.regular(self._side(0))

    def _side(self, axis: int) -> int:
        return self._examples.shape[axis] or self._examples.video(self._i).shape[axis]

    def _decode(
        self, positions: npt.NDArray[np.int64], options: FrameOptions
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        video = self._examples.video(self._i)
        for position in positions.tolist():
            yield position, fit(video[position], options, self.name)
