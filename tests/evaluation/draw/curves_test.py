"""Curves: they are written, with a panel for each thing to see, and logs are read as they are."""

import imageio.v3 as imageio
import numpy as np
import pytest

from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.draw import curves


def test_per_step_figure_has_one_panel_a_metric(tmp_path):
    values = {"psnr": [20.0, 18.0, 17.0], "ssim_tf": [0.9, 0.8, 0.7], "mse_per_frame": [50, 80, 90]}
    per_step = {"lmvp": values, "last_frame": values, "my own": values}
    widths = []
    for metrics in (("psnr",), ("ssim_tf", "psnr", "mse_per_frame")):
        path = tmp_path / f"{len(metrics)}.png"
        curves.per_step_figure(per_step, path, num_inputs=10, metrics=metrics)
        widths.append(imageio.imread(path).shape[1])
    assert widths[1] == 3 * widths[0]


def test_a_floor_that_would_press_the_curves_together_is_left_out(tmp_path):
    near = {"psnr": [30.0, 27.0, 25.0]}
    floors = {"last_frame": {"psnr": [23.0, 20.0, 19.5]}, "zeros": {"psnr": [6.0, 6.0, 6.0]}}
    pictures = []
    for names in ([], ["zeros"], ["last_frame"]):
        path = tmp_path / "curves.png"
        systems = {"lmvp": near} | {name: floors[name] for name in names}
        curves.per_step_figure(systems, path, num_inputs=3, metrics=("psnr",))
        pictures.append(path.read_bytes())
    assert pictures[0] == pictures[1] != pictures[2]


_LOG = """step,seconds,phase,loss/bce,loss/gdl,norm/G,validation/bce,validation/psnr
1,0.5,pretrain,400,20,1.5,,
2,1.0,main,390,19,1.4,350,16.5
3,1.5,main,370,18,1.2,,
4,2.0,main,360,1"""


def test_training_curves_draws_a_panel_for_each_group_of_a_log_that_may_be_cut_short(tmp_path):
    log, path = tmp_path / "log.csv", tmp_path / "curves.png"
    log.write_text(_LOG)
    curves.training_curves(log, path)
    four_panels = imageio.imread(path)
    log.write_text("step,loss\n1,2.0\n2,1.0\n")
    curves.training_curves(log, path)
    one_panel = imageio.imread(path)
    assert four_panels.shape[1] == 3 * one_panel.shape[1]
    assert four_panels.shape[0] == 2 * one_panel.shape[0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no row with a step"),
        ("epoch,loss\n1,2\n", "no row with a step"),
        ("step,seconds,phase\n1,2,main\n", "no column of numbers"),
    ],
)
def test_what_is_no_training_log_is_refused(tmp_path, text, message):
    log = tmp_path / "log.csv"
    log.write_text(text)
    with pytest.raises(UserError, match=message):
        curves.training_curves(log, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_a_missing_log_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"there is no training log .*log.csv"):
        curves.training_curves(tmp_path / "log.csv", tmp_path / "curves.png")


def _points(metrics, scale=1.0):
    return [
        {"step": i, "seconds": 60.0 * i, "sequences": 4 * i} | dict.fromkeys(metrics, scale / i)
        for i in (1, 2, 3)
    ]


def test_validation_figure_has_a_row_of_panels_for_each_metric_that_some_run_has(tmp_path):
    path, heights = tmp_path / "figure.png", []
    for metrics in (["ssim_tf"], ["bce", "mse_per_frame", "ssim_tf"]):
        runs = {"LMVP small": _points(metrics), "DFN small": _points(["ssim_tf"])}
        curves.validation_figure(runs, path)
        heights.append(imageio.imread(path).shape[0])
    assert heights[1] - heights[0] == pytest.approx(2 * (heights[0] - 64), rel=0.02)


def test_validation_figure_draws_every_run_in_its_colour(tmp_path):
    path = tmp_path / "figure.png"
    runs = {"LMVP small": _points(["ssim_tf"]), "DFN small": _points(["ssim_tf"], 2.0)}
    curves.validation_figure(runs, path)
    picture = imageio.imread(path)[..., :3]
    for color in ((0xD1, 0x38, 0x2C), (0x28, 0x66, 0xB0)):
        assert np.sum(np.all(picture == color, axis=-1)) > 500
