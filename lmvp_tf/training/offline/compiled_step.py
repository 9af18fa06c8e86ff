"""Training on a host without TensorFlow: the compiled steps as files that JAX alone can run.

    python run_train.py ... --dump_step=DIR                here: every phase's step, and the state
    python DIR/run_steps.py DIR --seconds 540              there: needs jax and numpy
    python run_train.py ... --load_state=DIR/trained.npz   here: a checkpoint at the step reached

What runs there is what `--jit_compile` runs here: the same program of XLA, with the batch drawn
inside. Every variable has a name of its own that all phases share, so that one file of state serves
them all.
"""

from __future__ import annotations

import math
import pathlib
import re
import shutil
from collections.abc import Iterable, Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

from lmvp_tf import configs
from lmvp_tf.configs import Config
from lmvp_tf.datasets.base import Dataset
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.errors import UserError, one_line
from lmvp_tf.files import whole_folder, write_json
from lmvp_tf.locks import only_writer
from lmvp_tf.readers import file_sha256, read_npz
from lmvp_tf.training import claim, log
from lmvp_tf.training.checkpoint import Checkpoints, TrainState, newest_step
from lmvp_tf.training.graphs import compiled_steps

RUNNER = pathlib.Path(__file__).with_name("run_steps.py")
MANIFEST, STATE, DATA = "manifest.json", "state.npz", "data.npz"

Arrays = dict[str, Any]  # name -> npt.NDArray: NumPy's types take names for options of savez


def dump_run(config: Config, workdir: pathlib.Path | None, directory: pathlib.Path) -> list[str]:
    """`dump` of a new run, or of a workdir's where it stopped. Returns lines that tell what it did.

    Raises:
      UserError: the model has nothing to train, the workdir is of another config, or the data
        cannot be used.
      RunError: a file cannot be written.
    """
    videos = open_dataset(config)
    begun = workdir if workdir and (workdir / "config.json").exists() else None
    if begun:
        config = claim.check(config, begun, videos)
    keras.utils.set_random_seed(config.training.seed)
    state = TrainState(config)
    if not state.optimizers:
        raise UserError(f"--model={config.model_name} has nothing to train, so no step to dump")
    if begun:
        Checkpoints(begun, state.checkpoint).restore()
    sizes = dump(config, state, videos, directory)
    return [
        f"Data: {videos.source}",
        f"{directory}: starts at step {int(state.step)}",
        *(f"{phase}: HLO of {size / 1e6:.1f} MB" for phase, size in sizes.items()),
    ]


def load_run(config: Config, workdir: pathlib.Path, path: pathlib.Path) -> int:
    """Puts what run_steps.py brought back into a workdir, as a checkpoint at its step.

    The workdir is made when it is missing. The log.csv beside the file becomes its own, from where
    that one ends. Returns the step.

    Raises:
      UserError: the workdir is of another config, in use, or further already; or the file does not
        fit. The workdir's run is then as it was.
    """
    videos = open_dataset(config)
    config = claim.check(config, workdir, videos)
    state = TrainState(config)
    step = fill(state, path)
    with only_writer(workdir):
        claim.check(config, workdir, videos)
        claim.clear_leftovers(workdir)
        newest = newest_step(workdir)
        if newest is not None and newest >= step:
            raise UserError(
                f"{workdir} is at step {newest} already and {path} at step {step}: give another "
                "--workdir"
            )
        claim.write(config, workdir, videos, step)
        Checkpoints(workdir, state.checkpoint).save(step)
        log.merge(workdir / "log.csv", path.with_name("log.csv"), step)
    return step


def dump(
    config: Config, state: TrainState, videos: Dataset, directory: pathlib.Path
) -> dict[str, int]:
    """Writes the compiled step of every phase, its variables, and the program that runs it.

    Args:
      config: the Config.
      state: the TrainState to start from.
      videos: the dataset, from `open_dataset`.
      directory: a pathlib.Path, made when it is missing.

    Returns:
      {phase: size of its HLO in bytes}.

    Raises:
      RunError: a file cannot be written.
    """
    named = state_variables(state)
    names = {id(variable.handle): name for name, variable in named.items()}
    data: Arrays = {}
    phases = {}
    steps, ends = compiled_steps(config, state, videos), state.procedure.ends()
    before = [path.name for path in directory.glob("*.hlo")]
    with whole_folder(directory, MANIFEST, before) as new:
        for phase in ends:
            hlo, phases[phase] = _compile(steps[phase], names, data)
            (new / f"{phase}.hlo").write_bytes(hlo)
        np.savez(new / STATE, **{name: variable.numpy() for name, variable in named.items()})
        np.savez_compressed(new / DATA, **data)
        shutil.copyfile(RUNNER, new / RUNNER.name)
        manifest = {
            "phases": phases,
            "ends": ends,
            "batch_size": config.training.batch_size,
            "log_columns": _log_columns(phases),
            "config": configs.to_dict(config),
            "sha256": {path.name: file_sha256(path) for path in sorted(new.iterdir())},
        }
        write_json(new / MANIFEST, manifest)
    return {phase: (directory / f"{phase}.hlo").stat().st_size for phase in phases}


def fill(state: TrainState, path: pathlib.Path) -> int:
    """Puts what run_steps.py brought back into a TrainState.

    Args:
      state: the TrainState.
      path: a pathlib.Path, the npz that run_steps.py wrote.

    Returns:
      Its step.

    Raises:
      UserError: the file cannot be read, or is of another model, or holds what no run comes to.
        The state is then as it was.
    """
    named = state_variables(state)
    values = _read_state(path, named)
    with np.errstate(over="ignore"):  # what is too large for its variable becomes an infinity
        types = {name: variable.dtype.as_numpy_dtype for name, variable in named.items()}
        values = {name: value.astype(types[name]) for name, value in values.items()}
    for name, value in values.items():
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise UserError(f"{path} cannot be loaded: {name} has a NaN or an infinity")
    for name in ("step", "seconds", "cpu_seconds"):
        if not 0 <= values[name] <= _MOST:
            raise UserError(f"{path} cannot be loaded: its {name} is {values[name]}")
    for name, variable in named.items():
        variable.assign(values[name])
    return int(state.step)


_MOST = 2**31 - 1  # steps, or seconds
_OVERHEAD = 2**16  # bytes of an array in an archive besides its numbers


def _read_state(path: pathlib.Path, named: Mapping[str, tf.Variable]) -> Arrays:
    """The arrays of the npz: one for each of the variables, of its shape and kind, and no other."""
    most = sum(8 * math.prod(variable.shape) + _OVERHEAD for variable in named.values())
    try:
        values = read_npz(path, most)
    except FileNotFoundError as error:
        raise UserError(f"there is no {path}") from error
    wrong = [
        name
        for name, variable in named.items()
        if name not in values
        or values[name].shape != tuple(variable.shape)
        or values[name].dtype.kind != variable.dtype.as_numpy_dtype().dtype.kind
    ]
    wrong += [name for name in values if name not in named]
    if wrong:
        raise UserError(
            f"{path} is the state of another model or run: {len(wrong)} of {len(named)} variables "
            f"do not fit, the first is {one_line(wrong[0])}"
        )
    return values


def state_variables(state: TrainState) -> dict[str, tf.Variable]:
    """Every variable of a TrainState by a name that does not depend on the process."""
    named = {"step": state.step, "seconds": state.seconds, "cpu_seconds": state.cpu_seconds}
    groups = {f"networks/{name}": theta for name, theta in state.model.networks.items()}
    groups["statistics"] = state.model.statistics
    groups |= {f"optimizers/{name}": o.variables for name, o in state.optimizers.items()}
    for group, variables in groups.items():
        for i, variable in enumerate(variables):
            named[f"{group}/{i:03}"] = getattr(variable, "value", variable)
    return named


def _log_columns(phases: Mapping[str, Mapping[str, Iterable[str]]]) -> list[str]:
    """The columns of run_steps.py's log.csv: its own, and what any phase reports."""
    metrics = {name: None for entry in phases.values() for name in entry["metrics"]}
    return ["step", "seconds", "sequences", "phase", *metrics]


def _compile(step: Any, names: Mapping[int, str], data: Arrays) -> tuple[bytes, dict[str, Any]]:
    """(serialised HLO, entry of the manifest) of a step; adds what it only reads to `data`."""
    number = tf.constant(0, tf.int64)
    concrete = step.get_concrete_function(number)
    variables = {id(variable.handle): variable for variable in concrete.graph.variables}
    captured = []
    for tensor in concrete.captured_inputs:
        name = names.get(id(tensor))
        if name is None:
            value = variables[id(tensor)] if tensor.dtype == tf.resource else tensor
            name = _add(data, value.numpy())
        captured.append(name)
    ir = step.experimental_get_compiler_ir(number)
    header = ir(stage="hlo").split("entry_computation_layout")[0]
    aliases = re.findall(r"\{(\d*)\}:\s*\((\d+),", header)
    return _without_copies(ir(stage="hlo_serialized")), {
        "captured": captured,  # names of parameters 1, 2, ...; parameter 0 is the batch's number
        "aliases": {int(output or 0): int(parameter) for output, parameter in aliases},
        "metrics": sorted(concrete.structured_outputs),
    }


def _without_copies(serialized: bytes) -> bytes:
    """The same HLO in the words of StableHLO, which is all that JAX's GPU plugin takes: it has no
    `copy`. A reshape to the same shape says as much.
    """
    module = hlo_pb2.HloModuleProto.FromString(serialized)
    for computation in module.computations:
        for instruction in computation.instructions:
            if instruction.opcode == "copy":
                instruction.opcode = "reshape"
    return module.SerializeToString()


def _add(data: Arrays, value: npt.NDArray[Any]) -> str:
    """Adds an array to `data`, unless it is there; returns its name."""
    for name, known in data.items():
        if known.dtype == value.dtype and np.array_equal(known, value):
            return name
    name = f"data/{len(data):03}"
    data[name] = value
    return name
