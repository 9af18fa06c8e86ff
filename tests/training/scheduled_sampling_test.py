"""Scheduled sampling: the authors' chances, and that a run that was interrupted draws the same."""

import math

import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.training import scheduled_sampling
from lmvp_tf.training.checkpoint import TrainState

T0, T = 3, 6
TINY = {
    "data.height": 16,
    "data.width": 16,
    "data.num_frames": T,
    "data.num_inputs": T0,
    "model.units": 4,
    "model.num_layers": 2,
    "model.kernel_size": 3,
    "model.decoupling_weight": 0.1,
    "training.one_step_steps": 0,
    "training.batch_size": 2,
    "training.max_steps": 16,
    "losses.reconstruction": "mse",
}


def tiny(**changes):
    values = {**TINY, **changes}
    return configs.validate(configs.replace(configs.create("highway", "predrnn"), values))


def published(kind, step):
    """Of 80,000 steps, transcribed from their program: (of inputs, of others)."""
    if kind == "scheduled":
        return 1.0, max(1 - 0.00002 * step, 0)
    if step < 25_000:
        return 0.5, 0.5
    if step < 50_000:
        inputs = 1 - 0.5 * math.exp(-(step - 25_000) / 2500)
        return inputs, 0.5 - (0.5 / 25_000) * (step - 25_000)
    return 1.0, 0.0


@pytest.mark.parametrize("kind", ["scheduled", "reverse"])
def test_the_chances_are_the_authors(kind):
    for step in (0, 100, 24_999, 25_000, 26_000, 40_000, 49_999, 50_000, 79_999):
        chances = scheduled_sampling.chances(kind, tf.constant(step / 80_000))
        np.testing.assert_allclose(chances, published(kind, step), atol=1e-4)


def test_as_many_frames_are_real_as_chance_has_it():
    config = tiny(**{"model.sampling": "reverse", "training.max_steps": 1600})
    shares = [
        np.mean(scheduled_sampling.draw(config, step, 4000), axis=0) for step in (0, 600, 1000)
    ]
    np.testing.assert_array_equal([share[0] for share in shares], 1)
    for share, (inputs, others) in zip(shares, ((0.5, 0.5), (0.932, 0.4), (1, 0)), strict=True):
        expected = [inputs] * (T0 - 1) + [others] * (T - T0 - 1)
        np.testing.assert_allclose(share[1:], expected, atol=0.03)


def test_a_step_draws_the_same_whatever_was_before_it():
    config, video = tiny(**{"model.sampling": "reverse"}), tf.random.uniform((2, T, 16, 16, 1))

    def reports(*numbers):
        state = TrainState(config)
        for variable, value in zip(state.model.weights, weights, strict=True):
            variable.assign(value)
        found = {}
        tf.random.uniform((len(numbers),))  # what else is drawn does not matter
        step = state.procedure.steps(state.model, state.optimizers)["sampled"]
        for number in numbers:
            state.step.assign(number)
            found[number] = {name: float(x) for name, x in step(video).items() if "real" in name}
        return found

    weights = TrainState(config).model.get_weights()
    whole, resumed = reports(1, 3), reports(3)
    assert resumed[3] == whole[3] != whole[1]


def test_the_loss_has_the_reconstruction_and_the_overlap():
    config, video = tiny(), tf.random.uniform((2, T, 16, 16, 1))
    state = TrainState(config)
    before = state.model.sample(video, tf.ones((2, T - 1), tf.bool))
    report = state.procedure.steps(state.model, state.optimizers)["sampled"](video)  # all real
    error = np.mean((before.predictions - video[:, 1:]) ** 2)
    assert float(report["L_recons"]) == pytest.approx(error, rel=1e-4)
    assert float(report["L_decouple"]) == pytest.approx(np.mean(before.overlap), rel=1e-4)
    assert (float(report["real/inputs"]), float(report["real/others"])) == (1, 1)


def test_phases_of_another_procedure_are_refused():
    with pytest.raises(UserError, match="by a schedule of its own"):
        tiny(**{"training.one_step_steps": 5, "training.pretrain_steps": 5})
