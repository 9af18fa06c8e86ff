"""Good files of data: digits, data sets that were built."""

from __future__ import annotations

import gzip
import io
import pathlib
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from fuzz_films import make_mp4, pixels
from fuzz_format import Format, run_program


def _digits() -> npt.NDArray[np.uint8]:
    values = np.random.default_rng(0).integers(0, 255, (20, 28, 28))
    return (values * (values > 128)).astype(np.uint8)


def _make_npz_digits(folder: pathlib.Path) -> None:
    np.savez_compressed(folder / "mnist.npz", x_train=_digits(), x_test=_digits()[:8])


def make_idx(folder: pathlib.Path, end: str = "") -> None:
    folder.mkdir(exist_ok=True)
    for name, images in (("train", _digits()), ("t10k", _digits()[:8])):
        content = struct.pack(">4I", 0x803, *images.shape) + images.tobytes()
        content = gzip.compress(content) if end else content
        (folder / f"{name}-images-idx3-ubyte{end}").write_bytes(content)


def _reads_digits(name: str) -> Callable[[pathlib.Path], Any]:
    def read(folder: pathlib.Path) -> Any:
        from lmvp_tf.datasets import mnist

        found = mnist.load_digits(str(folder / name))
        return [found.train, found.test]

    return read


def _make_official(folder: pathlib.Path) -> None:
    header = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (20, 10000, 64, 64)}
    np.lib.format.write_array_header_1_0(header, shape)
    (folder / "mnist_test_seq.npy").write_bytes(header.getvalue())


def _read_official(folder: pathlib.Path) -> Any:
    from lmvp_tf.datasets import moving_mnist_test_set

    path = str(folder / "mnist_test_seq.npy")
    return [batch.numpy() for batch in moving_mnist_test_set.official(path, 2, 2)]


def _make_dataset(folder: pathlib.Path) -> None:
    film = folder.parent / ".film.mp4"
    make_mp4(film, pixels(90, 128, 128))
    run_program("data/build_highway.py", "--input", str(film), "--output", str(folder / "data"))


def _read_dataset(folder: pathlib.Path) -> Any:
    from lmvp_tf import configs
    from lmvp_tf.datasets.registry import dataset_class

    values = {"data.path": str(folder / "data"), "data.num_frames": 6, "data.num_inputs": 4}
    config = configs.validate(configs.replace(configs.create("highway"), values))
    videos = dataset_class("highway")(config.data)
    train = next(iter(videos.train(0, 2))).numpy()
    return [videos.fingerprint, train, [batch.numpy() for batch in videos.test(batch_size=16)]]


DATA = (
    Format("mnist.npz", "mnist.npz", _make_npz_digits, _reads_digits("mnist.npz")),
    Format("idx", "train-images-idx3-ubyte", make_idx, _reads_digits(""), plain=True),
    Format(
        "idx.gz",
        "train-images-idx3-ubyte.gz",
        lambda folder: make_idx(folder, ".gz"),
        _reads_digits(""),
    ),
    Format(
        "mnist_test_seq.npy",
        "mnist_test_seq.npy",
        _make_official,
        _read_official,
        plain=True,
        size=20 * 10000 * 64 * 64 + 128,
    ),
    Format(
        "dataset.json",
        "data/dataset.json",
        _make_dataset,
        _read_dataset,
        "json",
        plain=True,
        heavy=True,
    ),
    Format("shard", "data/test-*.tfrecord", _make_dataset, _read_dataset, heavy=True),
)
