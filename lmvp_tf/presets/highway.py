"""The presets of Highway Drive. `--model` and `--set` change any of them."""

from __future__ import annotations

from lmvp_tf.presets.preset import Preset
from lmvp_tf.recipe import LossConfig, TrainingConfig

# A squared error is far smaller than BCE, and so are the weights of what stands beside it.
_LOSSES = LossConfig(reconstruction="mse", gdl_weight=0.005, gamma=0.0005)
# Natural video moves farther than digits do, and shows what was not seen before.
_FILTER = {"model.kernel_size": 11, "model.dynamic_bias": True, "model.identity_start": True}
_LMVP = {**_FILTER, "model.clip_length": 3, "model.feature_normalization": True}
_DFN = {**_FILTER, "model.num_seen": 2}
_MCNET = {"model.judged": 3}  # all predicted frames, as the authors
# As on Moving MNIST, in runs that are short beside the authors'.
_SHORT = {"training.learning_rate": 1e-3, "training.decay": "one_cycle"}


def demo() -> Preset:
    """Two minutes on two cores: `python run_train.py --dataset=highway --preset=demo`.

    The narrow model, to see the way from a drive to a prediction. 124 s of training on the drive of
    docs/results.md gave 0.70 times the last frame's MSE on the end of it, and 0.85 on another.
    """
    return Preset(
        size="demo",
        data={"frame_stride": 2, "mirror": True},
        losses=_LOSSES,
        training=TrainingConfig(
            batch_size=8,
            one_step_steps=300,
            pretrain_steps=500,
            max_steps=560,
            max_seconds=420.0,  # on a slower machine
            learning_rate=2e-3,
            warmup_steps=20,
            decay="cosine",
            validate_every=100,
            validation_sequences=16,
        ),
        by_model={"lmvp": _LMVP, "dfn": _DFN, "mcnet": _MCNET},
    )


def small() -> Preset:
    """72 minutes of one core (AMD EPYC, Zen 5): `run_train.py --dataset=highway --preset=small`.

    Training windows are squares of half a frame's side or more, of frames built at 128x128, at one
    of four speeds; without that a short drive is soon known by heart (docs/experiments.md). 880
    windows of one drive gave an MSE of 0.33 times the last frame's on the end of it, and 0.57 on
    another: docs/results.md.
    """
    return Preset(
        size="small",
        data={
            "frame_stride": 2,
            "mirror": True,
            "random_stride": 4,
            "reverse": True,
            "crop": 0.5,
            "contrast": 0.3,
        },
        losses=_LOSSES,
        training=TrainingConfig(
            batch_size=8,
            one_step_steps=2800,
            pretrain_steps=7700,
            max_steps=8500,
            learning_rate=2e-3,
            guider_learning_rate=3e-5,
            warmup_steps=100,
            phase_warmup_steps=300,  # gradients of open loop are ten times one-step's
            decay="cosine",
            beta_2=0.99,  # and Adam has to notice soon
            validate_every=500,
        ),
        by_model={
            "lmvp": {**_LMVP, "model.feature_widths": (48,)},  # a finer map paid
            "dfn": {**_DFN, "training.max_steps": 18_000},  # LMVP's CPU time (AMD EPYC, Zen 4)
            "simvp": {"training.max_steps": 9000},
            "predrnn": {**_SHORT, "training.max_steps": 18_500},
            "mcnet": {**_MCNET, **_SHORT, "training.max_steps": 19_800},
        },
    )


def paper() -> Preset:
    """The paper's scale: `python run_train.py --dataset=highway --preset=paper`, on a GPU.

    For the authors' 16,000 frames of 64x64; not run on them. Its widths on the short drive of
    docs/results.md, with the windows of `small`: `results/highway/*-paper-short_drive*`. DFN has
    its authors' widths, 368,122 parameters.
    """
    return Preset(
        size="paper",
        losses=_LOSSES,
        training=TrainingConfig(
            batch_size=16,
            one_step_steps=3500,
            pretrain_steps=18_500,
            max_steps=20_000,
            guider_learning_rate=3e-5,
            frames_together=False,
            warmup_steps=200,
            phase_warmup_steps=500,
            decay="cosine",
            beta_2=0.99,
            validate_every=1000,
            validation_sequences=256,
        ),
        by_model={
            "lmvp": _LMVP,
            "dfn": {
                **_DFN,
                "model.position_bias": True,
                "model.encoder_widths": (32, 32, 64, 64),
                "model.decoder_widths": (64,),
                "model.pixel_widths": (32, 64),
            },
            "mcnet": _MCNET,
        },
    )


PRESETS = {"demo": demo, "small": small, "paper": paper}
