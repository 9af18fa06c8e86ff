"""Highway Drive as a data set: the paper's natural videos, in grey squares."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

from lmvp_tf.datasets.recordings import Recordings, RecordingsSettings
from lmvp_tf.presets import highway as presets
from lmvp_tf.settings import setting


@dataclasses.dataclass(frozen=True)
class HighwaySettings(RecordingsSettings):
    """The paper's setting: three grey frames in, three out."""

    num_frames: int = setting(6, positive=True, task=True)
    num_inputs: int = setting(3, positive=True, task=True)
    path: str = setting("data/highway", resumable=True)


class Highway(Recordings):
    """Highway Drive: a data set that data/build_highway.py wrote. See Recordings."""

    title = "Highway Drive"
    Settings = HighwaySettings
    how_to_build = (
        "python data/build_highway.py --input VIDEO... --output {path}"
        " or make data-highway VIDEO=..."
    )
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
