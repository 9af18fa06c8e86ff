"""run_predict.py as a user types it."""

import pathlib
import subprocess
import sys

import imageio.v3 as imageio
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver

from lmvp_tf import configs
from lmvp_tf.datasets.video_sources import FrameOptions
from lmvp_tf.prediction.predictor import Predictor

ROOT = pathlib.Path(__file__).parents[1]
RNG = np.random.default_rng(0)


@pytest.fixture(name="program", scope="module")
def _program(load_script):
    return load_script(ROOT / "run_predict.py")


def run(folder, *arguments):
    """Runs the program in a folder; returns its exit code and what it printed."""
    command = [sys.executable, str(ROOT / "run_predict.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    return done.returncode, done.stdout, done.stderr


class Halve(tf.Module):
    """Predicts two frames, the last one at half and at a quarter of its brightness."""

    @tf.function(input_signature=[tf.TensorSpec((None, 3, 16, 16, 1), tf.float32, "frames")])
    def serve(self, frames):
        return {"predictions": frames[:, -1:] * tf.reshape([0.5, 0.25], (2, 1, 1, 1))}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--input=clip.npy --output=out.gif", "give one of --workdir, --saved_model, --tflite"),
        ("--input=clip.npy --output=out.gif --workdir=a --tflite=b", "give one of --workdir"),
        ("--workdir=a --output=out.gif", "--input is missing: A video, GIF, folder"),
        ("--workdir=a --input=clip.npy", "--output is missing: What to write"),
        ("--workdir=a --input=clip.npy --output=out.avi", "out.avi: the output ends in one of .g"),
        ("--workdir=a --input=none.mp4 --output=out.gif", "none.mp4: no such file or folder"),
        ("--workdir=a --input=clip.npy --output=./clip.npy", "would replace the input"),
        ("--workdir=a --input=clip.npy --output=out.gif --fps=5 --stride=2", "exclude each other"),
        ("--workdir=a --input=clip.npy --output=out.gif --crop=left", "--crop is centre, none or"),
        ("--workdir=a --input=clip.npy --output=out.gif", "a is no workdir of run_train.py"),
        ("--workdir=a --input=clip.npy --output=out.gif --horizon=0", "--horizon"),
    ],
)
def test_a_wrong_command_ends_with_one_line_and_code_2(tmp_path, arguments, message):
    np.save(tmp_path / "clip.npy", RNG.random((4, 16, 16)))
    code, output, errors = run(tmp_path, *arguments.split())
    assert (code, output) == (2, "")
    assert message in errors.strip().splitlines()[-1]
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["clip.npy"]


def test_help_tells_what_is_written_without_loading_tensorflow(tmp_path):
    _, output, errors = run(tmp_path, "--help")
    assert "python run_predict.py --workdir=runs/mm --input=clip.mp4 --output=out.gif" in output
    assert "--every" in output
    assert not errors


@pytest.mark.parametrize(
    ("arguments", "trained_on", "expected"),
    [([], 2, 2), (["--stride=3"], 2, 3), ([], None, 1), (["--stride=3"], None, 3)],
)
def test_frames_are_as_far_apart_as_those_of_the_training(program, arguments, trained_on, expected):
    config = trained_on and configs.replace(configs.create(), {"data.frame_stride": trained_on})
    predictor = Predictor(None, (3, 16, 16, 1), 2, config=config)
    with flagsaver.flagsaver():
        flags.FLAGS(["run_predict.py", *arguments])
        options = program.suited(FrameOptions(), predictor)
    assert (options.stride, options.size, options.channels) == (expected, 16, 1)


@pytest.mark.slow
def test_predictions_by_a_saved_model_from_the_command_line(tmp_path):
    tf.saved_model.save(Halve(), str(tmp_path / "1"), signatures=Halve().serve)
    frames = RNG.random((7, 16, 20), np.float32)
    np.save(tmp_path / "clip.npy", frames)
    arguments = ("--saved_model=1", "--input=clip.npy", "--stride=2", "--crop=4,0,16,16")
    code, output, errors = run(tmp_path, *arguments, "--output=out.npy", "--every")
    assert code == 0, errors
    used = frames[[0, 2, 4, 6], :, 4:, None]
    expected = np.stack([[used[end] / 2, used[end] / 4] for end in (2, 3)])
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=3e-3)
    table = [line.split() for line in output.splitlines()]
    score = -10 * np.log10(np.mean(np.square(expected[0, 0] - used[3])))
    assert table[2][0] == "1"
    assert abs(float(table[2][1]) - score) < 0.02
    assert table[-1] == ["Written", "to", "out.npy"]
    code, output, errors = run(tmp_path, *arguments, "--output=out.gif", "--play_fps=2")
    assert code == 0, errors
    assert "; --start=-4 leaves 1 frame of it" in output
    assert len(imageio.imread(tmp_path / "out.gif", index=None)) == 3 + 2
    assert imageio.immeta(tmp_path / "out.gif", index=0)["duration"] == 500
