"""A step of the optimizers: scaled in float16, shared by networks with scales of their own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.training.optimizers import Optimizers
from lmvp_tf.training.supervised import Supervised
from lmvp_tf.training.update import update


class TwoNumbers:
    """A model of two networks of one weight each."""

    def __init__(self):
        self.networks = {name: [keras.Variable([1.0], name=name)] for name in "GM"}

    def weights(self):
        return {name: theta[0].numpy().item() for name, theta in self.networks.items()}


def optimizers_of(model, precision):
    training = configs.TrainingConfig(mixed_precision=precision, clip_norm=0.0, learning_rate=0.1)
    return Optimizers(Supervised(configs.create(training=training)), model)


def step(model, optimizers, slopes):
    """A step down sum(slope * weight), whose gradient passes through float16."""
    with tf.GradientTape() as tape:
        halves = [tf.cast(model.networks[name][0], tf.float16) for name in slopes]
        terms = [s * tf.cast(x, tf.float32) for s, x in zip(slopes.values(), halves, strict=True)]
        loss = tf.reduce_sum(tf.add_n(terms))
    thetas = {name: model.networks[name] for name in slopes}
    return {name: float(x) for name, x in update(optimizers, tape, loss, thetas).items()}


def scales(optimizers):
    return {name: float(optimizer.dynamic_scale) for name, optimizer in optimizers.items()}


@pytest.mark.parametrize(("precision", "moved"), [("none", False), ("float16", True)])
def test_float16_sees_gradients_below_its_smallest_number(precision, moved):
    model = TwoNumbers()
    report = step(model, optimizers_of(model, precision), {"G": 1e-8})
    assert (model.weights()["G"] < 0.95) == moved
    assert model.weights()["M"] == 1.0
    assert report["gradient_norm/G"] == pytest.approx(1e-8 if moved else 0.0, rel=2e-2)


def test_a_step_that_overflows_is_left_out_and_lowers_the_scale_of_its_network():
    model = TwoNumbers()
    optimizers = optimizers_of(model, "float16")
    before = scales(optimizers)
    report = step(model, optimizers, {"G": 1e-3, "M": 1e3})
    assert model.weights() == {"G": pytest.approx(0.9, abs=1e-4), "M": 1.0}
    assert (report["update_norm/G"], report["update_norm/M"]) == (pytest.approx(0.1, abs=1e-4), 0.0)
    assert np.isinf(report["gradient_norm/M"])
    assert scales(optimizers) == {"G": before["G"], "M": before["M"] / 2}
    for _ in range(10):  # until the common scale is low enough; each has the true gradient then
        report = step(model, optimizers, {"G": 1e-3, "M": 1e3})
    assert model.weights()["M"] < 1.0
    assert report["gradient_norm/M"] == pytest.approx(1e3)
    assert report["gradient_norm/G"] == pytest.approx(1e-3, rel=1e-3)
    assert model.weights()["G"] == pytest.approx(1.0 - 11 * 0.1, abs=1e-3)


def _skipping(model, precision="none", **settings):
    training = configs.TrainingConfig(
        mixed_precision=precision, clip_norm=0.0, learning_rate=0.1, **settings
    )
    return Optimizers(Supervised(configs.create(training=training)), model)


def _everything(model, optimizers):
    return {
        name: [v.numpy() for v in [*model.networks[name], *optimizers[name].variables]]
        for name in model.networks
    }


@pytest.mark.parametrize("in_graph", [False, True])
@pytest.mark.parametrize("slope", [np.nan, np.inf, 1e30])  # whose square is infinite
def test_an_update_that_is_not_finite_is_skipped_for_its_network_alone(slope, in_graph):
    model, plain = TwoNumbers(), TwoNumbers()
    skipping, ordinary = _skipping(model, on_nonfinite="skip"), _skipping(plain)

    def wild_step():
        with tf.GradientTape() as tape:
            slopes = {"G": 2.0, "M": tf.constant(slope, tf.float32)}
            loss = 0.0
            for name, value in slopes.items():  # the loss itself stays finite
                weight = model.networks[name][0].value
                loss += tf.reduce_sum(tf.grad_pass_through(tf.zeros_like)(weight * value))
        return update(skipping, tape, loss, model.networks)

    step(model, skipping, {"G": 2.0, "M": 3.0})
    before = _everything(model, skipping)
    report = (tf.function(wild_step, autograph=False) if in_graph else wild_step)()
    after = _everything(model, skipping)
    assert (float(report["skipped/G"]), float(report["skipped/M"])) == (0.0, 1.0)
    for one, other in zip(before["M"], after["M"], strict=True):
        np.testing.assert_array_equal(one, other)
    report = step(model, skipping, {"M": 3.0})
    assert report["skipped/M"] == 0.0
    for _ in range(2):  # as if the skipped one had never been
        step(plain, ordinary, {"G": 2.0, "M": 3.0})
    assert model.weights() == plain.weights()


def test_without_a_fault_skipping_changes_nothing():
    runs = []
    for on_nonfinite in ("stop", "skip"):
        model = TwoNumbers()
        optimizers = _skipping(model, on_nonfinite=on_nonfinite)
        for _ in range(3):
            step(model, optimizers, {"G": 2.0, "M": -0.1})
        runs.append(_everything(model, optimizers))
    for name in runs[0]:
        for one, other in zip(runs[0][name], runs[1][name], strict=True):
            np.testing.assert_array_equal(one, other)
