"""Learning works: Algorithm 1 learns a few fixed sequences by heart."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.datasets import bouncing_digits
from lmvp_tf.training.checkpoint import TrainState
from lmvp_tf.training.graphs import traced_steps

NUM_INPUTS, NUM_FRAMES = 4, 7


@pytest.fixture(scope="module")
def config():
    values = {
        "data.size": 40,
        "data.num_frames": NUM_FRAMES,
        "data.num_inputs": NUM_INPUTS,
        "model.clip_length": 3,
        "model.kernel_size": 5,
        "model.feature_widths": (8, 16),
        "model.feature_channels": 16,
        "model.classifier_widths": (16,),
        "model.motion_units": 16,
        "model.spatial_widths": (8, 16),
        "model.temporal_widths": (16,),
        "model.filter_widths": (16,),
        "model.pixel_widths": (16,),
        "training.learning_rate": 5e-3,
        "training.rolled": False,
    }
    return configs.validate(configs.replace(configs.create(), values))


@pytest.fixture(scope="module")
def video():
    """Three bouncing shapes, [3, 7, 40, 40, 1]."""
    digits = np.zeros((3, 28, 28), np.uint8)
    digits[0, 6:22, 12:16] = 255
    digits[1, 8:20, 8:20] = 200
    digits[2, 6:22, 6:10] = digits[2, 18:22, 6:22] = 255
    return bouncing_digits.moving_mnist(
        tf.constant(digits), tf.constant([0, 3]), 3, NUM_FRAMES, size=40, num_digits=1
    )


@pytest.mark.slow
def test_both_phases_learn_a_few_sequences_far_better_than_the_mean_image(config, video):
    keras.utils.set_random_seed(0)
    state = TrainState(config)
    steps = traced_steps(state)

    def error():
        predicted = state.model(video[:, :NUM_INPUTS], num_predicted=NUM_FRAMES - NUM_INPUTS)
        return float(tf.reduce_mean((predicted - video[:, NUM_INPUTS:]) ** 2))

    mean_image = tf.reduce_mean(video, axis=(0, 1))
    floor = float(tf.reduce_mean((mean_image - video[:, NUM_INPUTS:]) ** 2))
    for phase in ("one_step", "pretrain"):
        for _ in range(60):
            steps[phase](video)
    pretrained = error()
    assert pretrained < 0.1 * floor
    learner = [float(steps["main"](video)["L_M_L"]) for _ in range(60)]
    assert learner[-1] < 0.5 * learner[0]  # M learns how features move
    assert error() < 0.1 * floor
    assert learner[-1] > 0  # F still says something: constant features would be easy to predict
