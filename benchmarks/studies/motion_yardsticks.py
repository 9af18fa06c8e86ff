"""Writes motion_yardsticks.csv: Eq. 2 of trained LMVPs on test clips, beside what knows no motion.

    python -m benchmarks.studies.motion_yardsticks [--output=FOLDER] mnist.npz [NAME=]WORKDIR...

The yardsticks are m_t = 0, m_t = -a f_t with the best a, and the best linear 3x3 map of f_t, found
by least squares on training clips. t = 1, whose clip is one frame c times, is left out.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import pathlib

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf import configs, losses
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.models.lmvp import LMVP
from lmvp_tf.training.checkpoint import load_trained

TABLES = pathlib.Path(__file__).parents[2] / "results" / "moving_mnist" / "tuning"
COLUMNS = ("run", "step", "sequences", "eq2", "zeros", "minus_f", "linear_3x3", "eq2_over_linear")
NUM_TRAINING, NUM_TEST, BATCH = 128, 128, 16

Array = npt.NDArray[np.float32]


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--output", type=pathlib.Path, default=TABLES)
    parser.add_argument("mnist")
    parser.add_argument("runs", nargs="+")
    arguments = parser.parse_args()
    with (arguments.output / "motion_yardsticks.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for run in arguments.runs:
            workdir = pathlib.Path(run.rpartition("=")[-1])
            config = configs.load(workdir / "config.json")
            config = configs.replace(config, {"data.path": arguments.mnist})
            model, trained = load_trained(workdir, config)
            videos = open_dataset(config)
            training = itertools.islice(videos.train(1, BATCH), NUM_TRAINING // BATCH)
            linear = _least_squares([_leaked(model, video)[0] for video in training])
            eq2, *yardsticks = _means(model, videos.test(NUM_TEST, BATCH), linear)
            row = [f"{value:.5f}" for value in (eq2, *yardsticks, eq2 / yardsticks[-1])]
            name = run.rpartition("=")[0] or workdir.name
            writer.writerow([name, trained.step, NUM_TEST, *row])
            print(name, trained.step, *row, flush=True)


def _means(model: LMVP, videos: tf.data.Dataset, linear: Array) -> list[float]:
    """Eq. 2 of m_t, of zeros, of -a f_t, and of the linear map."""
    rows, sizes = [], []
    for video in videos:
        features, motions = _leaked(model, video)
        change = np.diff(features, axis=1)
        by_map = _patches(features[:, :-1]) @ linear
        ours, of_map = (float(np.mean((guess - change) ** 2)) for guess in (motions, by_map))
        yardsticks = losses.learner_yardsticks(features).values()
        rows.append([ours, *map(float, yardsticks), of_map])
        sizes.append(len(video))
    return np.average(rows, axis=0, weights=sizes).tolist()


def _leaked(model: LMVP, video: tf.Tensor) -> tuple[Array, Array]:
    """f_2..f_T, [B, T-1, h, w, K], and m_2..m_{T-1}."""
    features = model.leak(model.clips(video))
    guidance, _ = model.guide(features[:, :-1])
    return np.asarray(features)[:, 1:], np.asarray(guidance.motion)[:, 1:]


def _patches(features: Array) -> Array:
    """[B, T, h, w, K] -> [B, T, h, w, 9 K + 1], the 3x3 cells around each, and a one."""
    height, width = features.shape[2:4]
    padded = np.pad(features, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)))
    parts = [padded[:, :, i : i + height, j : j + width] for i in range(3) for j in range(3)]
    return np.concatenate([*parts, np.ones((*features.shape[:-1], 1), np.float32)], axis=-1)


def _least_squares(batches: list[Array]) -> Array:
    """The [9 K + 1, K] map that is closest to f_{t+1} - f_t in the batches together."""
    num_features = batches[0].shape[-1]
    gram = np.zeros((9 * num_features + 1, 9 * num_features + 1))
    right = np.zeros((9 * num_features + 1, num_features))
    for features in batches:
        inputs = _patches(features[:, :-1]).reshape(-1, len(gram)).astype(np.float64)
        targets = np.diff(features, axis=1).reshape(-1, num_features)
        gram += inputs.T @ inputs
        right += inputs.T @ targets
    return np.linalg.solve(gram + 1e-6 * np.eye(len(gram)), right).astype(np.float32)


if __name__ == "__main__":
    main()
