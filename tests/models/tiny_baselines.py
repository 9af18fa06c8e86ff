"""Baselines small enough to be built in a test."""

import keras

from lmvp_tf import configs
from lmvp_tf.training.checkpoint import build_model

T0, T = 4, 7
TINY = {
    "dfn": {"model.encoder_widths": (4, 6), "model.decoder_widths": (4,), "model.kernel_size": 3},
    "conv_lstm": {"model.units": (6, 4), "model.kernel_size": 3},
    "fpm": {"model.units": 32},
    "simvp": {"model.frame_width": 4, "model.width": 32, "model.num_blocks": 2},
    "predrnn": {"model.units": 6, "model.num_layers": 2, "model.kernel_size": 3},
    "mcnet": {"model.width": 4, "model.discriminator_width": 2, "model.judged": 3},
}


def tiny(name, dataset="moving_mnist", **changes):
    """The config of a small baseline on videos of 7 frames of 32x32 pixels."""
    config = configs.create(dataset, model=name)
    values = {"data.size": 32, "data.num_frames": T, "data.num_inputs": T0}
    return configs.validate(configs.replace(config, values | TINY[name] | changes))


def built(name, **changes):
    keras.utils.set_random_seed(0)
    return build_model(tiny(name, **changes))
