"""Writes feature_change.csv: how far features move on real clips, and how much of it M knows.

    python -m benchmarks.studies.feature_change [mnist.npz]

Of every published LMVP that feeds motion to G, on the first 32 validation sequences; the digits
as `--data_path` of run_train.py takes them.
"""

import csv
import pathlib
import sys

import numpy as np

from lmvp_tf import configs
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.training.checkpoint import load_trained

RUNS = pathlib.Path(__file__).parents[2] / "results" / "moving_mnist"
TABLES = RUNS / "tuning"
COLUMNS = (
    "run",
    "sequences",
    "mean_square_of_f",
    "mean_square_of_feature_change",
    "eq2",
    "eq2_over_that_of_zeros",
)


def main(mnist_path=""):
    video = None
    with (TABLES / "feature_change.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for folder in sorted(RUNS.glob("lmvp-*")):
            config = configs.load(folder / "config.json")
            if config.model.motion == "none":
                continue
            config = configs.replace(config, {"data.path": mnist_path})
            if video is None:
                video = next(iter(open_dataset(config).validation(32, 32)))
            model, _ = load_trained(folder, config)
            features = np.asarray(model.leak(model.clips(video)))
            motions = np.asarray(model.guide(features[:, :-1])[0].motion)
            change = np.diff(features, axis=1)
            zeros, eq2 = np.mean(change**2), np.mean((motions - change) ** 2)
            row = (np.mean(features**2), zeros, eq2, eq2 / zeros)
            writer.writerow([folder.name, len(video), *(f"{value:.4f}" for value in row)])


if __name__ == "__main__":
    main(*sys.argv[1:])
