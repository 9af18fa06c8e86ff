"""Writes unseen_drives.csv: a model and optical flow on each drive that neither was made for.

    python -m benchmarks.studies.unseen_drives EVALUATION FLOW_EVALUATION

Both are folders of run_eval.py, on the same data. Errors are MSE, over the last frame's where it
says so. The share is that of the windows in which the model's error is the smaller one. The last
row is the mean of the rows above it: each drive counts the same.
"""

from __future__ import annotations

import csv
import pathlib
import sys

import numpy as np
import scipy.stats

from lmvp_tf.readers import read_json

TABLE = pathlib.Path(__file__).parents[2] / "results" / "driving" / "unseen_drives.csv"
COLUMNS = (
    "drive",
    "windows",
    "last_frame",
    "model_ratio",
    "flow_ratio",
    "model_over_flow",
    "share",
)


def main(evaluation: str, flow_evaluation: str) -> None:
    model, flow = (_errors(pathlib.Path(folder)) for folder in (evaluation, flow_evaluation))
    rows = []
    for drive, (errors, last_frame) in model.items():
        flow_errors, _ = flow[drive]
        of_last = last_frame.mean()
        ratios = errors.mean() / of_last, flow_errors.mean() / of_last
        better = (errors < flow_errors).mean()
        rows.append([len(errors), of_last, *ratios, ratios[0] / ratios[1], better])
    values = np.array([row[1:] for row in rows])
    half = scipy.stats.t.ppf(0.975, len(rows) - 1) * scipy.stats.sem(values)
    rows += [[sum(row[0] for row in rows), *values.mean(axis=0)], ["", *half]]
    with TABLE.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        names = [*model, "mean", "half of its 95% interval"]
        for drive, (windows, of_last, *others) in zip(names, rows, strict=True):
            writer.writerow([drive, windows, f"{of_last:.5f}", *(f"{x:.3f}" for x in others)])
    print(TABLE.read_text(), end="")


def _errors(folder: pathlib.Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """{drive: (the model's MSE of each window, the last frame's)}."""
    found = read_json(folder / "metrics.json", dict)
    with np.load(folder / "per_sequence.npz") as values:
        errors, last = (
            values[f"{name}/mse"].mean(axis=1) for name in (found["model"], "last_frame")
        )
    ends = np.cumsum([part["num_sequences"] for part in found["per_clip"].values()])[:-1]
    parts = zip(np.split(errors, ends), np.split(last, ends), strict=True)
    return dict(zip(found["per_clip"], parts, strict=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
