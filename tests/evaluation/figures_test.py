"""Pictures: they are written, and show the frames they are given."""

import imageio.v3 as imageio
import numpy as np
import pytest

from lmvp_tf.errors import RunError, UserError
from lmvp_tf.evaluation import figures


def _examples(num_inputs, num_predicted, channels=1, num_examples=2, size=16):
    """Inputs, truth and one prediction, each frame of one brightness of its own."""
    rng = np.random.default_rng(1)
    shape = (num_examples, num_inputs + 2 * num_predicted, 1, 1, channels)
    frames = rng.uniform(0.1, 0.9, shape) * np.ones((1, 1, size, size, 1))
    return np.split(np.float32(frames), [num_inputs, num_inputs + num_predicted], axis=1)


def _count_color(picture, color):
    return int(np.sum(np.all(picture == np.uint8(np.round(np.asarray(color) * 255)), axis=-1)))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("steps", [(10, 10), (3, 3), (1, 2)])
def test_prediction_figure_shows_every_frame_once_in_whole_pixels(tmp_path, steps, channels):
    inputs, truth, prediction = _examples(*steps, channels)
    path = tmp_path / "figure.png"
    figures.prediction_figure(inputs, truth, {"lmvp": prediction}, path)
    picture = imageio.imread(path)
    for frame in np.concatenate([inputs, truth, prediction], axis=1).reshape(-1, 16, 16, channels):
        color = np.broadcast_to(frame[0, 0], 3)
        assert _count_color(picture, color) >= (16 * 4) ** 2  # letters may share the colour


def test_prediction_figure_aligns_prediction_and_truth_and_leaves_room_under_the_inputs(tmp_path):
    inputs = np.full((1, 3, 16, 16, 3), (1, 0, 0), np.float32)
    truth = np.full((1, 3, 16, 16, 3), (0, 1, 0), np.float32)
    prediction = np.full((1, 3, 16, 16, 3), (0, 0, 1), np.float32)
    path = tmp_path / "figure.png"
    figures.prediction_figure(inputs, truth, {"dfn": prediction}, path)
    picture = imageio.imread(path)
    red, green, blue = (
        np.argwhere(np.all(picture == color, axis=-1))
        for color in ((255, 0, 0), (0, 255, 0), (0, 0, 255))
    )
    np.testing.assert_array_equal(np.unique(green[:, 1]), np.unique(blue[:, 1]))
    np.testing.assert_array_equal(np.unique(green[:, 0]), np.unique(red[:, 0]))
    assert blue[:, 0].min() > green[:, 0].max()
    assert red[:, 1].max() < green[:, 1].min()


def test_more_systems_and_examples_make_the_figure_higher(tmp_path):
    inputs, truth, prediction = _examples(3, 3)
    heights = []
    for count, systems in ((1, ["lmvp"]), (2, ["lmvp"]), (2, ["lmvp", "dfn"])):
        path = tmp_path / f"{len(heights)}.png"
        predictions = dict.fromkeys(systems, prediction[:count])
        figures.prediction_figure(inputs[:count], truth[:count], predictions, path)
        heights.append(imageio.imread(path).shape[0])
    assert heights == sorted(set(heights))


@pytest.mark.parametrize("channels", [1, 3])
def test_film_has_a_frame_for_each_time_step_and_loops(tmp_path, channels):
    inputs, truth, prediction = _examples(3, 2, channels, num_examples=3)
    path = tmp_path / "film.gif"
    figures.film(inputs, truth, {"lmvp": prediction, "dfn": truth}, path, fps=4)
    pictures = imageio.imread(path, index=None)
    assert len(pictures) == 5
    assert imageio.immeta(path)["loop"] == 0  # for ever
    assert imageio.immeta(path, index=0)["duration"] == 250
    assert imageio.immeta(path, index=4)["duration"] == 1250


def test_film_marks_predicted_frames_with_the_systems_colour(tmp_path):
    inputs, truth, prediction = (np.zeros((1, s, 16, 16, 1), np.float32) for s in (2, 2, 2))
    path = tmp_path / "film.gif"
    figures.film(inputs, truth, {"dfn": prediction}, path)
    blue = (0x28 / 255, 0x66 / 255, 0xB0 / 255)
    counts = [_count_color(picture, blue) for picture in imageio.imread(path, index=None)]
    assert max(counts[:2]) < 1000 < min(counts[2:])  # the caption alone, then a border as well


def test_film_shows_inputs_then_truth_beside_prediction(tmp_path):
    inputs, truth, prediction = (
        np.full((1, 1, 16, 16, 3), color, np.float32) for color in ((1, 1, 0), (0, 1, 0), (0, 0, 1))
    )
    path = tmp_path / "film.gif"
    figures.film(inputs, truth, {"lmvp": prediction}, path)
    first, second = imageio.imread(path, index=None)
    area = (12 * 16) ** 2  # 16 pixels, 12 times as large
    assert _count_color(first, (1, 1, 0)) == 2 * area
    assert _count_color(second, (0, 1, 0)) == _count_color(second, (0, 0, 1)) == area


def test_per_step_figure_has_one_panel_a_metric(tmp_path):
    values = {"psnr": [20.0, 18.0, 17.0], "ssim_tf": [0.9, 0.8, 0.7], "mse_per_frame": [50, 80, 90]}
    per_step = {"lmvp": values, "last_frame": values, "my own": values}
    widths = []
    for metrics in (("psnr",), ("ssim_tf", "psnr", "mse_per_frame")):
        path = tmp_path / f"{len(metrics)}.png"
        figures.per_step_figure(per_step, path, num_inputs=10, metrics=metrics)
        widths.append(imageio.imread(path).shape[1])
    assert widths[1] == 3 * widths[0]


def test_known_systems_keep_their_colours_and_unknown_ones_differ():
    assert (
        figures.system_colors(["dfn"])["dfn"] == figures.system_colors(["x", "lmvp", "dfn"])["dfn"]
    )
    colors = figures.system_colors(["lmvp", "a", "b", "last_frame"])
    assert len(set(colors.values())) == 4


_LOG = """step,seconds,phase,loss/bce,loss/gdl,norm/G,validation/bce,validation/psnr
1,0.5,pretrain,400,20,1.5,,
2,1.0,main,390,19,1.4,350,16.5
3,1.5,main,370,18,1.2,,
4,2.0,main,360,1"""


def test_training_curves_draws_a_panel_for_each_group_of_a_log_that_may_be_cut_short(tmp_path):
    log, path = tmp_path / "log.csv", tmp_path / "curves.png"
    log.write_text(_LOG)
    figures.training_curves(log, path)
    four_panels = imageio.imread(path)
    log.write_text("step,loss\n1,2.0\n2,1.0\n")
    figures.training_curves(log, path)
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
        figures.training_curves(log, tmp_path / "curves.png")
    assert not (tmp_path / "curves.png").exists()


def test_a_missing_log_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"cannot read the training log .*No such file"):
        figures.training_curves(tmp_path / "log.csv", tmp_path / "curves.png")


def test_a_picture_that_cannot_be_written_stops_the_run(tmp_path):
    (tmp_path / "file").write_text("in the way")
    inputs, truth, prediction = _examples(1, 1)
    for draw in (figures.prediction_figure, figures.film):
        with pytest.raises(RunError, match="cannot write"):
            draw(inputs, truth, {"lmvp": prediction}, tmp_path / "file" / "picture.gif")
