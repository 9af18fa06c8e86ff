"""A report of two tiny runs, from training to the page, and the command that makes it."""

import json
import pathlib
import subprocess
import sys

import imageio.v3 as imageio
import numpy as np
import pytest

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.options import EvaluationOptions
from lmvp_tf.evaluation.report.report import make_report
from lmvp_tf.training import loop

ROOT = pathlib.Path(__file__).parents[3]
pytestmark = pytest.mark.usefixtures("eagerly")

_ONE_STEP = {  # in one phase: tracing another takes longer than all else here
    "training.one_step_steps": 0,
    "training.pretrain_steps": 1,
    "training.max_steps": 1,
}
_DFN = {
    "model.encoder_widths": (4, 6),
    "model.decoder_widths": (4,),
    "model.pixel_widths": (4,),
    "model.projection_width": 4,
    "model.kernel_size": 3,
}


def _train(workdir, config, values, digits_file):
    values = values | _ONE_STEP | {"data.path": str(digits_file)}
    loop.train(configs.validate(configs.replace(config, values)), workdir)
    return workdir


@pytest.fixture(name="workdirs")
def _workdirs(tmp_path, tiny_values, digits_file):
    """A trained LMVP and a trained DFN on videos of 4 + 3 frames."""
    data = {path: value for path, value in tiny_values.items() if not path.startswith("model.")}
    lmvp, dfn = configs.create(), configs.create(model="dfn")
    return [
        _train(tmp_path / "a", lmvp, tiny_values, digits_file),
        _train(tmp_path / "b", dfn, data | _DFN, digits_file),
    ]


@pytest.mark.slow
def test_two_trained_runs_become_a_report(workdirs, tmp_path, digits_file, capsys):
    folder = tmp_path / "out" / "report"
    table = make_report(workdirs, folder, EvaluationOptions(num_sequences=5, batch_size=4))
    assert capsys.readouterr().out.count("was not evaluated yet") == 2
    assert sorted(path.name for path in folder.iterdir()) == [
        *("examples.png", "film.gif", "index.html", "per_step.png"),
        *("report.json", "report.md", "validation.png"),
    ]
    for text in (table, (folder / "report.md").read_text(), (folder / "index.html").read_text()):
        for row in ("LMVP custom", "DFN custom", "mean image", "LMVP (cited)"):
            assert row in text
    _check_figures(json.loads((folder / "report.json").read_text()), workdirs)
    assert len(imageio.imread(folder / "film.gif", index=None)) == 7
    for name in ("examples.png", "per_step.png", "validation.png"):
        assert imageio.imread(folder / name).std() > 1

    before = (folder / "report.json").read_bytes()
    make_report(workdirs, folder, EvaluationOptions(batch_size=4))  # from the workdirs alone
    assert "evaluated first" not in capsys.readouterr().out
    assert (folder / "report.json").read_bytes() == before

    digits = dict(np.load(digits_file))
    np.savez(tmp_path / "other.npz", x_train=digits["x_train"], x_test=digits["x_train"])
    other = EvaluationOptions(data={"data.path": str(tmp_path / "other.npz")}, num_sequences=5)
    make_report(workdirs, folder, other)
    assert "was not evaluated yet" in capsys.readouterr().out
    assert (workdirs[0] / "eval-other" / "metrics.json").exists()
    for workdir in workdirs:
        path = workdir / "eval" / "metrics.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "data_hash": "abc"}))
        path.with_name("sha256.json").unlink()  # of those who never wrote one
    with pytest.raises(UserError, match="are not those that .*a was evaluated on: give the --data"):
        make_report(workdirs, folder)


def _check_figures(document, workdirs):
    """The report's figures are those of the evaluations."""
    assert [run["model"] for run in document["runs"]] == ["lmvp", "dfn"]
    for run, workdir in zip(document["runs"], workdirs, strict=True):
        metrics = json.loads((workdir / "eval" / "metrics.json").read_text())
        assert run["metrics"]["psnr"]["mean"] == pytest.approx(metrics["metrics"]["psnr"], rel=1e-5)
        assert run["parameters"] == metrics["parameters"]
        assert (run["step"], run["sequences_seen"]) == (1, 2)
        assert [point["step"] for point in run["validation"]] == [1]
        with np.load(workdir / "eval" / "per_sequence.npz") as arrays:
            psnr = arrays[f"{run['model']}/psnr"]
        np.testing.assert_allclose(run["example_psnr"], psnr[:2])
    assert document["num_sequences"] == 5
    assert list(document["differences"]["runs"]) == ["DFN custom"]


def test_a_file_in_the_place_of_the_folder_is_named_before_anything_is_evaluated(tmp_path):
    (tmp_path / "report").write_text("in the way")
    with pytest.raises(UserError, match="report is a file: give a folder"):
        make_report([tmp_path / "a"], tmp_path / "report")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--workdirs=a,b"], "--workdirs and --report go together"),
        (["--workdirs=a,b", "--report=r", "--output=o"], "--output is of one run"),
        (["--workdir=a", "--report=r"], "--workdirs and --report go together"),
        (["--workdir=a", "--workdirs=a,b", "--report=r"], "one run or --workdirs to compare, not"),
    ],
)
def test_a_wrong_command_ends_with_one_line_and_code_2(tmp_path, arguments, message):
    command = [sys.executable, str(ROOT / "run_eval.py"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr.strip().splitlines()[-1]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "r").exists()
