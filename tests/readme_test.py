"""Every command of the documentation runs, page after page, as somebody would paste it.

Sizes are small here: SMALL says what is typed in place of what a page says. A command that is not
run is in NOT_RUN, with the reason; one that neither runs nor is named there is an error.
"""

import importlib.util
import pathlib
import re
import shlex
import shutil
import subprocess

import imageio_ffmpeg
import numpy as np
import pytest
import tensorflow as tf
from absl import flags

from lmvp_tf.evaluation.draw import curves
from tests.pages import COMMANDS, PAGES, PROGRAMS, ROOT

NOT_RUN = {
    r"python3? -m venv|pip install|\. \S+/activate": "package_test installs what is built",
    r"tensorboard --logdir|make web-serve|-m lmvp_tf data_service": "ends with Ctrl-C alone",
    r"docker compose|curl ": "needs the image of TensorFlow Serving",
    r"localhost:8500": "needs a model server: serving_test runs one",
    r"grpc://HOST": "needs a data service: data_service_test runs one",
    r"TF_CONFIG": "two processes: workers_test starts them",
    r"tfds_name=": "downloads: tfds_test reads a data set of its own",
    r"make (test|lint|build-files)\b|\.ci/run": "what runs this test",
    r"--format=saved_model": "film_to_film_test exports one and predicts with it",
    r"run_steps|--dump_step|--load_state": "compiled_step_test does so",
    r"KERAS_BACKEND": "keras_file_test predicts so on every backend",
    r"--distribute=mirrored": "distribution_test trains and evaluates so",
    r"make bench|-m benchmarks": "minutes: benchmarks_test runs small sizes",
    r"--profile=": "loop_test records a profile",
}
if importlib.util.find_spec("apache_beam") is None:
    NOT_RUN["--runner="] = "Apache Beam is not installed"

TINY = """
--set=model.feature_widths=4,4 --set=model.feature_channels=4 --set=model.classifier_widths=4
--set=model.motion_units=4 --set=model.spatial_widths=4,4 --set=model.temporal_widths=4
--set=model.filter_widths=4 --set=model.pixel_widths=4 --set=model.kernel_size=3
--set=model.clip_length=2 --set=data.num_frames=4 --set=data.num_inputs=2 --batch_size=2
--set=training.one_step_steps=1 --set=training.pretrain_steps=2 --max_steps=3
--set=training.horizons= --set=model.guider_widths=4
--set=training.validate_every=3 --set=training.validation_sequences=2
"""
TINY_DFN = """
--size=32 --mnist_path=MNIST.npz --batch_size=2 --max_steps=1 --set=data.num_frames=4
--set=data.num_inputs=2 --set=model.kernel_size=3 --set=model.encoder_widths=4,4
--set=model.decoder_widths=4 --set=model.pixel_widths=4
--set=model.position_bias=false --set=training.validation_sequences=2
"""
# (what a command says, what is typed for it), in turn.
SMALL = [
    (r"72x128", "18x32"),
    (r"(build_videos(?!.*--size).*)", r"\1 --size=18x32"),
    (r"(build_highway.*)", r"\1 --size=32"),
    (r"project_video@1000-1258", "project_video@40-59"),
    (r"VIDEO\.\.\.", "drive.mp4"),
    (r"(run_train.*--preset=small_hour.*)", r"\1 --describe"),  # does their config hold together?
    (r"(run_train.*--model=dfn.*)", rf"\1 {TINY_DFN}"),
    (r"(run_train.*--dataset=moving_mnist.*)", r"\1 --mnist_path=MNIST.npz"),
    (r"(run_train.*--dataset=moving_mnist.*--preset=small .*)", rf"\1 --size=32 {TINY}"),
    (r"(run_train.*--dataset=highway.*)", rf"\1 --size=16 {TINY}"),
    (r"(run_train.*--dataset=video.*)", rf"\1 {TINY}"),
    (r"(run_eval.*)", r"\1 --num_sequences=2"),
    (r"--horizon=20", "--horizon=3"),
    (r"results/moving_mnist/dfn-small", "runs/dfn"),
    (r"results/moving_mnist/lmvp-paper", "runs/mm"),
    (r"(--format=tflite.*)", r"\1 --variants=float32 --num_sequences=2"),
]  # fmt: skip
# Pages that build other data sets than the pages before them: these lie elsewhere, but for one that
# is theirs alone.
OWN_DATA = ("docs/results.md", "data/README.md")


def reason(text):
    """Why a command is not run; "" where it is."""
    return next((why for pattern, why in NOT_RUN.items() if re.search(pattern, text)), "")


def test_every_page_is_looked_at():
    assert set((ROOT / "docs").glob("*.md")) <= set(PAGES)
    assert len(COMMANDS) > 60


@pytest.mark.parametrize("pattern", NOT_RUN)
def test_what_is_not_run_is_on_a_page(pattern):
    assert any(re.search(pattern, command.text) for command in COMMANDS)


@pytest.fixture(name="folder")
def _folder(tmp_path, monkeypatch):
    """Somebody's folder, with the films and digits that the pages take to be there."""
    monkeypatch.chdir(tmp_path)
    texture = np.random.default_rng(0).integers(0, 256, (36, 64 + 60, 3), np.uint8)
    film = imageio_ffmpeg.write_frames("a.mp4", (64, 36), fps=25, macro_block_size=1)
    film.send(None)
    for t in range(60):
        film.send(np.ascontiguousarray(texture[:, t : t + 64]))
    film.close()
    names = "film drive other project_video solid_white_right clips/b films/c "
    names += "downtown forest_road solid_yellow_left evening_highway rain_wipers"
    for name in names.split():
        pathlib.Path(name).parent.mkdir(exist_ok=True)
        shutil.copy("a.mp4", f"{name}.mp4")
    pathlib.Path("more").mkdir()
    np.save("more/d.npy", np.stack([texture[:, t : t + 64] for t in range(30)]))
    digits = np.zeros((20, 28, 28), np.uint8)
    digits[:, 6:22, 9:19] = 200
    for name in ("MNIST.npz", "OTHER"):
        with open(name, "wb") as file:
            np.savez(file, x_train=digits, x_test=digits)
    for name in ("pyproject.toml", "Makefile"):
        shutil.copy(ROOT / name, name)
    return tmp_path


@pytest.fixture(name="run")
def _run(folder, load_command, monkeypatch):
    """Runs a command in somebody's folder; a program's in this process, where nothing is traced
    for the few steps that it takes.
    """

    def run(text, page):
        words = shlex.split(text, comments=True)
        if words[0] == "make":
            dry = subprocess.run([*words, "--dry-run"], capture_output=True, text=True, check=True)
            recipe = re.findall(r"(?m)^\.venv/bin/python (?!-m).*$", dry.stdout)
            assert recipe
            for line in recipe:
                run(small(line, page), page)
            return
        assert words[1] in PROGRAMS, "run it, or say in NOT_RUN why not"
        command = load_command(PROGRAMS[words[1]])
        if words[1].startswith("data/"):
            flags.FLAGS(command._spread_inputs(words[1:]))
            command.build(command.HIGHWAY if "highway" in words[1] else command.VIDEOS)
        else:
            flags.FLAGS(words[1:])
            assert not command.main(words[1:2])
        for output in re.findall(r"--(?:output|report|workdir|dump_step)[= ](\S+)", text):
            assert pathlib.Path(output).exists() or "--describe" in text, output

    monkeypatch.setattr(curves, "_save", lambda figure, path, *_: path.touch())  # a second each
    tf.config.run_functions_eagerly(True)
    yield run
    tf.config.run_functions_eagerly(False)


def small(text, page):
    """What is typed in place of a command, or a line of a recipe, of a page."""
    for said, typed in SMALL:
        text = re.sub(said, typed.replace("\n", " "), text)
    own = rf"\1data/{pathlib.Path(page).stem}-"
    return re.sub(r"(--output[= ])data/(?!driving)", own, text) if page in OWN_DATA else text


@pytest.mark.slow
def test_commands_run_as_they_are_pasted(run):
    done = set()
    for page, text, python in COMMANDS:
        typed = small(text, page)
        if reason(text) or typed in done:
            continue
        done.add(typed)
        print(f"\n{page}: {typed}")
        if python:
            exec(typed, {"frames": np.zeros((3, 64, 64), np.uint8)})
        else:
            run(typed, page)
