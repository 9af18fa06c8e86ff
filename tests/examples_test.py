"""The story in one file runs, and moves what Algorithm 1 says."""

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from examples import train_lmvp
from lmvp_tf.models.lmvp import LMVP, LMVPSettings

SMALL = LMVPSettings(
    kernel_size=3,
    feature_widths=(4, 4),
    feature_channels=4,
    classifier_widths=(4,),
    motion_units=4,
    spatial_widths=(4, 4),
    temporal_widths=(4,),
    filter_widths=(8,),
    pixel_widths=(8,),
)


@pytest.fixture(name="trainer")
def _trainer():
    """Its steps run eagerly: nothing is traced for the one time that they are taken."""
    model = LMVP(SMALL)
    model.build((None, 10, 16, 16, 1))
    tf.config.run_functions_eagerly(True)
    yield train_lmvp.Trainer(model)
    tf.config.run_functions_eagerly(False)


def moved(trainer, step, *args):
    """Names of the networks that a step moves."""
    networks = trainer.model.networks
    before = {name: [v.numpy() for v in theta] for name, theta in networks.items()}
    report = step(*args)
    assert all(np.isfinite(value.numpy()) for value in report.values())
    changed = {
        name
        for name, theta in networks.items()
        if any((v.numpy() != old).any() for v, old in zip(theta, before[name], strict=True))
    }
    return "".join(sorted(changed))


def test_pretraining_moves_every_network_and_the_main_loop_too(trainer, monkeypatch):
    video = tf.constant(np.random.default_rng(0).random((1, 20, 16, 16, 1), np.float32))
    assert moved(trainer, trainer.pretrain, video, 19) == "CFGM"
    monkeypatch.setattr(trainer, "train_discriminator", lambda video, rollout: tf.constant(0.0))
    assert moved(trainer, trainer.main, video) == "GM"  # F by Eq. 1 alone


@pytest.mark.slow
def test_it_trains_and_draws(tmp_path, digits_file, monkeypatch, capsys):
    monkeypatch.setattr(train_lmvp, "LMVPSettings", lambda: SMALL)
    picture = str(tmp_path / "digits.png")
    options = ["--steps=5", "--batch=1", f"--mnist_path={digits_file}", f"--output={picture}"]
    train_lmvp.main(options)
    printed = capsys.readouterr().out
    assert "step    4" in printed
    assert "L_M_T" in printed
    assert Image.open(picture).size == (20 * 64, 2 * 64)
