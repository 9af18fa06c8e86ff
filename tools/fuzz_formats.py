"""Every format that any program of this project reads: how to make a good file and how to read it.

A new format, or a reader that has moved, is a line of `FORMATS`.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import pathlib
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import h5py
import imageio_ffmpeg
import numpy as np
import numpy.typing as npt
from PIL import Image

ROOT = pathlib.Path(__file__).resolve().parents[1]
TINY = (
    "data.size=32 data.num_frames=7 data.num_inputs=4 model.clip_length=3 model.kernel_size=3 "
    "model.feature_widths=4,4 model.feature_channels=4 model.classifier_widths=4 "
    "model.motion_units=4 model.spatial_widths=4,4 model.temporal_widths=4 model.filter_widths=8 "
    "model.pixel_widths=8 training.rolled=False training.batch_size=2 training.max_steps=6 "
    "training.log_every=1 training.validate_every=3 training.validation_sequences=2"
)


class Format(NamedTuple):
    """A format.

    Attributes:
      name: what the table calls it.
      file: the file that is damaged, below the format's folder.
      make: writes a good one, and whatever it needs beside it, into a folder.
      read: reads what lies in the folder as a program does, and gives all that came of it.
      kind: "bytes", "json" or "csv": JSON and CSV are also damaged cell by cell.
      plain: whether it has no redundancy: another value there is as good as the right one.
      heavy: whether making it takes more than a moment.
      size: bytes that the file is filled up to with zeros: of a huge one only the head is made.
    """

    name: str
    file: str
    make: Callable[[pathlib.Path], None]
    read: Callable[[pathlib.Path], Any]
    kind: str = "bytes"
    plain: bool = False
    heavy: bool = False
    size: int = 0


def digest(value: Any) -> str:
    """A hash over nested values and arrays."""
    state = hashlib.sha256()

    def add(part: Any) -> None:
        if isinstance(part, np.ndarray):
            state.update(
                f"{part.dtype}{part.shape}".encode() + np.ascontiguousarray(part).tobytes()
            )
        elif isinstance(part, dict):
            add([[str(key), item] for key, item in part.items()])
        elif isinstance(part, list | tuple):
            state.update(b"[%d" % len(part))
            for item in part:
                add(item)
        else:
            state.update(repr(part).encode(errors="replace"))

    add(value)
    return state.hexdigest()


def _pixels(
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


# Configs, workdirs, weights.


def _config() -> Any:
    from lmvp_tf import configs

    return configs.replace(configs.create(), configs.parse_overrides(TINY.split()))


def _make_config(folder: pathlib.Path) -> None:
    from lmvp_tf import configs

    (folder / "config.json").write_text(json.dumps(configs.to_dict(_config()), indent=2))


def _read_config(folder: pathlib.Path) -> Any:
    from lmvp_tf import configs
    from lmvp_tf.training import memory

    config = configs.load(folder / "config.json")
    memory.check(config, training=True)
    return configs.to_dict(config)


def _make_weights(folder: pathlib.Path, hashes: bool = True) -> None:
    from lmvp_tf.training import weights
    from lmvp_tf.training.checkpoint import build_model

    weights.write(build_model(_config()), weights.Trained(3, 2.0, 1.0), folder)
    if not hashes:
        record = json.loads((folder / "trained.json").read_text())
        del record["sha256"]
        (folder / "trained.json").write_text(json.dumps(record))


_models: dict[str, Any] = {}  # built once a process


def _read_weights(folder: pathlib.Path) -> Any:
    from lmvp_tf.training import weights
    from lmvp_tf.training.checkpoint import build_model

    model = _models.setdefault("tiny", None) or build_model(_config())
    _models["tiny"] = model
    trained = weights.read(model, folder)
    return [tuple(trained), [variable.value.numpy() for variable in model.variables]]


def _run(program: str, *options: str) -> None:
    """Runs one of the programs."""
    done = subprocess.run(
        [sys.executable, str(ROOT / program), *options], cwd=ROOT, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{program} {' '.join(options)}: {done.stderr.splitlines()[-1]}")


def _make_workdir(folder: pathlib.Path) -> None:
    """A trained and evaluated run; made once, then copied."""
    shared = folder.parent / ".workdir"
    if not shared.is_dir():
        _make_idx(folder.parent / ".digits")
        digits = f"--mnist_path={folder.parent / '.digits'}"
        sets = [f"--set={text}" for text in TINY.split()]
        _run("run_train.py", f"--workdir={shared}", digits, *sets)
        _run("run_eval.py", f"--workdir={shared}", digits, "--num_sequences=4")
    shutil.copytree(shared, folder, dirs_exist_ok=True)


def _read_evaluation(folder: pathlib.Path) -> Any:
    from lmvp_tf.datasets.registry import dataset_class
    from lmvp_tf.evaluation.compare.runs import candidates, read_runs
    from lmvp_tf.evaluation.options import EvaluationOptions

    options = EvaluationOptions(num_sequences=4)  # what is out of date is made anew
    found = candidates([folder], options)
    setting = found[0].setting
    (run,) = read_runs(found, options, dataset_class(setting.dataset)(setting.data))
    return [run.document, run.values]


def _read_data_json(folder: pathlib.Path) -> Any:
    from lmvp_tf import configs
    from lmvp_tf.datasets.registry import dataset_class
    from lmvp_tf.training import claim

    config = configs.load(folder / "config.json")
    claim.check(config, folder, dataset_class(config.dataset)(config.data))


def _read_checkpoint(folder: pathlib.Path) -> Any:
    from lmvp_tf import configs
    from lmvp_tf.training.checkpoint import load_trained

    model, trained = load_trained(folder, configs.load(folder / "config.json"))
    return [tuple(trained), [variable.value.numpy() for variable in model.variables]]


def _make_log(folder: pathlib.Path) -> None:
    shutil.copy(ROOT / "results/moving_mnist/dfn-small/log.csv", folder)


def _read_log(folder: pathlib.Path) -> Any:
    from lmvp_tf.evaluation import training_log
    from lmvp_tf.training.log import Log

    points = training_log.validation_points(folder / "log.csv")
    columns = training_log.read_columns(folder / "log.csv")
    Log(folder / "log.csv", ["step", "loss"], 10**9)
    return [points, columns, (folder / "log.csv").read_bytes()]


def _make_exports(folder: pathlib.Path) -> None:
    """A SavedModel and a .tflite of one run; made once, then copied."""
    shared = folder.parent / ".exports"
    if not shared.is_dir():
        workdir = folder.parent / "workdir of the exports"
        _make_workdir(workdir)
        digits = f"--mnist_path={folder.parent / '.digits'}"
        options = ["--format=tflite", "--variants=float32", "--num_sequences=2", digits]
        _run("run_export.py", f"--workdir={workdir}", f"--output={shared / 'saved'}")
        _run("run_export.py", f"--workdir={workdir}", f"--output={shared / 'lite'}", *options)
    (version,) = (path.parent for path in shared.glob("saved/**/saved_model.pb"))
    shutil.copytree(version, folder / "saved", dirs_exist_ok=True)
    shutil.copytree(shared / "lite", folder / "lite", dirs_exist_ok=True)
    (lite,) = (folder / "lite").glob("*.tflite")
    lite.rename(folder / "lite" / "model.tflite")


def _reads_export(name: str) -> Callable[[pathlib.Path], Any]:
    def read(folder: pathlib.Path) -> Any:
        import lmvp_tf

        predictor = lmvp_tf.load(folder / name)
        frames = np.random.default_rng(0).random((1, 4, 32, 32, 1), np.float32)
        return np.round(predictor.predict(frames), 5)

    return read


# Data.


def _digits() -> npt.NDArray[np.uint8]:
    values = np.random.default_rng(0).integers(0, 255, (20, 28, 28))
    return (values * (values > 128)).astype(np.uint8)


def _make_npz_digits(folder: pathlib.Path) -> None:
    np.savez_compressed(folder / "mnist.npz", x_train=_digits(), x_test=_digits()[:8])


def _make_idx(folder: pathlib.Path, end: str = "") -> None:
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
    from lmvp_tf.datasets import bouncing_digits

    path = str(folder / "mnist_test_seq.npy")
    return [batch.numpy() for batch in bouncing_digits.official_test_batches(path, 2, 2)]


def _make_dataset(folder: pathlib.Path) -> None:
    film = folder.parent / ".film.mp4"
    _make_mp4(film, _pixels(90, 128, 128))
    _run("data/build_highway.py", "--input", str(film), "--output", str(folder / "data"))


def _read_dataset(folder: pathlib.Path) -> Any:
    from lmvp_tf import configs
    from lmvp_tf.datasets.registry import dataset_class

    values = {"data.path": str(folder / "data"), "data.num_frames": 6, "data.num_inputs": 4}
    config = configs.validate(configs.replace(configs.create("highway"), values))
    videos = dataset_class("highway")(config.data)
    train = next(iter(videos.train(0, 2))).numpy()
    return [videos.fingerprint, train, [batch.numpy() for batch in videos.test(batch_size=16)]]


def _make_state(folder: pathlib.Path) -> None:
    from lmvp_tf.training.checkpoint import TrainState
    from lmvp_tf.training.offline.compiled_step import state_variables

    named = state_variables(TrainState(_config()))
    np.savez(folder / "trained.npz", **{name: value.numpy() for name, value in named.items()})


def _read_state(folder: pathlib.Path) -> Any:
    from lmvp_tf.training.checkpoint import TrainState
    from lmvp_tf.training.offline import compiled_step

    _models["state"] = state = _models.get("state") or TrainState(_config())
    step = compiled_step.fill(state, folder / "trained.npz")
    return [step, [value.numpy() for value in compiled_step.state_variables(state).values()]]


# Films.


def _make_pictures(suffix: str, **options: Any) -> Callable[[pathlib.Path], None]:
    def make(folder: pathlib.Path) -> None:
        for i, frame in enumerate(_pixels()):
            Image.fromarray(frame).save(folder / f"{i:03}{suffix}", **options)

    return make


def _make_animation(name: str) -> Callable[[pathlib.Path], None]:
    def make(folder: pathlib.Path) -> None:
        first, *others = map(Image.fromarray, _pixels())
        options = {} if name.endswith("tiff") else {"duration": 100}
        first.save(folder / name, save_all=True, append_images=others, **options)

    return make


def _make_mp4(path: pathlib.Path, frames: npt.NDArray[Any]) -> None:
    _, height, width, _ = frames.shape
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", "-f", "rawvideo"]
    command += ["-pix_fmt", "rgb24", "-s", f"{width}x{height}", "-r", "10", "-i", "-", str(path)]
    subprocess.run(command, input=frames.tobytes(), check=True)


def _make_h5(folder: pathlib.Path) -> None:
    with h5py.File(folder / "film.h5", "w") as file:
        file["highway_L"] = _pixels().transpose(0, 3, 2, 1)


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


FORMATS = {
    entry.name: entry
    for entry in (
        Format("config.json", "config.json", _make_config, _read_config, "json", plain=True),
        Format("trained.json", "trained.json", _make_weights, _read_weights, "json", plain=True),
        Format("weights.h5", "M.weights.h5", _make_weights, _read_weights),
        Format(
            "weights.h5 without hash",
            "M.weights.h5",
            lambda folder: _make_weights(folder, False),
            _read_weights,
            plain=True,
        ),
        Format("log.csv", "log.csv", _make_log, _read_log, "csv", plain=True),
        Format(
            "data.json", "data.json", _make_workdir, _read_data_json, "json", plain=True, heavy=True
        ),
        Format(
            "metrics.json",
            "eval/metrics.json",
            _make_workdir,
            _read_evaluation,
            "json",
            plain=True,
            heavy=True,
        ),
        Format(
            "per_sequence.npz", "eval/per_sequence.npz", _make_workdir, _read_evaluation, heavy=True
        ),
        Format(
            "checkpoint list", "checkpoints/checkpoint", _make_workdir, _read_checkpoint, heavy=True
        ),
        Format(
            "checkpoint index",
            "checkpoints/ckpt-6.index",
            _make_workdir,
            _read_checkpoint,
            heavy=True,
        ),
        Format(
            "checkpoint data",
            "checkpoints/ckpt-6.data-00000-of-00001",
            _make_workdir,
            _read_checkpoint,
            heavy=True,
        ),
        Format(
            "SavedModel", "saved/saved_model.pb", _make_exports, _reads_export("saved"), heavy=True
        ),
        Format(
            "SavedModel weights",
            "saved/variables/variables.data-00000-of-00001",
            _make_exports,
            _reads_export("saved"),
            heavy=True,
        ),
        Format(
            "export.json",
            "saved/assets.extra/export.json",
            _make_exports,
            _reads_export("saved"),
            "json",
            plain=True,
            heavy=True,
        ),
        Format(
            ".tflite",
            "lite/model.tflite",
            _make_exports,
            _reads_export("lite/model.tflite"),
            heavy=True,
        ),
        Format("mnist.npz", "mnist.npz", _make_npz_digits, _reads_digits("mnist.npz")),
        Format("idx", "train-images-idx3-ubyte", _make_idx, _reads_digits(""), plain=True),
        Format(
            "idx.gz",
            "train-images-idx3-ubyte.gz",
            lambda folder: _make_idx(folder, ".gz"),
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
            "dataset.json", "data/dataset.json", _make_dataset, _read_dataset, "json", plain=True
        ),
        Format("shard", "data/test-*.tfrecord", _make_dataset, _read_dataset),
        Format("state .npz", "trained.npz", _make_state, _read_state),
        _film("film .mp4", lambda folder: _make_mp4(folder / "film.mp4", _pixels()), "film.mp4"),
        _film("film .gif", _make_animation("film.gif"), "film.gif"),
        _film("film .webp", _make_animation("film.webp"), "film.webp"),
        _film("film .tiff", _make_animation("film.tiff"), "film.tiff"),
        _film("film .npy", lambda folder: np.save(folder / "film.npy", _pixels()), "film.npy"),
        _film("film .npz", lambda folder: np.savez(folder / "film.npz", _pixels()), "film.npz"),
        _film("film .h5", _make_h5, "film.h5"),
        _film("folder of .png", _make_pictures(".png"), "003.png", folder=True),
        _film("folder of .jpg", _make_pictures(".jpg", quality=90), "003.jpg", folder=True),
    )
}
