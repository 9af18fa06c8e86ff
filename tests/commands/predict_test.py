"""run_predict.py as a user types it."""

import pathlib
import subprocess
import sys

import imageio.v3 as imageio
import imageio_ffmpeg
import numpy as np
import pytest
import tensorflow as tf

ROOT = pathlib.Path(__file__).parents[2]
RNG = np.random.default_rng(0)


def run(folder, *arguments):
    """Runs the program in a folder; returns its exit code and what it printed."""
    command = [sys.executable, str(ROOT / "run_predict.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder)
    return done.returncode, done.stdout, done.stderr


def save_model(folder, *frame_shape):
    """A SavedModel that reads three frames and predicts two: the last, at half and at a quarter of
    its brightness.
    """
    spec = tf.TensorSpec((None, 3, *frame_shape), tf.float32, "frames")

    @tf.function(input_signature=[spec], autograph=False)
    def serve(frames):
        return {"predictions": frames[:, -1:] * tf.reshape([0.5, 0.25], (2, 1, 1, 1))}

    tf.saved_model.save(tf.Module(), str(folder), signatures=serve)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--input=film.npy --output=out.gif", "give one of --workdir, --saved_model, --tflite"),
        ("--input=film.npy --output=out.gif --workdir=a --tflite=b", "give one of --workdir"),
        ("--workdir=a --output=out.gif", "--input is missing: A film: a video, animation"),
        ("--workdir=a --input=film.npy", "--output is missing: What to write"),
        ("--workdir=a --input=film.npy --output=out.avi", "out.avi: the output ends in one of .g"),
        ("--workdir=a --input=none.mp4 --output=out.gif", "none.mp4: no such file or folder"),
        ("--workdir=a --input=film.npy --output=./film.npy", "would replace the input"),
        ("--workdir=a --input=film.npy --output=out.gif --fps=5 --stride=2", "exclude each other"),
        ("--workdir=a --input=film.npy --output=out.gif --crop=left", "--crop is centre, none or"),
        ("--workdir=a --input=film.npy --output=.", ".: the output ends in one of .gif, .mp4"),
        (
            "--workdir=a --input=film.npy --output=film.npy/out.gif",
            "film.npy is a file: give a folder",
        ),
        ("--workdir=a --input=film.npy --output=out.gif", "a is no workdir of run_train.py"),
        ("--workdir=film.npy --input=film.npy --output=out.gif", "film.npy"),
        ("--saved_model=film.npy --input=film.npy --output=out.gif", "film.npy is no SavedModel"),
        ("--tflite=none.tflite --input=film.npy --output=out.gif", "none.tflite: no such file"),
        ("--pretrained=mine --input=film.npy --output=out.gif", "--pretrained=mine"),
        ("--workdir=a --input=film.npy --output=out.gif --horizon=0", "--horizon"),
    ],
)
def test_a_wrong_command_ends_with_one_line_and_code_2(tmp_path, arguments, message):
    np.save(tmp_path / "film.npy", RNG.random((4, 16, 16)))
    code, output, errors = run(tmp_path, *arguments.split())
    assert (code, output) == (2, "")
    assert message in errors.strip().splitlines()[-1]
    assert "Traceback" not in errors
    assert [path.name for path in tmp_path.iterdir()] == ["film.npy"]


def test_help_tells_what_is_written_without_loading_tensorflow(tmp_path):
    _, output, errors = run(tmp_path, "--help")
    assert "python run_predict.py --workdir=runs/mm --input=film.mp4 --output=out.gif" in output
    assert "--every" in output
    assert not errors


@pytest.mark.slow
def test_predictions_by_a_saved_model_from_the_command_line(tmp_path):
    save_model(tmp_path / "1", 16, 16, 1)
    frames = RNG.random((7, 16, 20), np.float32)
    np.save(tmp_path / "film.npy", frames)
    arguments = ("--saved_model=1", "--input=film.npy", "--stride=2", "--crop=4,0,16,16")
    code, output, errors = run(tmp_path, *arguments, "--output=out.npy", "--every")
    assert code == 0, errors
    used = frames[[0, 2, 4, 6], :, 4:, None]
    expected = np.stack([[used[end] / 2, used[end] / 4] for end in (2, 3)])
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, atol=3e-3)
    table = [line.split() for line in output.splitlines()]
    score = -10 * np.log10(np.mean(np.square(expected[0, 0] - used[3])))
    assert output.startswith("7 frames of 20x16, grey; read as [T, H, W], float32 in [0, 1]; ")
    assert "; input: frames 0, 2, 4, 6 in 2 windows of 3" in output
    assert abs(float(table[4][1]) - score) < 0.02
    assert table[4][0] == "1"
    assert table[-1] == ["Written", "to", "out.npy"]
    code, output, errors = run(tmp_path, *arguments, "--output=out.gif", "--play_fps=2")
    assert code == 0, errors
    assert "; --start=-4 leaves 1 frame of it" in output
    assert len(imageio.imread(tmp_path / "out.gif", index=None)) == 3 + 2
    assert imageio.immeta(tmp_path / "out.gif", index=0)["duration"] == 500


@pytest.mark.slow
def test_a_wide_film_in_colour(tmp_path):
    """Colours that ffmpeg knows, in fields that a codec keeps apart."""
    save_model(tmp_path / "1", 36, 64, 3)
    ffmpeg = imageio_ffmpeg.get_ffmpeg_exe()
    source = "color=red:size=192x96:rate=10,drawbox=w=96:color=blue:t=fill"
    command = [ffmpeg, "-v", "error", "-f", "lavfi", "-i", source, "-t", "3", "-pix_fmt", "yuv444p"]
    subprocess.run([*command, tmp_path / "film.mp4"], check=True)
    arguments = ("--saved_model=1", "--input=film.mp4", "--output=new/out.npy", "--start=-5")
    code, output, errors = run(tmp_path, *arguments)
    assert code == 0, errors
    lines = output.splitlines()
    assert lines[0] == "30 frames of 192x96 at 10 fps, RGB; input: frames 25, 26, 27"
    assert lines[1].startswith("Of each frame the model sees 171x96 from x = 10, y = 0, as 64x36")
    predicted = np.load(tmp_path / "new" / "out.npy")
    assert predicted.shape == (2, 36, 64, 3)
    np.testing.assert_allclose(predicted[0, 18, [10, 50]], [[0, 0, 0.5], [0.5, 0, 0]], atol=0.02)
    assert lines[-1] == "Written to new/out.npy"
