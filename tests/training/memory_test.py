"""What does not fit into memory is refused before anything is allocated."""

import random

import pytest

from lmvp_tf import configs
from lmvp_tf.errors import UserError
from lmvp_tf.models.registry import MODELS
from lmvp_tf.training import memory
from lmvp_tf.training.checkpoint import TrainState, build_model


@pytest.mark.parametrize(
    ("values", "group"),
    [
        ({"model.motion_units": 10**9}, "model"),
        ({"model.kernel_size": 10**6 + 1}, "model"),
        ({"data.num_digits": 10**7}, "data"),
        ({"data.size": 10**6}, "data"),
        ({"training.batch_size": 10**9}, "training.batch_size"),
    ],
)
def test_absurd_numbers_are_refused_with_what_they_need(tiny_config, values, group):
    config = configs.validate(configs.replace(tiny_config, values))
    with pytest.raises(UserError, match=r"needs [\d,]+\.\d GiB .* has [\d,]+\.\d GiB.*" + group):
        TrainState(config)


def test_what_only_training_would_not_fit_in_is_read_all_the_same(tiny_config):
    config = configs.replace(tiny_config, {"training.batch_size": 10**9})
    assert build_model(config).built


@pytest.mark.parametrize("name", MODELS)
def test_the_estimate_counts_what_the_model_has(tiny_config, monkeypatch, name):
    config = configs.create("moving_mnist", name)
    weights = 4 * sum(v.numpy().size for v in build_model(config).variables)
    video = 4 * 20 * 64 * 64 * 2  # two digits
    monkeypatch.setattr(memory, "machine_bytes", lambda: weights + video)
    memory.check(config)
    monkeypatch.setattr(memory, "machine_bytes", lambda: weights + video - 1)
    with pytest.raises(UserError, match="memory"):
        memory.check(config)


def test_the_estimate_changes_no_random_number(tiny_config):
    memory._num_weights.cache_clear()
    random.seed(3)
    memory.check(tiny_config)
    drawn = random.random()
    random.seed(3)
    assert random.random() == drawn


def test_this_machine_has_memory():
    assert 2**28 < memory.machine_bytes() < 2**50


def test_machines_share_a_batch(tiny_config, monkeypatch):
    monkeypatch.setattr(memory, "_num_weights", lambda *_: 0)
    one = tiny_config.data.batch_bytes(1)
    monkeypatch.setattr(memory, "machine_bytes", lambda: one)
    memory.check(tiny_config, training=True, machines=2)
    with pytest.raises(UserError, match="memory"):
        memory.check(tiny_config, training=True)
