"""Predictions from a film: which windows, what is written of them, and how they are scored.

The films and predictions are of one colour a frame, which says where the frame belongs: (place in
the film, 0, 1) for frames of the film, (place of x_T0, frames ahead, 0) for predictions.
"""

import pathlib

import imageio.v3 as imageio
import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from lmvp_tf.errors import UserError
from lmvp_tf.films.arrays import ArrayFilm, Frames
from lmvp_tf.prediction import film_part, film_prediction
from lmvp_tf.prediction.predictor import Predictor

SIZE, NUM_INPUTS, HORIZON = 16, 3, 4
LEVEL = 8  # between two places, so that an MP4 keeps them apart


def picture(*color):
    return np.full((SIZE, SIZE, 3), np.float32(color) / 255)


def film_frame(place):
    return picture(LEVEL * place, 0, 255)


def predicted_frame(place, ahead):
    """What is predicted from the window that ends at `place`."""
    return picture(LEVEL * place, 40 * ahead, 0)


def film_of(length):
    return np.stack([film_frame(place) for place in range(length)])


class Film(ArrayFilm):
    """A film of such frames."""

    def __init__(self, length):
        levels = np.rint(255 * film_of(length)).astype(np.uint8)
        super().__init__(pathlib.Path("film.npy"), "film", Frames.of(levels))


def tag(frames, horizon):
    """A model that says from which frame and how far ahead it predicts."""
    places = np.rint(frames[:, -1, 0, 0, 0] * 255 / LEVEL)
    steps = range(1, horizon + 1)
    return np.stack([[predicted_frame(place, s) for s in steps] for place in places])


PREDICTOR = Predictor(tag, (NUM_INPUTS, SIZE, SIZE, 3), HORIZON, name="lmvp")


def predict(length, horizon=HORIZON, **options):
    part = film_part.read(Film(length), PREDICTOR.options, NUM_INPUTS, horizon, **options)
    return film_prediction.predict_film(PREDICTOR, part, horizon)


def expected(ends, horizon=HORIZON):
    steps = range(1, horizon + 1)
    return np.stack([[predicted_frame(end, s) for s in steps] for end in ends])


@pytest.mark.parametrize(
    ("options", "ends"),
    [
        ({}, [9]),
        ({"start": 0}, [2]),
        ({"start": 7}, [9]),
        ({"start": -7}, [5]),
        ({"every": True}, range(2, 10)),
        ({"every": True, "start": 3}, range(5, 10)),
        ({"every": True, "start": -4}, [8, 9]),
        ({"start": 1, "horizon": 6}, [3]),
    ],
)
def test_windows_are_where_they_were_asked_for(options, ends):
    result = predict(10, **options)
    horizon = options.get("horizon", HORIZON)
    np.testing.assert_array_equal(result.predictions, expected(ends, horizon))
    for p, end in enumerate(ends):
        np.testing.assert_array_equal(result.inputs(p), film_of(10)[end - 2 : end + 1])
        np.testing.assert_array_equal(result.truth(p), film_of(10)[end + 1 : end + 1 + horizon])


def test_more_windows_than_are_predicted_at_a_time():
    result = predict(25, every=True)
    np.testing.assert_array_equal(result.predictions, expected(range(2, 25)))


def test_psnr_is_that_of_scikit_image_and_ends_with_the_film():
    result = predict(10, every=True, start=3)
    ours, repeated = result.psnr()
    for p, end in enumerate(range(5, 10)):
        for s in range(HORIZON):
            place = end + 1 + s
            if place >= 10:
                assert np.isnan(ours[p, s])
                assert np.isnan(repeated[p, s])
                continue
            pairs = {ours[p, s]: predicted_frame(end, s + 1), repeated[p, s]: film_frame(end)}
            for score, frame in pairs.items():
                wanted = peak_signal_noise_ratio(film_frame(place), frame, data_range=1)
                np.testing.assert_allclose(score, wanted, rtol=1e-4)


def test_the_summary_averages_over_the_windows_that_have_truth():
    result = predict(10, every=True, start=3)
    title, header, *rows = film_prediction.summary(result).splitlines()
    assert title == "PSNR in dB by frames ahead:"
    assert header.split() == ["ahead", "LMVP", "last", "frame", "windows"]
    scores = result.psnr()
    for s, row in enumerate(rows):
        with_truth = scores[:, : 4 - s, s].mean(axis=1)
        assert row.split() == [str(s + 1), *(f"{x:.2f}" for x in with_truth), str(4 - s)]
    assert len(rows) == HORIZON
    single = film_prediction.summary(predict(10, start=4)).splitlines()
    assert [row.split()[0] for row in single[2:]] == ["1", "2", "3"]
    assert single[1].split() == ["ahead", "LMVP", "last", "frame"]


def test_the_summary_says_how_to_have_truth_where_there_is_none():
    assert "with the last input frame; --start=-7 leaves 4 frames of it" in (
        film_prediction.summary(predict(10))
    )
    assert "--start=-5 leaves 2 frames" in film_prediction.summary(predict(5))
    assert film_prediction.summary(predict(3)).endswith("the last input frame.")


def test_an_npy_holds_the_predictions_of_the_window_or_of_every_one(tmp_path):
    path = tmp_path / "new" / "out.npy"
    film_prediction.write(predict(10), path)
    np.testing.assert_array_equal(np.load(path), expected([9])[0])
    assert np.load(path).dtype == np.float32
    film_prediction.write(predict(10, every=True), path, every=True)
    np.testing.assert_array_equal(np.load(path), expected(range(2, 10)))
    film_prediction.write(predict(3, every=True), path, every=True)
    np.testing.assert_array_equal(np.load(path), expected([2]))


def places_of(image, frame):
    """(y, x) of the middles of whatever in an image has the colour of a frame."""
    found = np.argwhere(np.all(image == np.uint8(np.rint(255 * frame[0, 0])), axis=-1))
    return (found.min(axis=0) + found.max(axis=0)) / 2 if len(found) >= SIZE**2 else None


@pytest.mark.parametrize(("start", "num_truth"), [(0, 4), (5, 2), (7, 0)])
def test_a_strip_shows_input_prediction_and_truth_above_it(tmp_path, start, num_truth):
    film_prediction.write(predict(10, start=start), tmp_path / "out.png")
    image = imageio.imread(tmp_path / "out.png")
    places = [places_of(image, film_frame(place)) for place in range(10)]
    shown = [place for place in range(10) if places[place] is not None]
    assert shown == list(range(start, start + NUM_INPUTS + num_truth))
    xs = [places[place][1] for place in shown]
    assert xs == sorted(xs)
    for s in range(1, HORIZON + 1):
        y, x = places_of(image, predicted_frame(start + 2, s))
        assert x > places[start + 2][1]
        if s <= num_truth:
            above, same = places[start + 2 + s]
            assert (x, y - above >= SIZE) == (same, True)
    assert (y > places[start][0]) == bool(num_truth)  # else it goes on in the same row


def test_a_strip_of_every_window_shows_some_that_are_spread_over_the_film(tmp_path):
    film_prediction.write(predict(17, every=True), tmp_path / "out.png", every=True)
    image = imageio.imread(tmp_path / "out.png")
    ends = [e for e in range(2, 17) if places_of(image, predicted_frame(e, 1)) is not None]
    assert ends == [2, 4, 6, 8, 10, 12]
    ys = [places_of(image, predicted_frame(end, HORIZON))[0] for end in ends]
    assert ys == sorted(set(ys))


def read_film(path):
    return imageio.imread(path, plugin="FFMPEG" if path.suffix == ".mp4" else "pillow", index=None)


def shows(picture, frame):
    """Whether a film's picture has a panel of about this colour."""
    differences = np.abs(picture.astype(int) - np.rint(255 * frame[0, 0]))
    return np.count_nonzero(np.all(differences <= 3, axis=-1)) > 150**2


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
@pytest.mark.parametrize(("start", "num_truth"), [(0, 4), (5, 2), (7, 0)])
def test_a_film_plays_input_then_prediction_beside_truth(tmp_path, suffix, start, num_truth):
    path = tmp_path / f"out{suffix}"
    film_prediction.write(predict(10, start=start), path, fps=2)
    film = read_film(path)
    rest = 2 if suffix == ".mp4" else 0  # a second more
    assert len(film) == NUM_INPUTS + HORIZON + rest
    for t in range(NUM_INPUTS):
        assert shows(film[t], film_frame(start + t))
    for s in range(1, HORIZON + 1):
        image = film[NUM_INPUTS + s - 1]
        assert shows(image, predicted_frame(start + 2, s))
        if s <= num_truth:
            assert shows(image, film_frame(start + 2 + s))


@pytest.mark.parametrize("suffix", [".gif", ".mp4"])
def test_a_film_of_every_window_runs_along_the_film(tmp_path, suffix):
    path = tmp_path / f"out{suffix}"
    film_prediction.write(predict(10, every=True, start=1), path, every=True, fps=4)
    film = read_film(path)
    rest = 4 if suffix == ".mp4" else 0
    places = range(1 + NUM_INPUTS + HORIZON - 1, 10)
    assert len(film) == len(places) + rest
    for image, place in zip(film, places, strict=False):
        assert shows(image, film_frame(place))
        assert shows(image, predicted_frame(place - 1, 1))
        assert shows(image, predicted_frame(place - HORIZON, HORIZON))


def test_one_frame_ahead_needs_one_panel_less(tmp_path):
    widths = []
    for horizon in (1, 2):
        result = predict(10, every=True, horizon=horizon)
        film_prediction.write(result, tmp_path / "out.gif", every=True)
        film = read_film(tmp_path / "out.gif")
        assert len(film) == 10 - NUM_INPUTS - horizon + 1
        widths.append(film.shape[2])
    assert widths[0] < widths[1]


@pytest.mark.parametrize("name", ["out.gif", "out.mp4", "out.png"])
def test_every_window_of_a_film_that_goes_on_after_none_cannot_be_shown(tmp_path, name):
    result = predict(6, every=True)
    with pytest.raises(UserError, match="7 frames at least, and there are 6: give a smaller"):
        film_prediction.write(result, tmp_path / name, every=True)
    assert not (tmp_path / name).exists()
    with pytest.raises(UserError, match="ends in one of"):
        film_prediction.write(result, tmp_path / "out.avi")


def shown_at(picture, part):
    """Where in a picture [H, W, 3] a part of it stands, (y, x); None: nowhere."""
    height, width = part.shape[:2]
    for y, x in np.argwhere(np.all(picture == part[0, 0], axis=-1)):
        if np.array_equal(picture[y : y + height, x : x + width], part):
            return y, x
    return None


@pytest.mark.parametrize("smooth", [False, True])
@pytest.mark.parametrize("every", [False, True])
def test_pixels_stay_squares_unless_the_film_is_a_camera_s(tmp_path, smooth, every):
    """Of a smooth picture only the levels of its broad fields are those of the frame."""
    frame = np.zeros((SIZE, SIZE, 3), np.float32)
    frame[:, 4:] = 1
    frame[6, 9] = (1, 0, 0)
    predictor = Predictor(
        lambda frames, horizon: np.tile(frame, (len(frames), horizon, 1, 1, 1)),
        (NUM_INPUTS, SIZE, SIZE, 3),
        HORIZON,
        smooth=smooth,
    )
    part = film_part.read(Film(10), predictor.options, NUM_INPUTS, HORIZON, every=every)
    result = film_prediction.predict_film(predictor, part, HORIZON)
    film_prediction.write(result, tmp_path / "out.png", every)
    film_prediction.write(result, tmp_path / "out.gif", every)
    pictures = {
        4: imageio.imread(tmp_path / "out.png"),
        192 // SIZE: read_film(tmp_path / "out.gif")[-1],
    }
    for scale, picture in pictures.items():
        pixel = np.full((scale, 3 * scale, 3), 255, np.uint8)
        pixel[:, scale : 2 * scale] = (255, 0, 0)
        assert (shown_at(picture, pixel) is None) == smooth


def test_where_the_film_has_ended_the_input_stands_beside_the_prediction(tmp_path):
    film_prediction.write(predict(10), tmp_path / "out.gif")
    film = read_film(tmp_path / "out.gif")
    at_input = [np.count_nonzero(np.all(image == (255, 255, 255), -1)) for image in film]
    assert shows(film[0], film_frame(7))
    assert shows(film[3], predicted_frame(9, 1))
    assert at_input[3] - at_input[0] > 100**2  # its panel is empty
    film_prediction.write(predict(10, start=0), tmp_path / "known.gif")
    assert film.shape[2] == read_film(tmp_path / "known.gif").shape[2]
