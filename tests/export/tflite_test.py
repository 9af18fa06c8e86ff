"""TFLite files: every model and variant beside its model, streaming, and that bad ones go."""

import dataclasses
import json
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import flags
from absl.testing import flagsaver

import lmvp_tf
from lmvp_tf import configs
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.export import about, tflite, tflite_measure
from lmvp_tf.export.endpoints import Exportable
from lmvp_tf.export.tflite_measure import Figures, Measured
from lmvp_tf.files import write_json
from lmvp_tf.training.checkpoint import Checkpoints, TrainState, build_model
from tests.export.converted import DATA, T0, S, predicted, streamed, without_numbers

pytest.importorskip("ai_edge_litert")
pytest.importorskip("litert_quantizer")
flatbuffers = pytest.importorskip("ai_edge_litert.tools.flatbuffer_utils")

# Of the quantizer, in calibration.
pytestmark = pytest.mark.filterwarnings("ignore:.*experimental_preserve_all_tensors")

ROOT = pathlib.Path(__file__).parents[2]
ONE_STEP = ("conv_lstm", "fpm", "simvp")  # frame by frame they predict another way than at once


@pytest.fixture
def workdir(tmp_path, tiny_config, digits_file):
    """A run of `tiny_config`, as run_train.py leaves it."""
    config = configs.replace(tiny_config, {"data.path": str(digits_file)})
    keras.utils.set_random_seed(0)
    state = TrainState(config)
    state.step.assign(6)
    Checkpoints(tmp_path / "run", state.checkpoint).save(6)
    write_json(tmp_path / "run" / "config.json", configs.to_dict(config))
    return tmp_path / "run"


def test_a_file_says_how_its_training_data_were_made_of_films(lmvp, tmp_path):
    exportable, paths, _ = lmvp
    for variant, path in paths.items():
        document = about.of_tflite(path)
        assert document == json.loads(json.dumps(about.about(exportable))), variant
        assert configs.from_dict(document["config"]) == exportable.config
    options = about.predictor_options(document, tmp_path)
    assert options["options"] == exportable.config.data.film_options()
    predictor = lmvp_tf.load(paths["weight_int8"])
    assert predictor.options == dataclasses.replace(options["options"], enlarge=True)


def test_a_file_of_another_program_says_nothing_and_half_a_document_is_refused(lmvp, tmp_path):
    model = flatbuffers.read_model(lmvp[1]["float32"])
    model.metadata = [
        entry for entry in model.metadata if entry.name not in ("lmvp_tf", b"lmvp_tf")
    ]
    flatbuffers.write_model(model, str(tmp_path / "other.tflite"))
    assert about.of_tflite(tmp_path / "other.tflite") is None
    assert lmvp_tf.load(tmp_path / "other.tflite").name == "prediction"
    with pytest.raises(UserError, match="is damaged or another file"):
        about.predictor_options({"film": {}}, tmp_path)


def test_a_film_in_colour_and_of_an_odd_size(tmp_path, tiny_config):
    changes = {"data.height": 13, "data.width": 22, "data.channels": 3}
    changes |= {"data.num_frames": T0 + S, "data.num_inputs": T0}
    config = configs.create("highway", model_settings=tiny_config.model)
    config = configs.replace(config, changes)
    exportable = Exportable(build_model(config), config, 0, S)
    paths, _ = tflite.convert(exportable, ("float32",), None, tmp_path)
    video = np.random.default_rng(3).random((2, T0 + S, 13, 22, 3), np.float32)
    found = lmvp_tf.load(paths["float32"]).predict(np.uint8(255 * video[:, :T0]))
    rounded = np.floor(255 * video) / np.float32(255)
    np.testing.assert_allclose(found, predicted(exportable, np.float32(rounded)), atol=1e-5)
    frames = streamed(exportable, paths["float32"], np.float32(rounded))
    np.testing.assert_allclose(frames, found[:1], atol=1e-5)


SLOW = [pytest.param(name, marks=pytest.mark.slow) for name in ONE_STEP]


@pytest.mark.parametrize("name", ["lmvp", "dfn", "last_frame", *SLOW])
def test_every_model_predicts_at_once_and_frame_by_frame_what_it_did(
    name, made, tiny_config, tiny_video
):
    variants = tflite.VARIANTS if name == "lmvp" else ("float32",)
    exportable, paths, failed = made(name, tiny_config, variants)
    assert failed == {}
    expected = predicted(exportable, tiny_video)
    predictor = lmvp_tf.load(paths["float32"])
    np.testing.assert_allclose(predictor.predict(tiny_video[:, :T0]), expected, atol=1e-5)
    assert (predictor.num_inputs, predictor.frame_shape, predictor.horizon) == (T0, (32, 32, 1), S)
    assert predictor.name == name
    if name in ONE_STEP:
        known = tiny_video[:1, :T0]
        for _ in range(S):
            one = exportable.model(tf.constant(known[:, -T0:]), num_predicted=1)
            known = np.concatenate([known, one], axis=1)
        expected = known[:, T0:]
    frames = streamed(exportable, paths["float32"], tiny_video)
    np.testing.assert_allclose(frames, expected[:1], atol=1e-5)


@pytest.mark.parametrize(
    ("variant", "kind", "difference"),
    [
        ("float32", np.float32, 1e-5),
        ("float16", np.float16, 2e-3),
        ("weight_int8", np.int8, 2e-2),
        ("dynamic_int8", np.int8, 0.15),
        ("mixed_int8", np.int8, 0.15),
    ],
)
def test_every_variant_is_what_it_is_called_and_near_the_model(
    lmvp, tiny_video, variant, kind, difference
):
    exportable, paths, _ = lmvp
    expected = predicted(exportable, tiny_video)
    assert expected.std() > 0.05
    at_once = lmvp_tf.load(paths[variant]).predict(tiny_video[:, :T0])
    for frames in (at_once, streamed(exportable, paths[variant], tiny_video)):
        np.testing.assert_allclose(frames, expected[: len(frames)], atol=difference)
        assert np.abs(frames - expected[: len(frames)]).mean() < difference / 5
    graph = flatbuffers.read_model(paths[variant]).subgraphs[0]
    types = {np.float32: 0, np.float16: 1, np.int8: 9}  # of the schema
    weights = [tensor for tensor in graph.tensors if list(tensor.shape) == [3, 3, 3, 4]]
    weights += [tensor for tensor in graph.tensors if list(tensor.shape) == [4, 3, 3, 3]]
    assert types[kind] in {tensor.type for tensor in weights}


def test_int8_is_smaller_than_float16_and_float16_than_float32(lmvp):
    sizes = {name: path.stat().st_size for name, path in lmvp[1].items()}
    assert sizes["weight_int8"] < sizes["float16"] < sizes["float32"]
    assert sizes["dynamic_int8"] < sizes["float16"]


def test_mixed_int8_keeps_filters_and_recurrence_in_float(lmvp):
    model = flatbuffers.read_model(lmvp[1]["mixed_int8"])
    int8 = set()
    for graph in model.subgraphs:
        for operator in graph.operators:
            inputs = [graph.tensors[i] for i in operator.inputs if i >= 0]
            if any(tensor.type == 9 for tensor in inputs):
                int8.add(flatbuffers.opcode_to_name(model, operator.opcodeIndex))
    assert int8 == {"CONV_2D", "DEQUANTIZE"}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda content: content[:-100], "its end is missing"),
        (lambda content: content + b"more", "its end is missing"),
        (lambda content: bytes([content[0] ^ 1]) + content[1:], "its SHA-256 is not the one"),
        (lambda content: content[:5000] + b"x" + content[5001:], "its SHA-256 is not the one"),
        (lambda content: content[:500], "unpack"),
        (lambda content: b"", "unpack"),
    ],
)
def test_a_damaged_file_is_not_given_to_the_interpreter(lmvp, tmp_path, damage, message):
    _, paths, _ = lmvp
    path = tmp_path / "a.tflite"
    path.write_bytes(damage(paths["float32"].read_bytes()))
    with pytest.raises(UserError, match=rf"a\.tflite is damaged .*{message}.*: export the model"):
        lmvp_tf.load(path)


def test_of_a_file_of_another_program_there_is_a_warning(lmvp, tmp_path, caplog):
    _, paths, _ = lmvp
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model(str(paths["float32"]))
    model.metadata = []
    flatbuffer_utils.write_model(model, str(tmp_path / "a.tflite"))
    lmvp_tf.load(tmp_path / "a.tflite")
    assert "does not say that run_export.py wrote it" in caplog.text
    caplog.clear()
    lmvp_tf.load(paths["float32"])
    assert not caplog.text


def convert_as(paths):
    """What stands in for `tflite.convert`, which takes seconds: copies of files made before."""

    def convert(exportable, variants, videos, folder):
        copies = {name: folder / f"{name}.tflite" for name in variants}
        for name, copy in copies.items():
            copy.write_bytes(paths[name].read_bytes())
        return copies, {}

    return convert


def test_an_export_replaces_what_passed_and_removes_what_failed(
    workdir, lmvp, tmp_path, monkeypatch
):
    output = tmp_path / "out"
    output.mkdir()
    for name in ("float32", "float16", "mixed_int8"):
        (output / f"{name}.tflite").write_text("of an earlier export")
    exportable, paths, _ = lmvp
    good = {**paths, "float16": without_numbers(paths["float32"], tmp_path / "nan.tflite")}
    monkeypatch.setattr(tflite, "convert", convert_as(good))
    loaded = dataclasses.replace(exportable, config=configs.load(workdir / "config.json"))
    monkeypatch.setattr(tflite, "load_exportable", lambda *_: loaded)
    measured = tflite.export(workdir, output, ("float32", "float16"), num_sequences=3).files
    assert {path.name for path in output.iterdir()} == {
        "float32.tflite", "mixed_int8.tflite", "tflite.json",
    }  # fmt: skip
    assert (output / "float32.tflite").read_bytes() == paths["float32"].read_bytes()
    assert (output / "mixed_int8.tflite").read_text() == "of an earlier export"
    assert measured["float16"].failure
    document = json.loads((output / "tflite.json").read_text())
    assert (document["horizon"], document["num_sequences"]) == (S, 3)
    entries = document["variants"]
    assert {name: entry["passed"] for name, entry in entries.items()} == {
        "float32": True,
        "float16": False,
    }
    assert entries["float16"]["figures"]["serve"]["mse_per_frame"] is None
    assert entries["float32"]["size"] == paths["float32"].stat().st_size
    assert entries["float32"]["seconds"]["serve_step"]["2"]["minimum"] > 0
    assert document["versions"].keys() == {"tensorflow", "ai-edge-litert", "litert-quantizer"}


def test_a_failure_leaves_an_earlier_export_as_it_was(workdir, lmvp, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "float32.tflite").write_text("of an earlier export")
    monkeypatch.setattr(tflite, "convert", convert_as(lmvp[1]))

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tflite, "measure", full_disk)
    with pytest.raises(RunError, match="cannot write .*out: No space left on device"):
        tflite.export(workdir, tmp_path / "out", ("float32",))
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["float32.tflite"]
    assert (tmp_path / "out" / "float32.tflite").read_text() == "of an earlier export"


def test_a_variant_that_cannot_be_made_is_said_and_the_others_go_on(lmvp, tmp_path, monkeypatch):
    exportable, paths, _ = lmvp
    monkeypatch.setattr(tflite, "float32", lambda *_: paths["float32"].read_bytes())
    monkeypatch.setattr(tflite, "_recipe", lambda _: [{"regex": "("}])
    made, failed = tflite.convert(exportable, ("weight_int8", "float32"), None, tmp_path)
    assert list(made) == ["float32"]
    assert failed["weight_int8"].failure.startswith("it cannot be made: ")
    row = tflite_measure._row("weight_int8", failed["weight_int8"])
    assert row == ["weight_int8", *["-"] * 8]


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        (["float32", "int4"], "--variants: there is no int4. There are float32, float16, weight"),
        ([], "--variants is empty. There are float32"),
    ],
)
def test_variants_that_there_are_not(tmp_path, variants, message):
    with pytest.raises(UserError, match=message):
        tflite.export(tmp_path, tmp_path / "out", variants)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("package", ["ai_edge_litert.interpreter", "litert_quantizer"])
def test_a_missing_package_says_what_to_install(tmp_path, monkeypatch, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UserError, match=r"lacks a package .*: pip install 'lmvp-tf\[tflite\]'"):
        tflite.export(tmp_path, tmp_path / "out")


def test_an_output_that_is_a_file_or_below_one(workdir, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file is a file: give a folder"):
        tflite.export(workdir, tmp_path / "file")
    with pytest.raises(UserError, match="file is a file: give a folder"):
        tflite.export(workdir, tmp_path / "file" / "out")


def test_optical_flow_and_missing_digits_are_told(workdir, tmp_path):
    with pytest.raises(UserError, match=r"none\.npz"):
        tflite.export(workdir, tmp_path / "out", data={"data.path": "none.npz"})
    config = configs.replace(configs.create(model="flow"), DATA)
    write_json(tmp_path / "config.json", configs.to_dict(config))
    with pytest.raises(UserError, match="--model=flow runs Python and OpenCV"):
        tflite.export(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def run(program, *arguments):
    command = [sys.executable, str(ROOT / program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stdout, done.stderr


def test_help_names_every_variant_and_flag():
    _, output, _ = run("run_export.py", "--help")
    assert all(name in output for name in tflite.VARIANTS)
    for flag in ("variants", "num_sequences", "data_path"):
        assert f"--{flag}:" in output


@pytest.mark.slow
def test_export_and_predict_as_a_user_does_it(workdir, tmp_path, tiny_video):
    output = tmp_path / "tflite"
    arguments = (f"--workdir={workdir}", "--format=tflite", f"--output={output}")
    code, text, errors = run(
        "run_export.py", *arguments, "--horizon=2", "--num_sequences=2", "--variants=weight_int8"
    )
    assert code == 0, errors
    assert f"Written to {output}: weight_int8.tflite, tflite.json" in text
    np.save(tmp_path / "clip.npy", tiny_video[0])
    code, text, errors = run(
        "run_predict.py",
        f"--tflite={output / 'weight_int8.tflite'}",
        f"--input={tmp_path / 'clip.npy'}",
        f"--output={tmp_path / 'out.npy'}",
    )
    assert code == 0, errors
    frames = np.load(tmp_path / "out.npy")
    expected = lmvp_tf.load(workdir).predict(tiny_video[0], horizon=2)
    np.testing.assert_allclose(frames, expected, atol=2e-2)
    code, _, errors = run("run_export.py", *arguments, "--variants=int4")
    assert (code, "there is no int4" in errors.strip().splitlines()[-1]) == (2, True)


def test_no_file_that_passed_ends_the_command_with_code_1(
    monkeypatch, capsys, tmp_path, load_command
):
    nothing = {name: Figures() for name in ("serve", "serve_step")}
    seconds = {name: {tflite_measure.ALL_CORES: (0.1, 0.1)} for name in nothing}
    model = Measured({name: Figures(1.0, 0.5, 0.0) for name in nothing}, seconds=seconds)
    files = {"float32": Measured(nothing, "serve predicts no numbers")}
    monkeypatch.setattr(tflite, "export", lambda *_: tflite_measure.Comparison(model, files))
    arguments = ["--format=tflite", "--workdir=run", f"--output={tmp_path}"]
    program = load_command("export")
    with flagsaver.flagsaver():
        flags.FLAGS(["run_export.py", *arguments])
        with pytest.raises(RunError, match="no variant passed; .* is in .*tflite.json"):
            program.main([])
    assert "float32 failed: serve predicts no numbers" in capsys.readouterr().out
