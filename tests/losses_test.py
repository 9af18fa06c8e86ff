"""The losses against NumPy transcriptions of the paper's equations."""

import numpy as np
import pytest

from lmvp_tf import losses

RNG = np.random.default_rng(0)


def test_discriminator_loss_is_equation_1():
    real, fake = RNG.normal(size=(4, 3)), RNG.normal(size=(2, 5))
    d_real, d_fake = 1 / (1 + np.exp(-real)), 1 / (1 + np.exp(-fake))
    expected = -np.mean(np.log(d_real)) - np.mean(np.log(1 - d_fake))
    loss = losses.discriminator_loss(real.astype("float32"), fake.astype("float32"))
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


@pytest.mark.parametrize("logit", [-1e4, 1e4])
def test_discriminator_loss_is_finite_at_any_logit(logit):
    loss = losses.discriminator_loss(np.float32([logit]), np.float32([logit]))
    np.testing.assert_allclose(loss, 1e4, rtol=1e-6)


def test_learner_loss_is_equation_2():
    motions, features = RNG.normal(size=(2, 4, 3, 3, 5)), RNG.normal(size=(2, 5, 3, 3, 5))
    total = 0.0
    for t in range(4):
        total += np.sum((motions[:, t] - (features[:, t + 1] - features[:, t])) ** 2)
    loss = losses.learner_loss(motions.astype("float32"), features.astype("float32"))
    np.testing.assert_allclose(loss, total / motions.size, rtol=1e-5)


def test_the_yardsticks_of_equation_2_are_those_of_zeros_and_of_the_best_multiple_of_f():
    features = RNG.normal(size=(2, 5, 3, 3, 4)).astype("float32")
    change = np.diff(features, axis=1)
    scales = np.linspace(-2, 2, 4001)
    errors = [np.mean((-a * features[:, :-1] - change) ** 2) for a in scales]
    yardsticks = losses.learner_yardsticks(features)
    np.testing.assert_allclose(yardsticks["zeros"], np.mean(change**2), rtol=1e-5)
    np.testing.assert_allclose(yardsticks["minus_f"], min(errors), rtol=1e-5)


def test_teacher_loss_is_equation_3_with_weights():
    motions, features, following = RNG.normal(size=(3, 2, 4, 3, 3, 5)).astype("float32")
    weights = np.float32([0.0, 1.0, 2.0, 1.0])
    error = np.mean(((following - features) - motions) ** 2, axis=(0, 2, 3, 4))
    loss = losses.teacher_loss(motions, features, following, weights)
    np.testing.assert_allclose(loss, np.sum(error * weights) / 4.0, rtol=1e-5)


def test_generator_loss_is_equation_4():
    assert losses.generator_loss(2.0, 3.0, gamma=0.5) == 3.5


def test_binary_cross_entropy_against_numpy():
    truth, prediction = RNG.random((2, 2, 3, 5, 6, 1)).astype("float32")
    p = prediction.astype("float64")
    expected = -np.mean(truth * np.log(p) + (1 - truth) * np.log(1 - p), axis=(2, 3, 4))
    np.testing.assert_allclose(losses.binary_cross_entropy(truth, prediction), expected, rtol=1e-5)


def test_binary_cross_entropy_stays_finite_where_a_certain_prediction_is_wrong():
    truth, prediction = np.ones((1, 1, 2, 2, 1), "float32"), np.zeros((1, 1, 2, 2, 1), "float32")
    loss = losses.binary_cross_entropy(truth, prediction)
    np.testing.assert_allclose(loss, -np.log(1e-7), rtol=1e-5)


@pytest.mark.parametrize("alpha", [1.0, 2.0])
def test_gradient_difference_loss_against_loops(alpha):
    truth, prediction = RNG.random((2, 1, 1, 4, 5, 2)).astype("float32")
    rows, columns = [], []
    for c in range(2):
        x, y = truth[0, 0, :, :, c], prediction[0, 0, :, :, c]
        for i in range(4):
            for j in range(5):
                if i:
                    rows.append(
                        abs(abs(x[i, j] - x[i - 1, j]) - abs(y[i, j] - y[i - 1, j])) ** alpha
                    )
                if j:
                    difference = abs(abs(x[i, j] - x[i, j - 1]) - abs(y[i, j] - y[i, j - 1]))
                    columns.append(difference**alpha)
    loss = losses.gradient_difference_loss(truth, prediction, alpha)
    np.testing.assert_allclose(loss, [[np.mean(rows) + np.mean(columns)]], rtol=1e-5)


def test_gradient_difference_loss_punishes_blur_and_not_brightness():
    edge = np.zeros((1, 1, 8, 8, 1), "float32")
    edge[:, :, :, 4:] = 0.5
    blurred = edge.copy()
    blurred[:, :, :, 3:5] = 0.25
    np.testing.assert_allclose(losses.gradient_difference_loss(edge, edge + 0.5), 0.0, atol=1e-6)
    assert losses.gradient_difference_loss(edge, blurred) > 0.05


@pytest.mark.parametrize("kind", ["bce", "mse"])
def test_reconstruction_loss_weights_time_steps_and_adds_gdl(kind):
    truth, prediction = RNG.random((2, 2, 3, 4, 4, 1)).astype("float32")
    weights = np.float32([0.5, 1.0, 1.0])
    pixel = {"bce": losses.binary_cross_entropy, "mse": losses.squared_error}[kind]
    per_step = pixel(truth, prediction) + 0.3 * losses.gradient_difference_loss(truth, prediction)
    expected = np.sum(np.mean(per_step, axis=0) * weights) / 2.5
    loss = losses.reconstruction_loss(kind, truth, prediction, weights, gdl_weight=0.3)
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_squared_error_against_numpy():
    truth, prediction = RNG.random((2, 2, 3, 4, 4, 1)).astype("float32")
    expected = np.mean((truth - prediction) ** 2, axis=(2, 3, 4))
    np.testing.assert_allclose(losses.squared_error(truth, prediction), expected, rtol=1e-5)
