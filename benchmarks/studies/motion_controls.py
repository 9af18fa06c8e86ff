"""Writes motion_controls.csv: the arms of the experiment on leaked motion, on all test sequences.

    python -m benchmarks.studies.motion_controls ARM=WORKDIR...

Each run is to be evaluated (run_eval.py). A WORKDIR may be a folder of results/, whose errors by
sequence are not kept: the interval of its mean is left empty then.
"""

from __future__ import annotations

import csv
import pathlib
import sys

import numpy as np

from lmvp_tf.readers import read_json

TABLE = pathlib.Path(__file__).parents[2] / "results" / "moving_mnist/tuning/motion_controls.csv"
COLUMNS = ("arm", "seed", "step", "cpu_seconds", "sequences", "mse_per_frame", "half_interval")
OTHERS = ("bce_per_frame", "ssim_tf", "ssim_skimage")


def main(runs: list[str]) -> None:
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow((*COLUMNS, *OTHERS))
        for arm, _, folder in (run.partition("=") for run in runs):
            row = [arm, *_row(pathlib.Path(folder))]
            writer.writerow(row)
            print(*row)


def _row(folder: pathlib.Path) -> list[object]:
    evaluation = folder / "eval" if (folder / "eval").is_dir() else folder
    found = read_json(evaluation / "metrics.json", dict)
    metrics, values = found["metrics"], []
    errors = evaluation / "per_sequence.npz"
    if errors.exists():  # 95% of the means of as many other sequences
        pixels = metrics["mse_per_frame"] / metrics["mse"]
        mse = pixels * np.load(errors)[f"{found['model']}/mse"].mean(axis=1)
        values = [f"{1.96 * mse.std(ddof=1) / np.sqrt(len(mse)):.2f}"]
    return [
        found["config"]["training"]["seed"],
        found["step"],
        round(found["train_cpu_seconds"]),
        found["num_sequences"],
        f"{metrics['mse_per_frame']:.2f}",
        *(values or [""]),
        *(f"{metrics[name]:.3f}" for name in OTHERS),
    ]


if __name__ == "__main__":
    main(sys.argv[1:])
