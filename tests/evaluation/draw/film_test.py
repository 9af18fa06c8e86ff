"""Pictures: they are written, and show the frames they are given."""

import imageio.v3 as imageio
import numpy as np
import pytest

from lmvp_tf.errors import RunError
from lmvp_tf.evaluation.draw.colors import system_colors
from lmvp_tf.evaluation.draw.film import film
from lmvp_tf.evaluation.draw.prediction_figure import prediction_figure


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
    prediction_figure(inputs, truth, {"lmvp": prediction}, path)
    picture = imageio.imread(path)
    for frame in np.concatenate([inputs, truth, prediction], axis=1).reshape(-1, 16, 16, channels):
        color = np.broadcast_to(frame[0, 0], 3)
        assert _count_color(picture, color) >= (16 * 4) ** 2  # letters may share the colour


def test_prediction_figure_aligns_prediction_and_truth_and_leaves_room_under_the_inputs(tmp_path):
    inputs = np.full((1, 3, 16, 16, 3), (1, 0, 0), np.float32)
    truth = np.full((1, 3, 16, 16, 3), (0, 1, 0), np.float32)
    prediction = np.full((1, 3, 16, 16, 3), (0, 0, 1), np.float32)
    path = tmp_path / "figure.png"
    prediction_figure(inputs, truth, {"dfn": prediction}, path)
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
        prediction_figure(inputs[:count], truth[:count], predictions, path)
        heights.append(imageio.imread(path).shape[0])
    assert heights == sorted(set(heights))


@pytest.mark.parametrize("channels", [1, 3])
def test_film_has_a_frame_for_each_time_step_and_loops(tmp_path, channels):
    inputs, truth, prediction = _examples(3, 2, channels, num_examples=3)
    path = tmp_path / "film.gif"
    film(inputs, truth, {"lmvp": prediction, "dfn": truth}, path, fps=4)
    pictures = imageio.imread(path, index=None)
    assert len(pictures) == 5
    assert imageio.immeta(path)["loop"] == 0  # for ever
    assert imageio.immeta(path, index=0)["duration"] == 250
    assert imageio.immeta(path, index=4)["duration"] == 1250


def test_film_marks_predicted_frames_with_the_systems_colour(tmp_path):
    inputs, truth, prediction = (np.zeros((1, s, 16, 16, 1), np.float32) for s in (2, 2, 2))
    path = tmp_path / "film.gif"
    film(inputs, truth, {"dfn": prediction}, path)
    blue = (0x28 / 255, 0x66 / 255, 0xB0 / 255)
    counts = [_count_color(picture, blue) for picture in imageio.imread(path, index=None)]
    assert max(counts[:2]) < 1000 < min(counts[2:])  # the caption alone, then a border as well


def test_film_shows_inputs_then_truth_beside_prediction(tmp_path):
    inputs, truth, prediction = (
        np.full((1, 1, 16, 16, 3), color, np.float32) for color in ((1, 1, 0), (0, 1, 0), (0, 0, 1))
    )
    path = tmp_path / "film.gif"
    film(inputs, truth, {"lmvp": prediction}, path)
    first, second = imageio.imread(path, index=None)
    area = (12 * 16) ** 2  # 16 pixels, 12 times as large
    assert _count_color(first, (1, 1, 0)) == 2 * area
    assert _count_color(second, (0, 1, 0)) == _count_color(second, (0, 0, 1)) == area


def test_film_scores_a_single_sequence_and_follows_the_clip_to_its_end(tmp_path):
    inputs, truth, prediction = _examples(2, 3, num_examples=1)
    alone, scored = tmp_path / "alone.gif", tmp_path / "scored.gif"
    film(inputs, truth[:, :0], {"dfn": prediction}, alone)
    film(inputs, truth[:, :1], {"dfn": prediction}, scored)
    shown = imageio.imread(scored, index=None)
    assert len(imageio.imread(alone, index=None)) == len(shown) == 5
    area = (12 * 16) ** 2
    for t, frames in enumerate((inputs[0, 0], inputs[0, 1], truth[0, 0])):
        assert _count_color(shown[t], np.broadcast_to(frames[0, 0], 3)) >= area
    blue = (0x28 / 255, 0x66 / 255, 0xB0 / 255)
    letters = [
        _count_color(picture[-100:-54], blue) for picture in shown
    ]  # between panels and clock
    assert letters[2] > 100
    assert not any(letters[:2] + letters[3:])
    ink = (0x22 / 255, 0x25 / 255, 0x2A / 255)
    assert not any(_count_color(picture[-100:-54], ink) for picture in shown)  # none for the truth


def test_figures_go_on_beyond_the_end_of_a_video(tmp_path):
    inputs, truth, prediction = _examples(3, 4, channels=3, num_examples=1)
    sizes = []
    for known in (4, 2, 0):
        path = tmp_path / f"{known}.png"
        prediction_figure(inputs, truth[:, :known], {"lmvp": prediction}, path)
        picture = imageio.imread(path)
        sizes.append(picture.shape)
        for s in range(4):
            for frames, there in ((prediction, True), (truth, s < known)):
                count = _count_color(picture, np.broadcast_to(frames[0, s, 0, 0], 3))
                assert (count >= (16 * 4) ** 2) == there
    assert sizes[0] == sizes[1]
    assert sizes[2][0] < sizes[0][0]  # one row is enough for input and prediction


def test_titles_stand_in_the_figure(tmp_path):
    examples = _examples(3, 2, num_examples=2)
    pictures = []
    for titles in ((), ("first", "second")):
        *known, prediction = examples
        path = tmp_path / "figure.png"
        prediction_figure(*known, {"lmvp": prediction}, path, titles)
        pictures.append(imageio.imread(path).astype(int))
    rows = np.flatnonzero((pictures[0] != pictures[1]).any(axis=(1, 2)))
    assert np.count_nonzero(np.diff(rows) > 20) == 1  # two lines of letters, far from each other


def test_known_systems_keep_their_colours_and_unknown_ones_differ():
    assert system_colors(["dfn"])["dfn"] == system_colors(["x", "lmvp", "dfn"])["dfn"]
    colors = system_colors(["lmvp", "a", "b", "last_frame"])
    assert len(set(colors.values())) == 4


def test_a_picture_that_cannot_be_written_stops_the_run(tmp_path):
    (tmp_path / "file").write_text("in the way")
    inputs, truth, prediction = _examples(1, 1)
    for draw in (prediction_figure, film):
        with pytest.raises(RunError, match="cannot write"):
            draw(inputs, truth, {"lmvp": prediction}, tmp_path / "file" / "picture.gif")


@pytest.mark.parametrize("smooth", [False, True])
def test_rectangular_frames_in_colour_keep_their_shape(tmp_path, smooth):
    frames = np.zeros((1, 2, 16, 32, 3), np.float32)
    frames[...] = (1.0, 0.0, 1.0)
    path, picture = tmp_path / "film.gif", tmp_path / "figure.png"
    film(frames, frames, {"lmvp": frames}, path, smooth=smooth)
    prediction_figure(frames, frames, {"lmvp": frames}, picture, smooth=smooth)
    shown = imageio.imread(path, index=0)
    places = np.argwhere(np.all(shown == (255, 0, 255), axis=-1))
    assert len(places) == 2 * (6 * 16) * (6 * 32)  # 192 pixels wide, twice
    for image in (shown, imageio.imread(picture)):
        column = np.all(image == (255, 0, 255), axis=-1)
        rows, columns = (np.flatnonzero(column.any(axis=axis)) for axis in (1, 0))
        height = np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)[0]
        width = np.split(columns, np.flatnonzero(np.diff(columns) > 1) + 1)[0]
        assert len(width) == 2 * len(height)


def test_smooth_pictures_have_values_between_those_of_pixels(tmp_path):
    frames = np.zeros((1, 1, 16, 16, 1), np.float32)
    frames[..., 8:, :] = 1.0
    kinds = []
    for smooth in (False, True):
        path = tmp_path / "figure.png"
        prediction_figure(frames, frames, {"lmvp": frames}, path, smooth=smooth)
        kinds.append(len(np.unique(imageio.imread(path).reshape(-1, 3), axis=0)))
    assert kinds[1] > kinds[0]
