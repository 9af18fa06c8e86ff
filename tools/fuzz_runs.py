"""Good files of runs: configs, weights, logs, checkpoints, evaluations, exports."""

from __future__ import annotations

import json
import pathlib
import shutil
from collections.abc import Callable
from typing import Any

import numpy as np
from fuzz_data import make_idx
from fuzz_format import ROOT, Format, Make, Read, run_program

TINY = (
    "data.size=32 data.num_frames=7 data.num_inputs=4 model.clip_length=3 model.kernel_size=3 "
    "model.feature_widths=4,4 model.feature_channels=4 model.classifier_widths=4 "
    "model.motion_units=4 model.spatial_widths=4,4 model.temporal_widths=4 model.filter_widths=8 "
    "model.pixel_widths=8 training.rolled=False training.batch_size=2 training.max_steps=6 "
    "training.log_every=1 training.validate_every=3 training.validation_sequences=2"
)


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


def _make_workdir(folder: pathlib.Path) -> None:
    """A trained and evaluated run; made once, then copied."""
    shared = folder.parent / ".workdir"
    if not shared.is_dir():
        make_idx(folder.parent / ".digits")
        digits = f"--mnist_path={folder.parent / '.digits'}"
        sets = [f"--set={text}" for text in TINY.split()]
        run_program("run_train.py", f"--workdir={shared}", digits, *sets)
        run_program("run_eval.py", f"--workdir={shared}", digits, "--num_sequences=4")
    shutil.copytree(shared, folder, dirs_exist_ok=True)


def _make_workdir_without_hashes(folder: pathlib.Path) -> None:
    _make_workdir(folder)
    (folder / "eval" / "sha256.json").unlink()


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
        run_program("run_export.py", f"--workdir={workdir}", f"--output={shared / 'saved'}")
        run_program(
            "run_export.py", f"--workdir={workdir}", f"--output={shared / 'lite'}", *options
        )
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


def _make_answer(folder: pathlib.Path) -> None:
    frames = np.round(np.random.default_rng(0).random((2, 3, 4, 4, 1)), 3)
    (folder / "answer.json").write_text(json.dumps({"predictions": frames.tolist()}))


def _read_answer(folder: pathlib.Path) -> Any:
    """What the client makes of an answer, as if it had come."""
    from lmvp_tf import serving

    with serving.Client("http://nowhere", timeout=1) as client:
        content = (folder / "answer.json").read_bytes()
        client._transport._content = lambda *_: (200, content)
        return client.predict(np.zeros((2, 4, 4, 4, 1), np.float32))


def _json(name: str, file: str, make: Make, read: Read, heavy: bool = False) -> Format:
    """One whose numbers anybody may edit."""
    return Format(name, file, make, read, "json", plain=True, heavy=heavy)


def _of_workdir(name: str, file: str, read: Read, kind: str = "bytes") -> Format:
    return Format(name, file, _make_workdir, read, kind, heavy=True)


def _of_export(name: str, file: str, kind: str = "bytes") -> Format:
    read = _reads_export("lite/model.tflite" if file.startswith("lite") else "saved")
    return Format(name, file, _make_exports, read, kind, heavy=True)


RUNS = (
    _json("config.json", "config.json", _make_config, _read_config),
    _json("trained.json", "trained.json", _make_weights, _read_weights),
    Format("weights.h5", "M.weights.h5", _make_weights, _read_weights),
    Format(
        "weights.h5 without hash",
        "M.weights.h5",
        lambda folder: _make_weights(folder, hashes=False),
        _read_weights,
        plain=True,
    ),
    Format("log.csv", "log.csv", _make_log, _read_log, "csv", plain=True),
    _json("data.json", "data.json", _make_workdir, _read_data_json, heavy=True),
    _of_workdir("metrics.json", "eval/metrics.json", _read_evaluation, "json"),
    _of_workdir("per_sequence.npz", "eval/per_sequence.npz", _read_evaluation),
    _of_workdir("sha256.json", "eval/sha256.json", _read_evaluation, "json"),
    _json(
        "metrics.json without hash",
        "eval/metrics.json",
        _make_workdir_without_hashes,
        _read_evaluation,
        heavy=True,
    ),
    Format(
        "per_sequence.npz without hash",
        "eval/per_sequence.npz",
        _make_workdir_without_hashes,
        _read_evaluation,
        plain=True,
        heavy=True,
    ),
    _of_workdir("checkpoint list", "checkpoints/checkpoint", _read_checkpoint),
    _of_workdir("checkpoint record", "checkpoints/ckpt-6.json", _read_checkpoint, "json"),
    _of_workdir("checkpoint index", "checkpoints/ckpt-6.index", _read_checkpoint),
    _of_workdir("checkpoint data", "checkpoints/ckpt-6.data-00000-of-00001", _read_checkpoint),
    _of_export("SavedModel", "saved/saved_model.pb"),
    _of_export("SavedModel weights", "saved/variables/variables.data-00000-of-00001"),
    _of_export("SavedModel sha256.json", "saved/sha256.json", "json"),
    _of_export("export.json", "saved/assets.extra/export.json", "json"),
    _of_export(".tflite", "lite/model.tflite"),
    Format("state .npz", "trained.npz", _make_state, _read_state),
    Format("answer of a server", "answer.json", _make_answer, _read_answer, "json", plain=True),
)
