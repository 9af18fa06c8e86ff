"""The command lines as a user types them, wrong input included."""

import json
import pathlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from imageio import v3 as iio

from lmvp_tf import configs
from lmvp_tf.errors import RunError

ROOT = pathlib.Path(__file__).parents[1]
TINY_MODEL = [
    "--set=model.feature_widths=4,4",
    "--set=model.feature_channels=4",
    "--set=model.classifier_widths=4",
    "--set=model.motion_units=4",
    "--set=model.spatial_widths=4,4",
    "--set=model.temporal_widths=4",
    "--set=model.filter_widths=4",
    "--set=model.pixel_widths=4",
    "--set=model.kernel_size=3",
    "--set=training.rolled=false",
]


def run(program, *arguments):
    """Runs a program at the root; returns its exit code and what it printed."""
    command = [sys.executable, str(ROOT / program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stdout, done.stderr


def last_line(text):
    return text.strip().splitlines()[-1]


@pytest.mark.parametrize(
    "program",
    ["run_train.py", "run_eval.py", "run_export.py", "run_predict.py", "data/build_videos.py"],
)
def test_help_explains_every_flag_without_loading_tensorflow(program, monkeypatch):
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    code, output, imported = run(program, "--help")
    assert f"python {program}" in output
    assert "--output:" in output or "--workdir:" in output
    assert code in (0, 1)  # absl's own exit code for --help is 1
    assert "lmvp_tf.commands.cli" in imported
    assert "tensorflow" not in imported.replace("import_tensorflow", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workdri=x"], "Unknown command line flag 'workdri'. Did you mean: workdir"),
        (
            ["--preset=large", "--workdir=x"],
            "--preset must be one of demo, small, small_paper_recipe, small_hour, paper",
        ),
        (["--dataset=kitti"], "value should be one of"),
        ([], "--workdir is missing"),
        (["--workdir=x", "small"], "flags start with --. Received: small"),
        (["--workdir=x", "--set=model.kernel_sise=3"], "did you mean model.kernel_size"),
        (["--workdir=x", "--batch_size=0"], "batch_size must be above 0"),
        (["--workdir=x", "--size=64x"], "--size is HEIGHTxWIDTH in pixels"),
        (["--workdir=x\ny"], "characters that cannot be printed, such as a line break"),
    ],
)
def test_a_wrong_command_ends_with_one_line_and_code_2(tmp_path, arguments, message):
    arguments = [a.replace("--workdir=x", f"--workdir={tmp_path / 'x'}") for a in arguments]
    code, _, errors = run("run_train.py", *arguments)
    assert code == 2
    assert message in last_line(errors)
    assert "Traceback" not in errors
    assert not (tmp_path / "x").exists()


def test_missing_digits_are_named_without_a_stack_trace_unless_asked_for(tmp_path):
    arguments = [f"--workdir={tmp_path / 'run'}", f"--mnist_path={tmp_path / 'none.npz'}"]
    code, _, errors = run("run_train.py", *arguments)
    assert code == 2
    assert "none.npz" in last_line(errors)
    assert "Traceback" not in errors
    code, _, errors = run("run_train.py", *arguments, "--verbosity=1")
    assert "Traceback" in errors


def test_describe_prints_the_config_and_the_parameters_per_network():
    code, output, _ = run(
        "run_train.py", "--preset=demo", "--describe", "--set=model.kernel_size=5", "--size=48"
    )
    described = json.loads(output)
    assert code == 0
    config = configs.from_dict(described["config"])
    assert (config.preset, config.model.kernel_size) == ("demo", 5)
    assert config.data.frame_shape == (48, 48, 1)
    parameters = described["parameters"]
    assert parameters["total"] == sum(parameters[name] for name in "FCMG")


def test_evaluating_a_folder_that_is_no_run(tmp_path):
    code, _, errors = run("run_eval.py", f"--workdir={tmp_path}")
    assert code == 2
    assert "is no workdir of run_train.py" in last_line(errors)


@pytest.mark.slow
def test_train_then_evaluate(tmp_path, digits_file):
    workdir = tmp_path / "run"
    code, output, errors = run(
        "run_train.py",
        "--preset=demo",
        f"--workdir={workdir}",
        f"--mnist_path={digits_file}",
        "--batch_size=2",
        "--max_steps=3",
        "--set=data.size=32",
        "--set=data.num_frames=8",
        "--set=data.num_inputs=4",
        "--set=training.one_step_steps=0",
        "--set=training.pretrain_steps=3",
        "--set=training.validation_sequences=2",
        *TINY_MODEL,
    )
    assert code == 0, errors
    assert f"python run_eval.py --workdir={workdir}" in output
    assert "3/3" in errors  # the progress bar
    code, output, errors = run(
        "run_eval.py", f"--workdir={workdir}", "--num_sequences=5", "--batch_size=4"
    )
    assert code == 0, errors
    table = {line.split()[0]: line for line in output.splitlines() if line.strip()}
    assert {"lmvp", "last_frame", "zeros", "mean_image", "LMVP"} <= set(table)
    document = json.loads((workdir / "eval" / "metrics.json").read_text())
    check_document(document)
    films = iio.imread(workdir / "eval" / "predictions.gif")
    assert len(films) == 8
    for name in ("predictions.png", "per_step.png", "training.png"):
        assert iio.imread(workdir / "eval" / name).std() > 1


def drive(folder, count):
    """Numbered pictures of a texture that moves by two pixels a frame."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (8, 10, 3), np.uint8).repeat(8, axis=0).repeat(8, axis=1)
    folder.mkdir()
    for i in range(count):
        iio.imwrite(folder / f"{i:04}.png", np.roll(texture, 2 * i, axis=1)[:, :64])


@pytest.mark.slow
def test_highway_from_pictures_to_a_table(tmp_path):
    for name, count in {"drive": 60, "other": 12}.items():
        drive(tmp_path / name, count)
    dataset, workdir = tmp_path / "data", tmp_path / "run"
    code, output, errors = run(
        "data/build_highway.py",
        "--input",
        tmp_path / "drive",
        tmp_path / "other",
        f"--output={dataset}",
        "--size=32",
        "--color=rgb",
        "--split=test:drive@40-,other",
        "--validation=0.3",
    )
    assert code == 0, errors
    code, output, errors = run(
        "run_train.py",
        "--dataset=highway",
        "--preset=demo",
        f"--workdir={workdir}",
        f"--highway_path={dataset}",
        "--set=data.channels=3",
        "--set=data.size=32",
        "--max_steps=1",
        "--set=training.one_step_steps=1",
        "--set=training.pretrain_steps=1",
        "--model=last_frame",
    )
    assert code == 0, errors
    assert "18 training windows of 6 frames, 12 test windows" in output
    code, output, errors = run("run_eval.py", f"--workdir={workdir}")
    assert code == 0, errors
    document = json.loads((workdir / "eval" / "metrics.json").read_text())
    assert document["metrics"]["bce"] is None
    assert document["num_sequences"] == 10 + 2
    clips = document["per_clip"]
    assert {name: clip["num_sequences"] for name, clip in clips.items()} == {
        "drive": 10,
        "other": 2,
    }
    mse = [clips[name]["metrics"]["mse"] for name in ("drive", "other")]
    np.testing.assert_allclose(document["metrics"]["mse"], np.average(mse, weights=[10, 2]))
    for row in ("DFN (cited)", "all, last_frame", "drive, last_frame", "other, last_frame"):
        assert row in output
    assert iio.imread(workdir / "eval" / "predictions.png").std() > 1


def test_highway_without_a_dataset_says_what_to_do(tmp_path):
    code, _, errors = run(
        "run_train.py",
        "--dataset=highway",
        f"--workdir={tmp_path / 'run'}",
        f"--highway_path={tmp_path / 'none'}",
    )
    assert code == 2
    assert "python data/build_highway.py --input VIDEO... --output" in last_line(errors)
    assert "make data-highway VIDEO=..." in last_line(errors)


def check_document(document):
    """The keys that other tools read."""
    assert set(document) == {
        "dataset", "model", "preset", "parameters", "step", "sequences_seen",
        "train_seconds", "train_cpu_seconds", "num_inputs", "num_predicted", "num_sequences",
        "data", "data_hash", "overlap", "protocol",
        "metrics", "per_step", "floors", "config",
    }  # fmt: skip
    names = {
        "bce", "bce_per_frame", "mse", "ratio", "mse_per_frame", "mae_per_frame", "psnr",
        "psnr_of_mean_mse",
        "ssim_tf", "ssim_skimage", "ssim_openstl",
    }  # fmt: skip
    assert set(document["metrics"]) == set(document["per_step"]) == names
    assert {len(values) for values in document["per_step"].values()} == {4}
    assert set(document["floors"]) == {"last_frame", "zeros", "mean_image"}
    assert (document["step"], document["sequences_seen"], document["num_sequences"]) == (3, 6, 5)
    assert document["train_seconds"] > 0
    assert document["parameters"]["total"] > 0
    per_step = np.mean(document["per_step"]["mse"])
    np.testing.assert_allclose(document["metrics"]["mse"], per_step, rtol=1e-6)


def test_damage_that_is_found_in_mid_run_is_one_line(load_command):
    cli = load_command("cli")

    def read(number):
        raise RunError(f"train-00000.tfrecord, record {number}: bad CRC of its data")

    batches = tf.data.Dataset.range(3).map(lambda i: tf.numpy_function(read, [i], tf.uint8))
    with pytest.raises(tf.errors.OpError) as caught:
        next(iter(batches))
    line = cli._raised_in_pipeline(caught.value)
    assert line == "train-00000.tfrecord, record 0: bad CRC of its data"
    assert cli._raised_in_pipeline(ValueError("RunError: of no pipeline")) is None
