"""Trains LMVP by Algorithm 1 of the paper, or a baseline by its reconstruction loss.

    python run_train.py --dataset=moving_mnist --preset=small --workdir=runs/mm

The workdir receives config.json, log.csv, checkpoints, and TensorBoard's event files
(tensorboard --logdir runs). The same command again goes on where the run stopped, also after
Ctrl-C.
"""

from __future__ import annotations

import json
import re
import shlex

from absl import flags, logging

from lmvp_tf import configs, runtime, stopping
from lmvp_tf.commands import cli, data_flags, device_flags
from lmvp_tf.configs import Config
from lmvp_tf.datasets.registry import DATASETS, dataset_class
from lmvp_tf.models.registry import MODELS
from lmvp_tf.training.retrying import RETRY_SECONDS

_DATASET = flags.DEFINE_enum("dataset", "moving_mnist", list(DATASETS), "What to train on.")
_PRESET = flags.DEFINE_string(
    "preset",
    "small",
    "Named configuration, such as demo, small or paper. lmvp_tf/presets/ has a page for each data "
    "set that says what each costs and reaches.",
)
_MODEL = flags.DEFINE_enum("model", "lmvp", list(MODELS), "What to train.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; made when it is missing.")
_MAX_STEPS = flags.DEFINE_integer("max_steps", None, "Steps in all, pre-training included.")
_SIZE = flags.DEFINE_string(
    "size", None, "HEIGHTxWIDTH of the frames in pixels, as 72x128; 64 for a square."
)
_BATCH_SIZE = flags.DEFINE_integer("batch_size", None, "Sequences per step.")
_SEED = flags.DEFINE_integer("seed", None, "Seed of the initial weights and of the data's order.")
_SET = flags.DEFINE_multi_string(
    "set",
    [],
    "Any field of the config, as in --set model.kernel_size=5 --set losses.gamma=0.2. "
    "--describe prints them all.",
)
_JIT_COMPILE = flags.DEFINE_bool("jit_compile", None, "Compile the whole training step by XLA.")
_MIXED_PRECISION = flags.DEFINE_enum(
    "mixed_precision",
    None,
    ["none", "bfloat16", "float16"],
    "Precision of the convolutions. Losses, states and weights stay float32; float16 scales the "
    "losses. For accelerators: on a CPU either is several times slower.",
)
_ON_NONFINITE = flags.DEFINE_enum(
    "on_nonfinite",
    None,
    ["stop", "skip"],
    "What comes of an update that is not finite: the run ends, or skips it for the network that it "
    "is of, up to 20 times in a row.",
)
_DATA_SERVICE = flags.DEFINE_string(
    "data_service",
    None,
    "grpc://HOST:PORT: batches are made there, by python -m lmvp_tf data_service.",
)
_PROFILE = flags.DEFINE_string(
    "profile",
    None,
    "START,STOP: record these steps and those between them for TensorBoard's profiler "
    "(pip install tensorboard-plugin-profile).",
)
_DESCRIBE = flags.DEFINE_bool(
    "describe", False, "Print the config and the number of parameters as JSON, and exit."
)
_RESTART = flags.DEFINE_bool(
    "restart",
    False,
    "Begin anew in a workdir that has a run: what is there is kept in its folder before-1, ...",
)
_RETRY_SECONDS = flags.DEFINE_float(
    "retry_seconds",
    RETRY_SECONDS,
    "How long to wait for a disk that is full, or a workdir that is away, and to try again, before "
    "the run ends.",
    0,
)
_REPRODUCE = flags.DEFINE_integer(
    "reproduce",
    None,
    "Take this step of the run again, from the checkpoint before it on, print its batch, losses "
    "and norms of gradients, and exit. Nothing is written.",
    1,
)
_DUMP_STEP = flags.DEFINE_string(
    "dump_step",
    None,
    "Write the compiled steps into this folder, for a host that has JAX and no TensorFlow, and "
    "exit. They start where the workdir is, if one is given.",
)
_LOAD_STATE = flags.DEFINE_string(
    "load_state",
    None,
    "Put the trained.npz that came back from there into the workdir as a checkpoint, and exit.",
)


def config_from_flags() -> Config:
    """The preset's Config with what the flags change."""
    from lmvp_tf.presets import named  # TensorFlow takes seconds: not for --help

    values = {
        "training.max_steps": _MAX_STEPS.value,
        "training.batch_size": _BATCH_SIZE.value,
        "training.seed": _SEED.value,
        "training.jit_compile": _JIT_COMPILE.value,
        "training.mixed_precision": _MIXED_PRECISION.value,
        "training.on_nonfinite": _ON_NONFINITE.value,
    }
    values = {path: value for path, value in values.items() if value is not None}
    values |= _size() | data_flags.values()
    config = named.get(_DATASET.value, _PRESET.value, _MODEL.value)
    values |= configs.parse_overrides(_SET.value)
    config = configs.replace(config, values)
    return configs.validate(dataset_class(config.dataset).resolve(config, values))


def _size() -> dict[str, int]:
    """The fields that --size sets."""
    if _SIZE.value is None:
        return {}
    from lmvp_tf.films.options import parse_size

    height, width = parse_size(_SIZE.value)
    return {"data.height": height, "data.width": width}


def profiled_steps(text: str, max_steps: int) -> tuple[int, int]:
    """The two steps that a text such as "10,12" names.

    Raises:
      UserError: it is not two steps of the run, in order.
    """
    match = re.fullmatch(r"(\d+),(\d+)", text)
    first, last = map(int, match.groups()) if match else (0, 0)
    if not 1 <= first <= last <= max_steps:
        raise cli.UserError(
            "--profile wants START,STOP, the first and the last step to record, from 1 to "
            f"training.max_steps = {max_steps}. Received: {text}"
        )
    return first, last


def describe(config: Config) -> str:
    """The config and the trainable parameters per network, as JSON."""
    from lmvp_tf.training.checkpoint import build_model

    parameters = build_model(config).parameter_counts()
    return json.dumps({"config": configs.to_dict(config), "parameters": parameters}, indent=2)


def _say_if_slow(config: Config) -> None:
    import tensorflow as tf

    chosen = config.training.mixed_precision
    kinds = {device.device_type for device in tf.config.list_logical_devices()}
    if chosen != "none" and kinds == {"CPU"} and runtime.halves_are_slow():
        logging.warning(
            "training.mixed_precision=%s is slow on this processor, which has no AVX-512: "
            "--set training.mixed_precision=none takes half the time",
            chosen,
        )


def main(argv: list[str]) -> int:
    del argv
    workdir = cli.folder("workdir", _WORKDIR.value) if _WORKDIR.value else None
    if not (workdir or _DESCRIBE.value or _DUMP_STEP.value):
        raise cli.UserError("--workdir is missing: the folder that the run is kept in")
    runtime.import_tensorflow()  # takes seconds: not for --help or a bad flag
    devices = device_flags.open_devices(_DATA_SERVICE.value)
    config = config_from_flags()
    if _DESCRIBE.value:
        print(describe(config))
        return 0
    if _DUMP_STEP.value:
        from lmvp_tf.training.offline import compiled_step

        directory = cli.folder("dump_step", _DUMP_STEP.value)
        for line in compiled_step.dump_run(config, workdir, directory):
            print(line)
        print(f"Run it there: python {directory}/run_steps.py {directory}")
        return 0
    assert workdir is not None  # as was seen above
    if _LOAD_STATE.value:
        from lmvp_tf.training.offline import compiled_step

        step = compiled_step.load_run(config, workdir, cli.folder("load_state", _LOAD_STATE.value))
        print(f"{workdir} is at step {step} now.")
        return 0
    if _REPRODUCE.value:
        from lmvp_tf.training.reproduce import reproduce

        print("\n".join(reproduce(config, workdir, _REPRODUCE.value)))
        return 0
    profile = profiled_steps(_PROFILE.value, config.training.max_steps) if _PROFILE.value else None
    from lmvp_tf.training import loop

    _say_if_slow(config)
    options = profile, _RESTART.value, _RETRY_SECONDS.value, devices
    if not loop.train(config, workdir, *options):
        return stopping.exit_code()
    if devices.is_chief:
        print(f"Trained. Evaluate it: python run_eval.py --workdir={shlex.quote(str(workdir))}")
    return 0


def run() -> None:
    """The program."""
    cli.run(main)
