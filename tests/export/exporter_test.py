"""The seam of export targets: a toy from outside the package, and what each target reads."""

import dataclasses
import sys
import types

import pytest
from absl import flags
from absl.testing import flagsaver

from lmvp_tf.errors import UserError
from lmvp_tf.export import registry
from lmvp_tf.export.exporter import Exporter, ExportOptions


class Toy(Exporter):
    """Writes what it was asked."""

    reads = frozenset({"horizon"})

    def export(self, workdir, output, options):
        output.mkdir()
        (output / "toy.txt").write_text(f"{workdir} {options.horizon}")


@pytest.fixture
def command(load_command, monkeypatch):
    """`run_export.py` with the toy among its targets, as a function of its arguments."""
    module = types.ModuleType("toy_exporter")
    module.Toy = Toy
    monkeypatch.setitem(sys.modules, "toy_exporter", module)
    monkeypatch.setitem(registry.EXPORTERS, "toy", "toy_exporter.Toy")
    program = load_command("export")

    def run(*arguments):
        with flagsaver.flagsaver():
            flags.FLAGS(["run_export.py", *arguments])
            program.main([])

    return run


def test_a_target_is_a_class_and_a_line(command, tmp_path):
    command("--format=toy", "--workdir=run", f"--output={tmp_path / 'out'}", "--horizon=7")
    assert (tmp_path / "out" / "toy.txt").read_text() == "run 7"


@pytest.mark.parametrize(
    ("target", "flag"),
    [
        ("toy", "--variants=float32"),
        ("toy", "--note=x"),
        ("saved_model", "--data_path=x"),
        ("saved_model", "--num_sequences=3"),
        ("tflite", "--note=x"),
        ("weights", "--horizon=3"),
        ("record", "--variants=float32"),
    ],
)
def test_a_flag_that_a_target_does_not_read_is_refused(command, tmp_path, target, flag):
    name = flag.partition("=")[0]
    with pytest.raises(UserError, match=f"{name}.* means nothing to --format={target}"):
        command(f"--format={target}", "--workdir=run", f"--output={tmp_path / 'out'}", flag)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", sorted(registry.EXPORTERS))
def test_every_target_reads_options_that_there_are(name):
    known = {field.name for field in dataclasses.fields(ExportOptions)}
    target = registry.exporter_class(name)
    assert issubclass(target, Exporter)
    assert target.reads <= known


def test_a_target_that_there_is_not():
    with pytest.raises(UserError, match="--format must be one of saved_model, .* Received: onnx"):
        registry.exporter_class("onnx")
