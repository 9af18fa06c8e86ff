"""Adds runs to seeds_and_strides.csv: training, validation and test windows, all seen alike.

    python -m benchmarks.studies.seeds_and_strides NAME=WORKDIR...

with the dataset in data/highway. A WORKDIR may be a folder of results/; a NAME that the file has
already is written anew. Every fifth training window (whole frames, every second of the drive),
every validation and every test window; ratio is the MSE over the last frame's.
"""

import csv
import pathlib
import sys

import numpy as np

from lmvp_tf import configs
from lmvp_tf.datasets import augmentation
from lmvp_tf.datasets.highway import HighwaySettings
from lmvp_tf.datasets.records import reader
from lmvp_tf.training.checkpoint import load_trained

TABLES = pathlib.Path(__file__).parents[2] / "results" / "highway" / "tuning"
STEP = {"train": 5, "validation": 1, "test": 1}


def main(runs):
    dataset, path = None, TABLES / "seeds_and_strides.csv"
    with path.open(newline="") as file:
        rows = {row["run"]: row for row in csv.DictReader(file)}
    for name, _, folder in (run.rpartition("=") for run in runs):
        config = configs.load(pathlib.Path(folder) / "config.json")
        dataset = dataset or reader.open_records(HighwaySettings().path)
        model, trained = load_trained(pathlib.Path(folder), config)
        row = {"run": name, "step": trained.step, "cpu_seconds": round(trained.cpu_seconds)}
        for split, step in STEP.items():
            row |= _ratios(model, config.data, dataset, split, step)
        rows[name] = row
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, row, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())


def _ratios(model, data, dataset, split, step):
    """By clip: the MSE of every `step`-th window, and its ratio to the last frame's."""
    stride = {"frame_stride": data.frame_stride}
    index = reader.window_index(dataset, split, data.num_frames, step, **stride)
    names = [recording.name for recording in dataset.index.recordings]
    clips = np.array(names)[index.recordings()]
    windows = reader.windows(dataset, split, data.num_frames, 16, stride=step, **stride)
    errors = np.concatenate([_errors(model, data, batch) for batch in windows])
    row = {}
    for clip in dict.fromkeys(clips):
        mse, last = errors[clips == clip].mean(axis=0)
        row |= {f"{split}/{clip}/mse": f"{mse:.6f}", f"{split}/{clip}/ratio": f"{mse / last:.3f}"}
    return row


def _errors(model, data, batch):
    """Squared error of the model and of the last frame, means over each window, [B, 2]."""
    video = augmentation.fit(batch, data.height, data.width).numpy()
    inputs, truth = np.split(video, [data.num_inputs], axis=1)
    predicted = np.asarray(model(inputs, num_predicted=truth.shape[1]))
    systems = (predicted, inputs[:, -1:])
    return np.stack([((system - truth) ** 2).mean((1, 2, 3, 4)) for system in systems], axis=-1)


if __name__ == "__main__":
    main(sys.argv[1:])
