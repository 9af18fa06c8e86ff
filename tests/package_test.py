"""The wheel, installed outside the checkout: the package, its weights and its programs."""

import os
import pathlib
import shutil
import subprocess
import sys
import zipfile

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = (
    "lmvp_tf",
    "results",
    "pyproject.toml",
    "setup.py",
    "MANIFEST.in",
    "README.md",
    "LICENSE",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The path of a wheel that was built from a copy of the checkout."""
    checkout, output = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copyfile
        copy(ROOT / name, checkout / name)
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--wheel-dir", output, checkout)  # fmt: skip
    (path,) = output.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """A folder with the wheel's packages."""
    folder = tmp_path_factory.mktemp("site")
    _run(sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, wheel)
    return folder


def _run(*command, **options):
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _python(installed, *arguments):
    """Runs Python somewhere else, with the installed package."""
    environment = {**os.environ, "PYTHONPATH": str(installed)}
    return _run(sys.executable, *arguments, cwd=installed.parent, env=environment)


@pytest.mark.slow
def test_a_wheel_is_small_and_puts_nothing_else_on_anyones_path(wheel):
    assert wheel.stat().st_size < 12e6
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"lmvp_tf"}
    assert "lmvp_tf/py.typed" in names


@pytest.mark.slow
def test_published_weights_predict_without_the_checkout(installed, tmp_path):
    script = (
        "import sys, numpy as np, lmvp_tf\n"
        "print(lmvp_tf.__file__)\n"
        "for name in ('moving_mnist', 'highway', 'driving'):\n"
        "    predictor = lmvp_tf.load(name)\n"
        "    height, width, channels = predictor.frame_shape\n"
        "    frames = np.zeros((predictor.num_inputs, height, width, channels), np.uint8)\n"
        "    frames[:, 20:40, 20:40] = 255\n"
        "    np.save(f'{sys.argv[1]}/{name}.npy', predictor.predict(frames, horizon=2))\n"
    )
    assert str(installed) in _python(installed, "-c", script, tmp_path)
    shapes = {"moving_mnist": (64, 64, 1), "highway": (64, 64, 1), "driving": (72, 128, 3)}
    for name, shape in shapes.items():
        predicted = np.load(tmp_path / f"{name}.npy")
        assert predicted.shape == (2, *shape)
        assert predicted[:, 25:35, 25:35].mean() > 0.8
        assert predicted[:, :10, :10].mean() < 0.1


@pytest.mark.slow
def test_every_program_is_there(installed):
    for program in ("train", "eval", "export", "predict", "build"):
        script = installed / "bin" / f"lmvp-{program}"
        environment = {**os.environ, "PYTHONPATH": str(installed)}
        for command in ([script], [sys.executable, "-m", "lmvp_tf", program]):
            done = subprocess.run(
                [*command, "--helpshort"], cwd=installed, env=environment, capture_output=True,
                text=True,
            )  # fmt: skip
            assert "flags:" in done.stdout, done.stderr
