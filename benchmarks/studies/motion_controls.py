"""Writes motion_controls.csv: the arms of the experiment on leaked motion, on all test sequences.

    python -m benchmarks.studies.motion_controls [--output=FOLDER] ARM=WORKDIR...

Each run is to be evaluated (run_eval.py). In the place of a WORKDIR may stand the folder of one of
its evaluations, or a folder of results/, whose errors by sequence are not kept: the interval of its
mean is left empty then. motion_differences.csv has the difference of MSE per frame of each two arms
that have two seeds or more, with Welch's 95% interval over seeds.
"""

from __future__ import annotations

import argparse
import csv
import itertools
import pathlib

import numpy as np
import scipy.stats

from lmvp_tf.readers import read_json

TABLES = pathlib.Path(__file__).parents[2] / "results" / "moving_mnist" / "tuning"
COLUMNS = ("arm", "seed", "step", "cpu_seconds", "sequences", "mse_per_frame", "half_interval")
DIFFERENCES = ("arm", "minus", "seeds", "mse_per_frame", "low", "high")
OTHERS = ("bce_per_frame", "ssim_tf", "ssim_skimage")


def main() -> None:
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--output", type=pathlib.Path, default=TABLES)
    parser.add_argument("runs", nargs="+")
    arguments = parser.parse_args()
    errors: dict[str, list[float]] = {}
    rows = []
    for arm, _, folder in (run.partition("=") for run in arguments.runs):
        rows.append([arm, *_row(pathlib.Path(folder))])
        errors.setdefault(arm, []).append(float(rows[-1][COLUMNS.index("mse_per_frame")]))
    _write(arguments.output / "motion_controls.csv", (*COLUMNS, *OTHERS), rows)
    _write(arguments.output / "motion_differences.csv", DIFFERENCES, _differences(errors))


def _differences(errors: dict[str, list[float]]) -> list[list[object]]:
    """A row for each two arms of several seeds."""
    several = [(arm, found) for arm, found in errors.items() if len(found) > 1]
    rows = []
    for (first, of_first), (arm, of_arm) in itertools.combinations(several, 2):
        found = scipy.stats.ttest_ind(of_arm, of_first, equal_var=False)
        values = (np.mean(of_arm) - np.mean(of_first), *found.confidence_interval())
        seeds = f"{len(of_arm)} and {len(of_first)}"
        rows.append([arm, first, seeds, *(f"{value:.1f}" for value in values)])
    return rows


def _write(path: pathlib.Path, columns: tuple[str, ...], rows: list[list[object]]) -> None:
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([columns, *rows])
    for row in rows:
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
    main()
