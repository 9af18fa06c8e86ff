"""The presets of `--dataset=video`. `--model` and `--set` change any of them.

What depends on the videos (frames, their number, the filters' size) is chosen by looking at them:
lmvp_tf/datasets/video.py.
"""

from __future__ import annotations

from typing import Any

from lmvp_tf.presets.preset import Preset
from lmvp_tf.recipe import LossConfig, TrainingConfig

# A squared error is far smaller than BCE, and so are the weights of what stands beside it.
_LOSSES = LossConfig(reconstruction="mse", gdl_weight=0.005, gamma=0.0005)
# Natural video shows what was not seen before.
_FILTER: dict[str, Any] = {"model.dynamic_bias": True, "model.identity_start": True}
_BY_MODEL: dict[str, dict[str, Any]] = {
    "lmvp": {**_FILTER, "model.feature_normalization": True},
    "dfn": {**_FILTER, "model.num_seen": 2},
}


def demo() -> Preset:
    """Up to five minutes of training: `python run_train.py --dataset=video --preset=demo`.

    The narrow model, to see the way from a film to a prediction. In colour at 72x128, five frames
    in and five out, it takes 440 CPU seconds (Intel Xeon): 0.67 a one-step step, 0.79 in open loop,
    1.33 in the main loop.
    """
    return Preset(
        size="demo",
        data={"mirror": True},
        losses=_LOSSES,
        training=TrainingConfig(
            batch_size=4,
            one_step_steps=300,
            pretrain_steps=500,
            max_steps=560,
            max_seconds=300.0,
            learning_rate=2e-3,
            warmup_steps=20,
            decay="cosine",
            validate_every=100,
            validation_sequences=16,
        ),
        by_model=_BY_MODEL,
    )


def small() -> Preset:
    """An hour of one core: `python run_train.py --dataset=video --preset=small`.

    In colour at 72x128, five frames in and five out, it takes 3,550 CPU seconds (Intel Xeon): 0.80
    a one-step step, 1.00 in open loop, 1.69 in the main loop.
    """
    return Preset(
        size="small",
        data={"mirror": True, "random_stride": 2, "contrast": 0.3},
        losses=_LOSSES,
        training=TrainingConfig(
            batch_size=4,
            one_step_steps=1200,
            pretrain_steps=3200,
            max_steps=3550,
            max_seconds=3600.0,
            learning_rate=2e-3,
            guider_learning_rate=3e-5,
            warmup_steps=100,
            phase_warmup_steps=300,
            decay="cosine",
            beta_2=0.99,
            validate_every=500,
        ),
        by_model=_BY_MODEL,
    )


PRESETS = {"demo": demo, "small": small}
