"""The training run: Algorithm 1's steps, log, validation, checkpoints, and a clean stop."""

import contextlib
import itertools
import json
import signal
import sys
import time

import keras
import numpy as np
import tensorflow as tf
from tqdm import tqdm

from lmvp_tf import configs
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.files import write_json
from lmvp_tf.metrics import MetricAccumulator
from lmvp_tf.models.lmvp import LMVP
from lmvp_tf.training import algorithm1, supervised
from lmvp_tf.training.checkpoint import Checkpoints, TrainState
from lmvp_tf.training.log import RunLog, flow_picture, strip
from lmvp_tf.training.profiler import Profiler


def train(config, workdir, profile=None):
    """Trains until `max_steps` or `max_seconds`, or goes on where an earlier run of the workdir
    stopped.

    Args:
      config: the Config; saved as config.json in the workdir.
      workdir: a pathlib.Path, made when it is missing.
      profile: (first, last), steps to record for TensorBoard's profiler; None for none.

    Returns:
      True when the run is complete, False when a signal stopped it; it is saved either way.

    Raises:
      UserError: the workdir belongs to another config or to other data, or cannot be written, or
        the run is past the steps to record.
      RunError: a loss is not finite, or the disk is full.
    """
    training = config.training
    claim_workdir(config, workdir)
    videos = open_dataset(config)
    print(f"Data: {videos.source}")
    claim_data(videos, workdir)
    keras.utils.set_random_seed(training.seed)
    state = TrainState(config)
    if not state.optimizers:
        Checkpoints(workdir, state.checkpoint).save(0)
        print(f"{config.model_name} has nothing to train.")
        return True
    checkpoints = Checkpoints(workdir, state.checkpoint)
    if checkpoints.restore():
        print(f"Goes on from step {int(state.step)} of {workdir}.")
    if profile and profile[0] <= int(state.step):
        raise UserError(
            f"--profile={profile[0]},{profile[1]}: the run is at step {int(state.step)} already; "
            "give later steps"
        )
    try:
        run_log = RunLog(workdir, config, int(state.step))
        profiler = Profiler(workdir, profile)
        with _StopSignals() as stop, contextlib.closing(run_log), contextlib.closing(profiler):
            _run_steps(config, state, videos, run_log, checkpoints, profiler, stop)
    except OSError as error:
        raise RunError(
            f"{workdir} cannot be written any more ({error.strerror or error}) at step "
            f"{int(state.step)}; the same command goes on from the last checkpoint"
        ) from error
    done = _complete(config, state)
    if not done:
        print(
            f"Stopped and saved at step {int(state.step)}. The same command goes on from there.",
            flush=True,
        )
    return done


def claim_workdir(config, workdir):
    """Writes config.json, or checks that the one which is there is the same.

    Raises:
      UserError: the workdir cannot be written, or is of another config; the fields are named.
    """
    path = workdir / "config.json"
    if path.exists():
        differences = configs.differences(configs.load(path), config)
        if differences:
            raise UserError(
                f"{workdir} belongs to a run with another config ({'; '.join(differences)}); "
                "give another --workdir, or the settings it was made with"
            )
    try:
        write_json(path, configs.to_dict(config))
    except RunError as error:
        raise UserError(f"the workdir is not writable: {error}") from error


def claim_data(videos, workdir):
    """Writes data.json, or refuses to go on with other data than the run began with.

    Raises:
      UserError: the data are others.
    """
    path = workdir / "data.json"
    if path.exists():
        before = json.loads(path.read_text(encoding="utf-8"))
        if before["fingerprint"] != videos.fingerprint:
            raise UserError(
                f"{workdir} was trained on other data ({before['source']}) than what is found now "
                f"({videos.source}); give the same data, or another --workdir"
            )
    write_json(path, {"source": videos.source, "fingerprint": videos.fingerprint})


def procedure(model):
    """How a model is trained: the module with its `steps` and `phase`."""
    return algorithm1 if isinstance(model, LMVP) else supervised


def _run_steps(config, state, videos, run_log, checkpoints, profiler, stop):
    training = config.training
    step = int(state.step)
    if training.jit_compile:
        steps = compiled_steps(config, state, videos)
        batches = (tf.constant(number, tf.int64) for number in itertools.count(step))
    else:
        steps = traced_steps(config, state)
        batches = iter(videos.train(training.seed, training.batch_size, first_step=step))
    phase_of = procedure(state.model).phase
    validate = _Validation(config, state.model, videos)
    clock = _Clock(state, training.batch_size)
    saved_at = time.monotonic()
    progress = _progress_bar(step, training.max_steps)
    with progress:
        while not _complete(config, state) and not stop.requested:
            phase = phase_of(training, step)
            with clock.waiting():
                batch = next(batches)
            with clock.stepping(), profiler.step(step + 1):
                report = {name: float(value) for name, value in steps[phase](batch).items()}
            step += 1
            _check_finite(report, step)
            progress.update()
            last = _complete(config, state)
            if step % training.log_every == 0 or last:
                row = {"phase": phase, "sequences": step * training.batch_size, **report}
                row |= clock.report() | _learning_rates(state.optimizers)
                if step % training.validate_every == 0 or last:
                    scores, images = validate()
                    row |= scores
                    run_log.images(step, images)
                run_log.scalars(step, row)
                progress.set_postfix_str(_summary(row))
            if time.monotonic() - saved_at > training.checkpoint_seconds:
                checkpoints.save(step)
                saved_at = time.monotonic()
    if str(step) != str(checkpoints.manager.latest_checkpoint).rpartition("-")[2]:
        checkpoints.save(step)


def traced_steps(config, state):
    """The step of every phase as a tf.function: one batch in, updated networks and a report out."""
    skip_graph_optimizer()
    return {
        phase: tf.function(_counted(step, state), autograph=False)  # whose start takes seconds
        for phase, step in _steps(config, state).items()
    }


def skip_graph_optimizer():
    """Leaves graphs as they are traced, from now on in this process, unless there is a GPU.

    On a CPU the graph optimizer takes half a second of the start and makes no step faster. Besides,
    its remapper (TensorFlow 2.21) fails now and then on the gradient of a rolled loop, and on what
    it leaves behind oneDNN's layout pass aborts the process.
    """
    if not tf.config.list_physical_devices("GPU"):
        tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})


def compiled_steps(config, state, videos):
    """The step of every phase compiled by XLA as a whole, its batch drawn inside: the batch's
    number in, int64, updated networks and a report out.
    """
    draw = videos.in_graph(config.training.seed, config.training.batch_size)

    def compiled(step):
        return tf.function(lambda number: step(draw(number)), jit_compile=True, autograph=False)

    return {phase: compiled(_counted(step, state)) for phase, step in _steps(config, state).items()}


def _steps(config, state):
    return procedure(state.model).steps(state.model, state.optimizers, config)


def _counted(step, state):
    def counted(video):
        report = step(video)
        state.step.assign_add(1)
        return report

    return counted


def _complete(config, state):
    training = config.training
    out_of_time = 0 < training.max_seconds <= float(state.seconds)
    return int(state.step) >= training.max_steps or out_of_time


def _check_finite(report, step):
    # A gradient that overflows is not the end: in float16 its step is left out.
    names = [name for name in report if not name.startswith("gradient_norm")]
    bad = [name for name in names if not np.isfinite(report[name])]
    if bad:
        raise RunError(
            f"{', '.join(bad)} not finite at step {step}: training has diverged. The last "
            "checkpoint is from before; try a lower --set training.learning_rate"
        )


def _learning_rates(optimizers):
    return {
        f"learning_rate/{name}": float(optimizer.learning_rate)
        for name, optimizer in optimizers.items()
        if name != "F"  # G's
    }


def _progress_bar(step, max_steps):
    interval = 0.5 if sys.stderr.isatty() else 30.0  # a log file wants a line now and then
    return tqdm(
        total=max_steps, initial=step, unit="step", mininterval=interval, dynamic_ncols=True
    )


def _summary(row):
    names = ("L_recons", "L_dis", "L_M_L", "L_M_T", "validation/mse_per_frame")
    return " ".join(f"{name.rpartition('/')[2]}={row[name]:.4g}" for name in names if name in row)


class _Clock:
    """Measures training time, and which part of it was spent waiting for data.

    Args:
      state: the TrainState whose `seconds` and `cpu_seconds` sum it over all runs of a workdir.
      batch_size: sequences per step.
    """

    def __init__(self, state, batch_size):
        self.state = state
        self.batch_size = batch_size
        self._reset()

    def _reset(self):
        self.steps, self.waited, self.stepped = 0, 0.0, 0.0

    @contextlib.contextmanager
    def waiting(self):
        with self._measuring("waited"):
            yield

    @contextlib.contextmanager
    def stepping(self):
        with self._measuring("stepped"):
            yield
        self.steps += 1

    def report(self):
        """Speed since the last report."""
        total = self.waited + self.stepped
        report = {
            "seconds": float(self.state.seconds),
            "cpu_seconds": float(self.state.cpu_seconds),
            "sequences_per_second": self.steps * self.batch_size / total,
            "data_wait_fraction": self.waited / total,
        }
        self._reset()
        return report

    @contextlib.contextmanager
    def _measuring(self, name):
        start, cpu_start = time.perf_counter(), time.process_time()
        yield
        duration = time.perf_counter() - start
        setattr(self, name, getattr(self, name) + duration)
        self.state.seconds.assign_add(duration)
        self.state.cpu_seconds.assign_add(time.process_time() - cpu_start)


class _Validation:
    """Scores and pictures on sequences that no run is trained on."""

    def __init__(self, config, model, videos):
        self.config, self.model = config, model
        self.num_inputs = config.data.num_inputs
        count = config.training.validation_sequences
        self.batches = videos.validation(count, min(config.training.batch_size, count)).cache()
        num_predicted = config.data.num_frames - self.num_inputs
        self.predict = tf.function(
            lambda inputs: model(inputs, num_predicted=num_predicted), autograph=False
        )
        self.flow = tf.function(model.filter_flow, autograph=False)

    def __call__(self):
        accumulator = MetricAccumulator(with_bce=self.config.losses.reconstruction == "bce")
        first = None
        for video in self.batches:
            prediction = self.predict(video[:, : self.num_inputs])
            accumulator.update(video[:, self.num_inputs :], prediction)
            first = first or (video[0].numpy(), prediction[0].numpy())
        means = accumulator.result()["metrics"]
        names = ("bce", "mse_per_frame", "psnr", "ssim_tf")
        scores = {f"validation/{name}": means[name] for name in names if means[name] is not None}
        return scores, self._pictures(*first)

    def _pictures(self, video, prediction):
        pictures = {"prediction": strip([video, prediction])}
        flow = self.flow(video[None])
        if flow is not None:
            radius = (self.config.model.kernel_size - 1) // 2
            colours = flow_picture(flow[0].numpy(), video, radius)
            pictures["filters"] = strip([video, colours])
        return pictures


class _StopSignals:
    """Turns the first Ctrl-C or SIGTERM into a request to stop after the step that is running."""

    _SIGNALS = (signal.SIGINT, signal.SIGTERM)

    def __enter__(self):
        self.requested = False
        self._before = {number: signal.signal(number, self._request) for number in self._SIGNALS}
        return self

    def __exit__(self, *exception):
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, number, frame):
        del frame
        self.requested = True
        signal.signal(number, self._before[number])  # a second one ends the program at once
