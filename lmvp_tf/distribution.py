"""Over which devices and machines a run is spread: TensorFlow's strategies, as the loop sees them.

A batch of a run is one batch whatever the number of replicas: each takes an equal part of it, and
what they find is averaged. So a run may be stopped on some devices and go on upon others.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import os
import re
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import tensorflow as tf

from lmvp_tf.datasets import data_service
from lmvp_tf.datasets.base import Dataset
from lmvp_tf.errors import UserError, WorkerLost
from lmvp_tf.recipe import TrainingConfig

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Distribution:
    """The devices of a run. Without arguments: the one that TensorFlow chooses.

    Attributes:
      strategy: a tf.distribute.Strategy.
      kind: "none", "mirrored", "multi_worker" or "tpu".
      workers: number of processes that share the run.
      worker: which of them this one is, from 0.
      data_service: address of a tf.data service that makes the batches; None: they are made here.
    """

    strategy: tf.distribute.Strategy = dataclasses.field(default_factory=tf.distribute.get_strategy)
    kind: str = "none"
    workers: int = 1
    worker: int = 0
    data_service: str | None = None

    @property
    def replicas(self) -> int:
        """How many devices take a part of each batch."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def is_chief(self) -> bool:
        """Whether this process is the one that writes."""
        return self.worker == 0

    def check(self, training: TrainingConfig) -> None:
        """Refuses a run that cannot be spread over these devices.

        Raises:
          UserError: naming the field, what it may hold, and what it holds.
        """
        if training.batch_size % self.replicas:
            raise UserError(
                "training.batch_size is shared out among all replicas alike, here "
                f"{self.replicas}: give a multiple of that. Received: {training.batch_size}"
            )
        if self.kind != "none" and training.jit_compile:
            raise UserError(
                "training.jit_compile makes one program of the whole step, its batch drawn inside, "
                f"which is then that of one device: leave it out with --distribute={self.kind}"
            )
        if self.data_service and training.jit_compile:
            raise UserError(
                "training.jit_compile draws batches inside the step: leave out it or --data_service"
            )
        if self.replicas > 1 and training.on_nonfinite == "skip":
            raise UserError(
                "training.on_nonfinite=skip puts weights back, which TensorFlow allows no single "
                f"replica of several: leave it out with --distribute={self.kind}"
            )

    def batches(self, videos: Dataset, training: TrainingConfig, first_step: int) -> Iterator[Any]:
        """The batches of a run, each as a value for every replica of this process.

        Args:
          videos: the Dataset.
          training: the TrainingConfig; its batches are shared out.
          first_step: number of the first batch.
        """

        def of_this_worker(context: tf.distribute.InputContext) -> tf.data.Dataset:
            size = context.get_per_replica_batch_size(training.batch_size)
            replicas_here = self.replicas // self.workers
            shard = (context.num_input_pipelines, context.input_pipeline_id)
            drawn = training.seed, size * replicas_here, first_step, shard
            if self.data_service:
                batches = data_service.batches(videos, *drawn, self.data_service)
            else:
                batches = videos.train(*drawn)
            return batches if replicas_here == 1 else batches.rebatch(size)

        return iter(self.strategy.distribute_datasets_from_function(of_this_worker))

    def each(self, step: Callable[[tf.Tensor], dict[str, tf.Tensor]]) -> Callable[[Any], Any]:
        """A step of all replicas: takes one of `batches`, returns the means of the reports."""

        def of_replica(video: tf.Tensor) -> dict[str, tf.Tensor]:
            report = step(video)
            if self.replicas == 1:
                return report
            means = over_replicas(tf.stack(list(report.values())))  # one message, not dozens
            return dict(zip(report, tf.unstack(means), strict=True))

        def run(video: Any) -> dict[str, tf.Tensor]:
            report = self.strategy.run(of_replica, args=(video,))
            return {name: self._first(value) for name, value in report.items()}

        return run

    def spread(self, function: Callable[..., Any], **options: Any) -> Callable[..., Any]:
        """A function of batches as a graph, of which each replica computes a part.

        Args:
          function: of tensors [B, ...], to tensors [B, ...] that hold for each row by itself.
          **options: of tf.function.

        Returns:
          The same function. B need not be a multiple of the replicas: copies of the first row fill
          it up, and what comes of them is dropped. Every worker is to call it, with the same rows.
        """
        if self.replicas == 1:
            return tf.function(function, autograph=False, **options)

        @functools.partial(tf.function, autograph=False, **options)
        def compiled(*parts: Any) -> Any:
            of_replicas = self.strategy.run(function, args=parts)
            return tf.nest.map_structure(
                lambda part: self.strategy.gather(part, axis=0), of_replicas
            )

        def run(*batches: tf.Tensor) -> Any:
            size = batches[0].shape[0]
            whole = compiled(*(self._parts(batch) for batch in batches))
            return tf.nest.map_structure(lambda value: value[:size], whole)

        return run

    def _parts(self, batch: tf.Tensor) -> Any:
        """A batch as a value for every replica of this process, all of one size."""
        missing = -batch.shape[0] % self.replicas
        if missing:
            batch = tf.concat([batch, tf.repeat(batch[:1], missing, axis=0)], axis=0)
        parts = tf.split(batch, self.replicas)
        return self.strategy.experimental_distribute_values_from_function(
            lambda context: parts[context.replica_id_in_sync_group]
        )

    def sums(self, *values: float) -> list[float]:
        """The sums over all workers of numbers that each has. All wait here for one another."""
        if self.workers == 1:
            return list(values)
        means = self._first(self._means(tf.constant([*map(float, values), 0.0], tf.float64)))
        return [float(mean) * self.workers for mean in means[:-1]]

    @functools.cached_property
    def _means(self) -> Callable[[tf.Tensor], Any]:
        def of_replica(values: tf.Tensor) -> tf.Tensor:
            return over_replicas(tf.identity(values))  # an argument is on no device yet

        return tf.function(
            lambda values: self.strategy.run(of_replica, args=(values,)), autograph=False
        )

    def _first(self, value: Any) -> tf.Tensor:
        return self.strategy.experimental_local_results(value)[0]

    @contextlib.contextmanager
    def loss_told(self) -> Iterator[None]:
        """The block fails by a WorkerLost where another worker has gone.

        Raises:
          WorkerLost: one has.
        """
        try:
            yield
        except _OF_A_LOST_WORKER as error:
            if self.workers == 1:
                raise
            raise WorkerLost(
                f"worker {self.worker} of {self.workers}: {_which(error)} is lost. The same "
                "command on all of them goes on from the last checkpoint"
            ) from error


def _which(error: tf.errors.OpError) -> str:
    """The worker that an error tells of."""
    found = re.search(r"/job:\w+/(?:replica:\d+/)?task:(\d+)", str(error))
    return f"worker {found[1]}" if found else f"another one ({error.message.splitlines()[0]})"


_OF_A_LOST_WORKER = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


def over_replicas(values: T) -> T:
    """The mean over all replicas of tensors, called by each of them; itself where there is one."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    return context.all_reduce(tf.distribute.ReduceOp.MEAN, values)


def part_of_replica(values: tf.Tensor) -> tf.Tensor:
    """A replica's part of what was drawn for a whole batch: [B, ...] -> [B / replicas, ...]."""
    context = tf.distribute.get_replica_context()
    if context is None or context.num_replicas_in_sync == 1:
        return values
    parts = tf.reshape(values, (context.num_replicas_in_sync, -1, *values.shape[1:]))
    return parts[context.replica_id_in_sync_group]


def replicas_in_sync() -> int:
    """How many replicas share a batch, asked by one of them."""
    return int(tf.distribute.get_strategy().num_replicas_in_sync)


def open_devices(
    kind: str, replicas: int | None = None, service: str | None = None
) -> Distribution:
    """Opens the devices of a run. TensorFlow may have computed nothing yet.

    Args:
      kind: "none", "mirrored", "multi_worker" or "tpu".
      replicas: for "mirrored": how many of the GPUs, or as many parts of the CPU; None: all GPUs.
      service: address of a tf.data service that is to make the batches.

    Raises:
      UserError: there are no such devices, or no such service.
    """
    if service:
        data_service.check(service)
    return dataclasses.replace(_open(kind, replicas), data_service=service)


def _open(kind: str, replicas: int | None) -> Distribution:
    if replicas is not None and kind != "mirrored":
        raise UserError(
            "--replicas is of --distribute=mirrored: under the others every device is a replica"
        )
    if kind == "mirrored":
        return _mirrored(replicas)
    openers = {"none": Distribution, "multi_worker": _multi_worker, "tpu": _tpu}
    return openers[kind]()


def _mirrored(replicas: int | None) -> Distribution:
    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        count = replicas or len(gpus)
        if count > len(gpus):
            raise UserError(f"--replicas={count}: this machine has {len(gpus)} GPUs")
    else:
        count = replicas or 1
        cpu = tf.config.list_physical_devices("CPU")[0]
        parts = [tf.config.LogicalDeviceConfiguration()] * count
        tf.config.set_logical_device_configuration(cpu, parts)
    names = [f"{'GPU' if gpus else 'CPU'}:{i}" for i in range(count)]
    return Distribution(tf.distribute.MirroredStrategy(names), "mirrored")


def _multi_worker() -> Distribution:
    resolver = _resolver()
    workers, worker = _place(resolver)
    strategy = tf.distribute.MultiWorkerMirroredStrategy(resolver)
    return Distribution(strategy, "multi_worker", workers, worker)


def _resolver() -> tf.distribute.cluster_resolver.ClusterResolver:
    """Who the workers are."""
    if "TF_CONFIG" in os.environ:
        return tf.distribute.cluster_resolver.TFConfigClusterResolver()
    if "SLURM_PROCID" in os.environ:
        gpus = max(1, len(tf.config.list_physical_devices("GPU")))  # it divides by their number
        return tf.distribute.cluster_resolver.SlurmClusterResolver(
            gpus_per_node=gpus, gpus_per_task=gpus, auto_set_gpu=False
        )
    raise UserError(
        "--distribute=multi_worker: who the workers are is said by TF_CONFIG, or by Slurm's "
        "srun, and neither is there (docs/scaling.md)"
    )


def _place(resolver: tf.distribute.cluster_resolver.ClusterResolver) -> tuple[int, int]:
    """(number of workers, which of them this one is): a chief, where there is one, is the first."""
    try:
        jobs = resolver.cluster_spec().as_dict()
        kind, number = resolver.task_type, int(resolver.task_id or 0)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UserError(
            f"--distribute=multi_worker: TF_CONFIG cannot be read ({error}): see docs/scaling.md"
        ) from error
    if kind not in ("chief", "worker") or kind not in jobs:
        raise UserError(
            "--distribute=multi_worker: tasks are of the type worker, and one may be the chief. "
            f"Received: {kind}"
        )
    if not 0 <= number < len(jobs[kind]):
        raise UserError(
            f"--distribute=multi_worker: {kind} {number} is none of {len(jobs[kind])}, counted "
            "from 0"
        )
    chiefs = len(jobs.get("chief", ()))
    return chiefs + len(jobs.get("worker", ())), number + (chiefs if kind == "worker" else 0)


def _tpu() -> Distribution:
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (ValueError, tf.errors.OpError) as error:
        raise UserError(f"--distribute=tpu: no TPU is found ({error})") from error
    return Distribution(tf.distribute.TPUStrategy(resolver), "tpu")
