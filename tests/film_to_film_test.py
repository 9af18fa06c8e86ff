"""A rectangular film in colour, with known motion, through every program: from film to film."""

import json
import os
import pathlib
import subprocess
import sys

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import pytest
from scipy import ndimage

ROOT = pathlib.Path(__file__).parents[1]
HEIGHT, WIDTH, FRAMES, PAN = (
    54,
    96,
    60,
    3,
)  # the film's; PAN: pixels to the left from frame to frame
SMALL = (18, 32)  # the model's: a size that F cannot halve twice
T0 = 2
SETTINGS = {
    "data.num_frames": 5,
    "data.num_inputs": T0,
    "data.frame_stride": 1,
    "model.feature_widths": "4,4",
    "model.feature_channels": 4,
    "model.classifier_widths": 4,
    "model.motion_units": 4,
    "model.spatial_widths": "4,4",
    "model.temporal_widths": 4,
    "model.filter_widths": 8,
    "model.pixel_widths": 8,
    "training.batch_size": 4,
    "training.one_step_steps": 0,  # each phase takes seconds to be traced
    "training.pretrain_steps": 60,
    "training.max_steps": 62,
    "training.warmup_steps": 5,
    "training.learning_rate": 5e-3,
    "training.rolled": "false",
}


def run(program, *arguments):
    """What a program printed."""
    command = [sys.executable, str(ROOT / program), *map(str, arguments)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def write_film(path):
    """A texture in colour that moves PAN pixels to the left in every frame."""
    noise = np.random.default_rng(0).random((HEIGHT, WIDTH + PAN * FRAMES, 3))
    texture = ndimage.gaussian_filter(noise, (3, 3, 0))
    low, high = texture.min(axis=(0, 1)), texture.max(axis=(0, 1))
    texture = np.uint8(255 * (texture - low) / (high - low))
    writer = imageio_ffmpeg.write_frames(
        str(path), (WIDTH, HEIGHT), fps=25, codec="libx264", quality=9, macro_block_size=1
    )
    writer.send(None)
    for t in range(FRAMES):
        writer.send(np.ascontiguousarray(texture[:, PAN * t : PAN * t + WIDTH]))
    writer.close()


@pytest.mark.slow
def test_a_film_in_colour_goes_through_every_program(tmp_path):
    film, data, workdir = tmp_path / "pan.mp4", tmp_path / "data", tmp_path / "run"
    write_film(film)
    run("data/build_videos.py", "--input", film, f"--output={data}", "--size=18x32", "--color=rgb")

    settings = [f"--set={path}={value}" for path, value in SETTINGS.items()]
    run("run_train.py", "--dataset=video", "--preset=demo", f"--data_path={data}",
        f"--workdir={workdir}", *settings)  # fmt: skip
    config = json.loads((workdir / "config.json").read_text())
    assert (config["data"]["height"], config["data"]["width"]) == SMALL
    assert config["data"]["channels"] == 3
    assert config["model"]["kernel_size"] == 5  # one pixel of 32 for three of 96

    run("run_eval.py", f"--workdir={workdir}")
    metrics = json.loads((workdir / "eval" / "metrics.json").read_text())
    assert metrics["metrics"]["mse"] < 0.8 * metrics["floors"]["last_frame"]["mse"]
    run("run_eval.py", f"--workdirs={workdir}", f"--report={tmp_path / 'report'}")
    assert "Videos: 2 frames in, 3 predicted" in (tmp_path / "report" / "index.html").read_text()

    run("run_export.py", f"--workdir={workdir}", f"--output={tmp_path / 'served'}")
    run("run_export.py", f"--workdir={workdir}", "--format=tflite", "--variants=float32",
        f"--output={tmp_path / 'device'}", "--num_sequences=2")  # fmt: skip

    models = {
        "workdir": workdir,
        "saved_model": tmp_path / "served" / "1",
        "tflite": tmp_path / "device" / "float32.tflite",
    }
    predicted = {}
    for kind, path in models.items():
        output = tmp_path / f"{kind}.npy"
        printed = run("run_predict.py", f"--{kind}={path}", f"--input={film}", f"--output={output}")
        assert "60 frames of 96x54 at 25 fps, RGB; input: frames 58, 59" in printed
        predicted[kind] = np.load(output)
    assert predicted["workdir"].shape == (3, *SMALL, 3)
    for kind in ("saved_model", "tflite"):
        np.testing.assert_allclose(predicted[kind], predicted["workdir"], atol=1e-4)

    run("run_predict.py", f"--workdir={workdir}", f"--input={film}", "--start=-5",
        f"--output={tmp_path / 'out.gif'}")  # fmt: skip
    pictures = iio.imread(tmp_path / "out.gif")
    assert len(pictures) >= 5
    assert np.ptp(pictures[..., 0].astype(int) - pictures[..., 2]) > 50  # in colour
