"""Writes oracle_flow.csv: the published LMVP beside an optical flow that was shown the truth.

    python -m benchmarks.studies.oracle_flow      with the dataset in data/highway

The flow (TV-L1) leads from each true frame back to the last input frame, which is warped by it: it
knows where everything goes, and nothing of light or of what was hidden. The test windows are
project_video's, of which the first 50 see a bridge and its shadows, and solid_white_right's.
"""

import csv
import pathlib

import numpy as np
from skimage.registration import optical_flow_tvl1
from skimage.transform import warp

from lmvp_tf import configs
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.training.checkpoint import load_trained

RUNS = pathlib.Path(__file__).parents[2] / "results" / "highway"
TABLES = RUNS / "tuning"
BRIDGE = 50  # windows of project_video
COLUMNS = (
    "windows",
    "predicted_frame",
    "mse_last_frame",
    "mse_lmvp",
    "mse_flow_that_saw_the_truth",
    "ratio_lmvp",
    "ratio_flow_that_saw_the_truth",
)


def main():
    folder = RUNS / "lmvp-small"
    config = configs.load(folder / "config.json")
    videos = open_dataset(config)
    model, _ = load_trained(folder, config)
    errors = np.concatenate([_errors(model, batch) for batch in videos.test(batch_size=16)])
    drive = videos.test_recordings.count(videos.test_recordings[0])
    groups = {
        f"project_video, first {BRIDGE} windows": slice(BRIDGE),
        f"project_video, the other {drive - BRIDGE}": slice(BRIDGE, drive),
        "project_video": slice(drive),
        "solid_white_right": slice(drive, None),
    }
    with (TABLES / "oracle_flow.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for name, windows in groups.items():
            steps = errors[windows].mean(axis=0)
            for step, row in zip((1, 2, 3, "all"), [*steps, steps.mean(axis=0)], strict=True):
                ratios = [f"{row[1] / row[0]:.3f}", f"{row[2] / row[0]:.3f}"]
                writer.writerow([name, step, *(f"{value:.6f}" for value in row), *ratios])


def _errors(model, video):
    """MSE of the last frame, of the model and of the flow, [B, S, 3], of grey [B, T, H, W, 1]."""
    inputs, truth = np.split(video.numpy()[..., 0], 2, axis=1)  # three frames each
    predicted = np.asarray(model(inputs[..., None], num_predicted=truth.shape[1]))[..., 0]
    last = np.broadcast_to(inputs[:, -1:], truth.shape)
    warped = np.vectorize(_warped, signature="(h,w),(h,w)->(h,w)")(last, truth)
    systems = (last, np.clip(predicted, 0, 1), warped)
    return np.stack([((system - truth) ** 2).mean((2, 3)) for system in systems], axis=-1)


def _warped(last, truth):
    """The last frame, [H, W], warped by the flow that leads back to it from the truth."""
    flow = optical_flow_tvl1(truth, last, attachment=60)
    places = np.indices(last.shape) + flow
    return np.clip(warp(last, places, mode="edge", order=3), 0, 1)


if __name__ == "__main__":
    main()
