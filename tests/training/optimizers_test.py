"""The learning rates against their formulas, Adam against its own, Muon against an SVD."""

import math

import keras
import numpy as np
import pytest

from lmvp_tf import configs
from lmvp_tf.configs import TrainingConfig
from lmvp_tf.training.checkpoint import TrainState
from lmvp_tf.training.optimizers import LearningRate, Optimizers
from lmvp_tf.training.supervised import Supervised


@pytest.mark.parametrize(
    ("settings", "step", "expected"),
    [
        ({}, 12345, 1.0),
        ({"warmup_steps": 10}, 0, 0.1),
        ({"warmup_steps": 10}, 9, 1.0),
        ({"warmup_steps": 10}, 500, 1.0),
        ({"decay": "cosine", "max_steps": 200}, 0, 1.0),
        ({"decay": "cosine", "max_steps": 200}, 50, 0.5 + 0.5 * math.cos(math.pi / 4)),
        ({"decay": "cosine", "max_steps": 200}, 200, 0.0),
        ({"decay": "cosine", "max_steps": 200}, 300, 0.0),
        ({"decay": "cosine", "max_steps": 200, "learning_rate_floor": 0.1}, 50, 0.853553),
        ({"decay": "cosine", "max_steps": 200, "learning_rate_floor": 0.1}, 190, 0.1),
        ({"decay": "cosine", "max_steps": 900, "decay_steps": 200}, 50, 0.853553),
        ({"decay": "halve", "max_steps": 20_000}, 3999, 1.0),
        ({"decay": "halve", "max_steps": 20_000}, 4000, 0.5),
        ({"decay": "halve", "max_steps": 20_000}, 12000, 0.125),
        # PyTorch's OneCycleLR with its defaults, total_steps=1001: optimizer.param_groups[0]["lr"].
        ({"decay": "one_cycle", "max_steps": 1000}, 0, 0.04),
        ({"decay": "one_cycle", "max_steps": 1000}, 150, 0.52),
        ({"decay": "one_cycle", "max_steps": 1000}, 300, 1.0),
        ({"decay": "one_cycle", "max_steps": 1000}, 650, 0.500002),
        ({"decay": "one_cycle", "max_steps": 1000}, 1000, 4e-6),
        ({"decay": "one_cycle", "max_steps": 1000}, 2000, 4e-6),
    ],
)
def test_learning_rate(settings, step, expected):
    rate = LearningRate({0: 2e-3}, TrainingConfig(**settings))
    assert float(rate(step)) == pytest.approx(2e-3 * expected, abs=1e-9)


def rates_at(state, optimizer, steps):
    """An optimizer's learning rate at some steps of the run, however many it has taken itself."""
    rates = []
    for step in steps:
        state.step.assign(step)
        rates.append(float(optimizer.learning_rate))
    return rates


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        ("lmvp", [1.0, 0.25, 1.0, 1.0, 0.25, 0.5]),
        ("dfn", [1.0, 0.25, 1.0, 1.0, 1.0, 1.0]),  # it has no main loop
    ],
)
def test_every_rate_rises_anew_when_a_later_phase_begins(tiny_config, model, expected):
    settings = {
        "training.one_step_steps": 10,
        "training.pretrain_steps": 20,
        "training.max_steps": 30,
        "training.phase_warmup_steps": 4,
    }
    base = tiny_config if model == "lmvp" else configs.create(model=model)
    state = TrainState(configs.replace(base, settings))
    for optimizer in state.optimizers.values():
        rates = rates_at(state, optimizer, (9, 10, 13, 19, 20, 21))
        assert rates == pytest.approx([rates[0] * share for share in expected])


def test_a_phase_may_have_another_rate():
    rate = LearningRate({0: 2e-3, 5: 1e-4}, TrainingConfig())
    assert [float(rate(step)) for step in (0, 4)] == pytest.approx([2e-3] * 2)
    assert [float(rate(step)) for step in (5, 6)] == pytest.approx([1e-4] * 2)


def test_pretraining_teaches_the_guider_at_the_common_rate(tiny_config):
    config = configs.replace(tiny_config, {"training.guider_learning_rate": 0.0})
    state, main = TrainState(config), config.training.pretrain_steps
    assert rates_at(state, state.optimizers["M"], (0, main)) == pytest.approx([1e-3, 0])
    assert rates_at(state, state.optimizers["G"], (0, main)) == pytest.approx([1e-3, 1e-3])


def test_a_guider_that_eq_2_trains_from_the_start_keeps_its_rate(tiny_config):
    values = {"training.guider_learning_rate": 0.0, "model.guider": "split"}
    state = TrainState(configs.replace(tiny_config, values))
    for name in "RM":
        assert rates_at(state, state.optimizers[name], (0, 100)) == pytest.approx([1e-3, 1e-3])


@pytest.mark.parametrize("model", ["lmvp", "dfn"])
def test_every_rate_rises_anew_when_a_horizon_grows(tiny_config, model):
    settings = {
        "training.one_step_steps": 10,
        "training.horizons": (2,),
        "training.horizon_steps": 10,
        "training.pretrain_steps": 30,
        "training.max_steps": 30,
        "training.phase_warmup_steps": 4,
    }
    base = tiny_config if model == "lmvp" else configs.create(model=model)
    state = TrainState(configs.replace(base, settings))
    rates = rates_at(state, state.optimizers["G"], (9, 10, 14, 20, 24))
    assert rates == pytest.approx([rates[0] * share for share in (1, 0.25, 1, 0.25, 1)])


class OneWeight:
    """A model of one network of one weight."""

    def __init__(self, weight=(0.0,)):
        self.networks = {"G": [keras.Variable(weight)]}


@pytest.mark.parametrize("beta_2", [0.999, 0.9])
def test_adam_forgets_a_large_gradient_as_fast_as_it_is_told(beta_2):
    model = OneWeight()
    training = TrainingConfig(learning_rate=0.1, clip_norm=0.0, beta_2=beta_2)
    optimizer = Optimizers(Supervised(configs.create(training=training)), model)["G"]
    weight, mean, square = 0.0, 0.0, 0.0
    for step, gradient in enumerate([1e-3, 1.0] + [1e-3] * 20, start=1):
        optimizer.apply([np.array([gradient], "float32")], model.networks["G"])
        mean = 0.9 * mean + 0.1 * gradient
        square = beta_2 * square + (1 - beta_2) * gradient**2
        weight -= 0.1 * mean / (1 - 0.9**step) / math.sqrt(square / (1 - beta_2**step))
        assert model.networks["G"][0].numpy() == pytest.approx(weight, rel=1e-4)


@pytest.mark.parametrize("precision", ["none", "float16"])
def test_muon_moves_a_kernel_along_the_singular_vectors_of_its_momentum_as_far_as_adam_would(
    precision,
):
    rng = np.random.default_rng(0)
    gradients = [rng.normal(size=(3, 3, 2, 5)).astype("float32") for _ in range(2)]
    model = OneWeight(np.zeros((3, 3, 2, 5), "float32"))
    training = TrainingConfig(
        learning_rate=0.1, clip_norm=0.0, optimizer="muon", mixed_precision=precision
    )
    optimizer = Optimizers(Supervised(configs.create(training=training)), model)["G"]
    scale = float(optimizer.dynamic_scale) if precision == "float16" else 1.0  # of the loss
    momentum, before = 0.0, 0.0
    for gradient in gradients:
        optimizer.apply([gradient * scale], model.networks["G"])
        after = model.networks["G"][0].numpy()
        move = (after - before).reshape(18, 5) / 0.1
        momentum = 0.95 * momentum + gradient
        left, _, right = np.linalg.svd(
            (gradient + 0.95 * momentum).reshape(18, 5), full_matrices=False
        )
        sizes = -(left.T @ move @ right.T) / (0.2 * math.sqrt(18))
        assert sizes == pytest.approx(np.diag(np.diag(sizes)), abs=1e-3)
        assert all((np.diag(sizes) > 0.6) & (np.diag(sizes) < 1.3))  # Newton and Schulz are coarse
        assert np.sqrt(np.mean(move**2)) == pytest.approx(0.2, rel=0.3)
        before = after


def test_muon_leaves_what_is_no_kernel_to_adam():
    moved = []
    for name in ("adam", "muon"):
        model = OneWeight(np.zeros((4, 3), "float32"))
        training = TrainingConfig(learning_rate=0.1, optimizer=name)
        optimizer = Optimizers(Supervised(configs.create(training=training)), model)["G"]
        optimizer.apply([np.eye(4, 3, dtype="float32")], model.networks["G"])
        moved.append(model.networks["G"][0].numpy())
    np.testing.assert_array_equal(*moved)
