"""Any videos as a data set: what a config leaves open is taken from the films that it was built of.

python data/build_videos.py --input a.mp4 clips/ --output data/mine
python run_train.py --dataset=video --data_path=data/mine --workdir=runs/mine
"""

from __future__ import annotations

import dataclasses
import pathlib
import sys
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np

from lmvp_tf.datasets import augmentation, motion
from lmvp_tf.datasets.recordings import Recordings, RecordingsSettings, how_read
from lmvp_tf.datasets.records import index, reader
from lmvp_tf.datasets.records.frames import Disk
from lmvp_tf.datasets.records.index import Index
from lmvp_tf.datasets.records.splits import SPLITS
from lmvp_tf.datasets.records.tfrecords import BadRecord
from lmvp_tf.errors import UserError
from lmvp_tf.models.registry import model_class
from lmvp_tf.presets import video as presets
from lmvp_tf.settings import setting

if TYPE_CHECKING:
    from lmvp_tf.configs import Config

_LONGEST = 10  # T, where recordings are longer
_FASTEST = 12.5  # frames a second of a window, where the film has more
_ENOUGH = 0.75  # of the training frames are in segments that are long enough for a window
_SHORTEST = 4  # T: where validation or test is shorter, it has no windows
_PAIRS = 48  # of frames, in which motion is measured
_REACHED = 98  # percent of the blocks move no farther than the filters reach
_KERNELS = (5, 17)  # the smallest and the largest that is chosen
_CLIP = 4  # c


@dataclasses.dataclass(frozen=True)
class VideoSettings(RecordingsSettings):
    """0 is what the data set says, or what suits it: see Video.resolve."""

    num_frames: int = setting(0, task=True)
    num_inputs: int = setting(0, task=True)
    height: int = setting(0, task=True)
    width: int = setting(0, task=True)
    channels: int = setting(0, choices=(0, 1, 3), task=True)
    frame_stride: int = setting(0, task=True)
    path: str = setting("data/videos", resumable=True)

    @property
    def settled(self) -> bool:
        return all((*self.frame_shape, self.num_frames, self.num_inputs, self.frame_stride))


class Video(Recordings):
    """Videos of any kind: a data set that data/build_videos.py wrote. See Recordings."""

    title = "Videos"
    Settings = VideoSettings
    presets = presets.PRESETS
    columns = ("mse", "ratio", "mae_per_frame", "psnr", "ssim_tf", "ssim_skimage", "ssim_openstl")

    @classmethod
    def resolve(cls, config: Config, given: Collection[str] = ()) -> Config:
        """Fills in what a config leaves to the data.

        The shape and colour are the data set's. Windows are as long as most recordings allow, up to
        10 frames, half of them inputs; of films with more frames a second every so many-th is
        taken. The filters' size k follows from the motion that is measured in some windows, and
        the clip length c from T0. One line on stderr says what was chosen.

        Args:
          config: the Config.
          given: paths of the fields that the user set.

        Raises:
          UserError: the data are missing, damaged, or too short.
        """
        data: Any = config.data
        found = index.read(pathlib.Path(data.path), cls.how_to_build.format(path=data.path))
        data = _frames_from(_shape_from(data, found), found, given)
        data = dataclasses.replace(data, **how_read(found))
        chosen, why = _filters(config, data, given)
        kind = "RGB" if data.channels == 3 else "grey"
        every = f", one film frame in {data.frame_stride}" if data.frame_stride > 1 else ""
        print(
            f"{data.path}: {data.height}x{data.width} {kind}; {data.num_inputs} frames in, "
            f"{data.num_predicted} out{every}{why}",
            file=sys.stderr,
        )
        return dataclasses.replace(
            config, data=data, model=dataclasses.replace(config.model, **chosen)
        )


def _shape_from(data: Any, found: Index) -> Any:
    """The settings with the shape of the frames; of a height or a width alone, with both."""
    height, width, channels = found.shape
    if data.height and not data.width:
        width = round(width * data.height / height)
    elif data.width and not data.height:
        height = round(height * data.width / width)
    return dataclasses.replace(
        data,
        height=data.height or height,
        width=data.width or width,
        channels=data.channels or channels,
    )


def _frames_from(data: Any, found: Index, given: Collection[str]) -> Any:
    """The settings with T, T0 and the stride that the recordings allow."""
    longest = _usual_length(found)
    inputs = data.num_inputs
    frames = data.num_frames or min(longest, 2 * inputs or _LONGEST)
    inputs = inputs or frames // 2
    if not 0 < inputs < frames:
        raise UserError(
            f"{data.path}: has {longest} frames in a row, too few for data.num_inputs={inputs}, "
            f"data.num_frames={frames}: set both by --set, or build it from longer recordings"
        )
    fits = max(1, (longest - 1) // (frames - 1))
    usual = max(1, round(found.usual_rate / _FASTEST))
    stride = data.frame_stride or min(usual, fits)
    fastest = data.random_stride
    if "data.random_stride" not in given:
        fastest = min(fastest, max(fits, stride))
    return dataclasses.replace(
        data, num_frames=frames, num_inputs=inputs, frame_stride=stride, random_stride=fastest
    )


def _usual_length(found: Index) -> int:
    """A number of frames in a row that most of the frames allow, and every split."""
    lengths = {split: found.segment_lengths(split) for split in SPLITS}
    main = lengths["train"] if len(lengths["train"]) else lengths["test"]
    if not len(main):
        raise UserError(f"{found.path}: has no frames")
    main = np.sort(main)[::-1]
    usual = int(main[np.searchsorted(np.cumsum(main), _ENOUGH * main.sum())])
    others = [int(part.max()) for part in lengths.values() if len(part)]
    return min([usual, *(length for length in others if length >= _SHORTEST)])


def _filters(config: Config, data: Any, given: Collection[str]) -> tuple[dict[str, Any], str]:
    """Fields of the model's settings that follow from the data, and the reason in words."""
    chosen: dict[str, Any] = {}
    why = ""
    if "model.clip_length" not in given and hasattr(config.model, "clip_length"):
        chosen["clip_length"] = min(data.num_inputs, _CLIP)
        why = f"; clips of {chosen['clip_length']}"
    if "model.judged" not in given and hasattr(config.model, "judged"):
        chosen["judged"] = data.num_predicted
        why += f"; {chosen['judged']} predicted frames for D"
    if "model.kernel_size" in given or not model_class(config.model_name).recomputes:
        return chosen, why
    reach = _motion(data)
    if reach is None:
        return chosen, why
    smallest, largest = _KERNELS
    size = min(max(2 * reach + 1, smallest), largest)
    chosen["kernel_size"] = size
    why += f"; {_REACHED}% move up to {reach} pixels a step: filters of {size}x{size}"
    return chosen, why


def _motion(data: Any) -> int | None:
    """How far most things move from a frame of a window to the next, pixels; None: unknown."""
    if min(data.height, data.width) < motion.BLOCK:
        return None
    records = reader.open_records(data.path, data.skip_corrupt, cache_bytes=0)
    for split in SPLITS:
        pairs = reader.window_index(records, split, 2, frame_stride=data.frame_stride)
        if len(pairs):
            break
    else:
        return None
    part = records.splits[split]
    assert isinstance(part, Disk)
    numbers = np.unique(np.linspace(0, len(pairs) - 1, _PAIRS).astype(np.int64))
    frames = []
    for start in pairs.starts(numbers):
        try:
            frames.append(part.read(start + data.frame_stride * np.arange(2)))
        except BadRecord as error:
            if not data.skip_corrupt:
                raise UserError(
                    f"{error}: build the data set again, or go on without it by --skip_corrupt"
                ) from error
    if not frames:
        return None
    video = np.stack(frames).astype(np.float32) / np.float32(255)
    video = np.asarray(augmentation.fit(video, data.height, data.width), np.float32)
    found = motion.displacements(video[:, 0], video[:, 1], radius=_KERNELS[1] // 2)
    return int(np.ceil(np.percentile(found, _REACHED))) if len(found) else 0
