"""Good films and pictures."""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Callable
from typing import Any

import h5py
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
from fuzz_format import Format
from PIL import Image


def pixels(
    count: int = 8, height: int = 48, width: int = 64, channels: int = 3
) -> npt.NDArray[Any]:
    """A film of a disc that crosses a gradient, uint8 [T, H, W, C]."""
    y, x = np.mgrid[:height, :width]
    frames = []
    for t in range(count):
        disc = (x - 8 - 5 * t) ** 2 + (y - 20) ** 2 < 60
        frames.append(
            np.stack([np.where(disc, 230, (x + 40 * c) % 200) for c in range(channels)], -1)
        )
    return np.array(frames, np.uint8)


def _make_pictures(suffix: str, **options: Any) -> Callable[[pathlib.Path], None]:
    def make(folder: pathlib.Path) -> None:
        for i, frame in enumerate(pixels()):
            Image.fromarray(frame).save(folder / f"{i:03}{suffix}", **options)

    return make


def _make_animation(name: str) -> Callable[[pathlib.Path], None]:
    def make(folder: pathlib.Path) -> None:
        first, *others = map(Image.fromarray, pixels())
        options = {} if name.endswith("tiff") else {"duration": 100}
        first.save(folder / name, save_all=True, append_images=others, **options)

    return make


def make_mp4(path: pathlib.Path, frames: npt.NDArray[Any]) -> None:
    _, height, width, _ = frames.shape
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo"]
    command += ["-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "10", "-i", "-", str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)


def _make_h5(folder: pathlib.Path) -> None:
    with h5py.File(folder / "film.h5", "w") as file:
        file["highway_L"] = pixels().transpose(0, 3, 2, 1)


def _reads_film(name: str) -> Callable[[pathlib.Path], Any]:
    def read(folder: pathlib.Path) -> Any:
        from lmvp_tf.films.find import open_films
        from lmvp_tf.films.options import FrameOptions

        (film,) = open_films([folder / name] if name else [folder])
        options = FrameOptions(32, 32, channels=3)
        return [(frame.number, frame.pixels) for frame in film.frames(options)]

    return read


def _film(
    name: str, make: Callable[[pathlib.Path], None], file: str, folder: bool = False
) -> Format:
    return Format(name, file, make, _reads_film("" if folder else file), plain=True)


FILMS = (
    _film("film .mp4", lambda folder: make_mp4(folder / "film.mp4", pixels()), "film.mp4"),
    _film("film .gif", _make_animation("film.gif"), "film.gif"),
    _film("film .webp", _make_animation("film.webp"), "film.webp"),
    _film("film .apng", _make_animation("film.png"), "film.png"),
    _film("film .tiff", _make_animation("film.tiff"), "film.tiff"),
    _film("film .npy", lambda folder: np.save(folder / "film.npy", pixels()), "film.npy"),
    _film("film .npz", lambda folder: np.savez(folder / "film.npz", pixels()), "film.npz"),
    _film("film .h5", _make_h5, "film.h5"),
    _film("folder of .png", _make_pictures(".png"), "003.png", folder=True),
    _film("folder of .jpg", _make_pictures(".jpg", quality=90), "003.jpg", folder=True),
)
