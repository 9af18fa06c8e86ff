"""Runs the model and the floors over the same test sequences and writes what came out."""

import csv
import io
import pathlib

import numpy as np
import tensorflow as tf

from lmvp_tf.errors import RunError, UserError
from lmvp_tf.files import atomic_path, write_json, write_text
from lmvp_tf.metrics import METRICS, PROTOCOL, MetricAccumulator

FLOORS = ("last_frame", "zeros", "mean_image")


def last_frame(inputs, num_predicted):
    """Repeats the last input frame: [B, T0, H, W, C] -> [B, S, H, W, C]."""
    return tf.repeat(inputs[:, -1:], num_predicted, axis=1)


def zeros(inputs, num_predicted):
    """Predicts black frames: [B, T0, H, W, C] -> [B, S, H, W, C]."""
    return tf.zeros_like(last_frame(inputs, num_predicted))


def floors(mean_image):
    """Returns the predictors that have learned nothing, each (inputs, S) -> [B, S, H, W, C].

    A model is worth its name only where it beats all of them.

    Args:
      mean_image: [H, W, C] in [0, 1], the mean frame of the training data.
    """

    def predict_mean_image(inputs, num_predicted):
        return tf.zeros_like(last_frame(inputs, num_predicted)) + mean_image

    return {"last_frame": last_frame, "zeros": zeros, "mean_image": predict_mean_image}


def mean_training_image(batches, num_batches):
    """Averages the frames of a training stream.

    Args:
      batches: iterable of [B, T, H, W, C] in [0, 1].
      num_batches: how many of them to draw.

    Returns:
      [H, W, C] float32 NumPy array.

    Raises:
      UserError: the stream has no batch.
    """
    total, count = 0.0, 0
    for _, batch in zip(range(num_batches), batches, strict=False):
        frames = np.asarray(batch)
        total = total + frames.sum(axis=(0, 1), dtype=np.float64)
        count += frames.shape[0] * frames.shape[1]
    if not count:
        raise UserError("the training stream is empty: there is no mean image to compare with")
    return (total / count).astype(np.float32)


def evaluate(systems, batches, num_inputs, with_bce=True, progress=None):
    """Measures every system on the same sequences, streaming: no prediction outlives its batch.

    A batch smaller than the first is filled up with copies of its first sequence, whose predictions
    are dropped, so that no system is traced again for the rest of a test set.

    Args:
      systems: {name: callable(inputs [B, T0, H, W, C], S) -> prediction [B, S, H, W, C]}, the
        models and the floors.
      batches: iterable of sequences [B, T, H, W, C] float32 in [0, 1].
      num_inputs: T0, the frames that a system sees; it predicts the other S = T - T0.
      with_bce: False where pixels are not probabilities.
      progress: called with the number of sequences done, after each batch.

    Returns:
      {name: MetricAccumulator}, in the order of `systems`.

    Raises:
      UserError: there is no sequence, or none of its frames is left to predict.
      RunError: a prediction has a wrong shape or a value that is not finite.
    """
    accumulators = {name: MetricAccumulator(with_bce) for name in systems}
    batch_size, done = None, 0
    for batch in batches:
        batch = tf.convert_to_tensor(batch, tf.float32)
        size, length = batch.shape[:2]
        if length <= num_inputs:
            raise UserError(
                f"{num_inputs} input frames leave nothing to predict in sequences of {length} "
                "frames: lower the number of input frames"
            )
        batch_size = batch_size or size
        inputs = _fill_up(batch[:, :num_inputs], batch_size)
        truth = batch[:, num_inputs:]
        for name, system in systems.items():
            prediction = system(inputs, length - num_inputs)[:size]
            accumulators[name].update(truth, checked_prediction(name, prediction, truth))
        done += size
        if progress:
            progress(done)
    if not done:
        raise UserError("the test set has no sequence: give at least one")
    return accumulators


def checked_prediction(name, prediction, truth):
    """Returns the prediction clipped to [0, 1], as float32.

    Raises:
      RunError: its shape is not `truth`'s, or a value is not finite; the message names the system.
    """
    prediction = tf.cast(prediction, tf.float32)
    if prediction.shape != truth.shape:
        raise RunError(
            f"{name} predicted frames of shape {tuple(prediction.shape)}, "
            f"expected {tuple(truth.shape)}"
        )
    if not tf.reduce_all(tf.math.is_finite(prediction)):
        raise RunError(f"{name} predicted values that are not finite: its weights have diverged")
    return tf.clip_by_value(prediction, 0.0, 1.0)


def _fill_up(inputs, batch_size):
    missing = batch_size - inputs.shape[0]
    if missing <= 0:
        return inputs
    return tf.concat([inputs, tf.repeat(inputs[:1], missing, axis=0)], axis=0)


def metrics_json(
    accumulators,
    *,
    dataset,
    model,
    preset,
    parameters,
    trained,
    sequences_seen,
    data_hash,
    config,
    clips=None,
    overlap=1,
):
    """Builds the document that other tools read as eval/metrics.json; its keys are fixed.

    Args:
      accumulators: what `evaluate` returned: `model` and the `FLOORS`.
      dataset: the data's name.
      model: the model's name, a key of `accumulators`.
      preset: the name of the configuration.
      parameters: {"total": number, network: number, ...} of trainable parameters.
      trained: how long the model was, a `lmvp_tf.training.weights.Trained`.
      sequences_seen: training sequences drawn until then.
      data_hash: hex digest of the test sequences.
      config: the resolved configuration, as JSON values.
      clips: the clip that each sequence is from, in order, or None.
      overlap: how many neighbouring sequences share frames.

    Returns:
      A dict of JSON values. `metrics` holds the model's means, `per_step` the same names as lists
      over predicted steps; `floors[name]` holds a floor's means under the same names, and its lists
      under `per_step`. With clips, `per_clip[clip]` holds `num_sequences`, `metrics`, `per_step`
      and `floors` of each.
    """
    document = {
        "dataset": dataset,
        "model": model,
        "preset": preset,
        "parameters": parameters,
        "step": trained.step,
        "sequences_seen": sequences_seen,
        "train_seconds": trained.seconds,
        "train_cpu_seconds": trained.cpu_seconds,
        "num_sequences": len(accumulators[model].values()["mse"]),
        "data_hash": data_hash,
        "overlap": overlap,
        "protocol": PROTOCOL,
        **_results(accumulators, model, slice(None)),
        "config": config,
    }
    if clips:
        names = np.array(clips)
        document["per_clip"] = {
            clip: {
                "num_sequences": int(np.sum(names == clip)),
                **_results(accumulators, model, names == clip),
            }
            for clip in dict.fromkeys(clips)
        }
    return document


def _results(accumulators, model, sequences):
    """The model's and the floors' figures over some of the sequences."""
    results = {name: accumulators[name].result(sequences) for name in (model, *FLOORS)}
    return {
        **results[model],
        "floors": {
            name: {**results[name]["metrics"], "per_step": results[name]["per_step"]}
            for name in FLOORS
        },
    }


def write_results(directory, document, accumulators):
    """Writes metrics.json, per_step.csv and per_sequence.npz into `directory`.

    per_step.csv has a row for every system and predicted step (from 1). per_sequence.npz holds, as
    `system/metric`, [N, S] float32 of every sequence and step, for statistics across runs.

    Args:
      directory: the folder, made when it is missing.
      document: what `metrics_json` returned.
      accumulators: what `evaluate` returned.

    Raises:
      RunError: a file cannot be written.
    """
    directory = pathlib.Path(directory)
    write_json(directory / "metrics.json", document)
    write_text(directory / "per_step.csv", _per_step_csv(accumulators))
    arrays = {
        f"{name}/{metric}": values
        for name, accumulator in accumulators.items()
        for metric, values in accumulator.values().items()
    }
    with atomic_path(directory / "per_sequence.npz") as path:
        np.savez_compressed(path, **arrays)


def _per_step_csv(accumulators):
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["system", "step", *METRICS])
    for name, accumulator in accumulators.items():
        per_step = accumulator.result()["per_step"]
        columns = [per_step[metric] or [""] * len(per_step["mse"]) for metric in METRICS]
        for step, row in enumerate(zip(*columns, strict=True), start=1):
            writer.writerow([name, step, *row])
    return text.getvalue()
