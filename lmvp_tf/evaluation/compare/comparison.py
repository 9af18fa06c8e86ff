"""The comparison of evaluated runs: every value of a report, as JSON values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.evaluation.compare import statistics
from lmvp_tf.evaluation.compare.run_names import changes
from lmvp_tf.evaluation.compare.runs import Run
from lmvp_tf.evaluation.compare.statistics import Bootstrap
from lmvp_tf.evaluation.training_log import validation_points
from lmvp_tf.metrics.metric import DerivedMetric, FrameShape
from lmvp_tf.metrics.registry import METRICS, computed, protocol

BUDGET = 0.9  # a run that trained for less than this part of the longest one is marked

Comparison = dict[str, Any]


def compare(runs: Sequence[Run], examples: Sequence[int]) -> Comparison:
    """Compares runs that were evaluated on the same sequences.

    Args:
      runs: the runs.
      examples: places in the test set of the sequences whose PSNR is given step by step.

    Returns:
      A dict of JSON values. An estimate is {"mean", "low", "high"}, the ends of its 95% interval
      over sequences. `runs` holds for each run what it is, what it cost, `metrics` {name:
      estimate or None}, `per_step`, `example_psnr` [example][step] and `validation`; `floors` the
      `metrics` and `per_step` of the predictors that have learned nothing. `differences` holds the
      paired ones between the first LMVP, `reference`, and each other run.
    """
    first, setting = runs[0].document, runs[0].setting
    # Neighbours that share a frame are no independent evidence.
    block = first["overlap"]
    estimates = _Estimates(runs, block)
    return {
        "dataset": setting.dataset,
        "data": first.get("data", ""),
        "num_inputs": setting.data.num_inputs,
        "num_predicted": setting.data.num_predicted,
        "num_sequences": first["num_sequences"],
        "data_hash": first["data_hash"],
        "protocol": protocol(),
        "intervals": {
            "level": statistics.LEVEL,
            "resamples": statistics.RESAMPLES,
            "seed": statistics.SEED,
            "block": block,
        },
        "examples": list(examples),
        "budget": {"counted_in": _cost(runs), "longest": _longest(runs)},
        "runs": [
            {
                **_description(run, runs),
                "metrics": {name: estimates.mean(run.label, name) for name in computed()},
                "per_step": run.document["per_step"],
                "example_psnr": run.values[run.config.model_name]["psnr"][examples].tolist(),
                "validation": validation_points(run.workdir / "log.csv"),
            }
            for run in runs
        ],
        "floors": {
            name: {
                "metrics": {metric: estimates.mean(name, metric) for metric in computed()},
                "per_step": first["floors"][name]["per_step"],
            }
            for name in _floors(runs)
        },
        "clips": _recordings(runs),
        "cited": dataset_class(setting.dataset).cited,
        "differences": _differences(runs, estimates),
    }


def _floors(runs: Sequence[Run]) -> list[str]:
    """The floors that are not among the runs."""
    models = {run.config.model_name for run in runs}
    return [name for name in runs[0].document["floors"] if name not in models]


class _Estimates:
    """Estimates of every metric of every run (by its label) and floor (by its name)."""

    def __init__(self, runs: Sequence[Run], block: int) -> None:
        self._frame_shape: FrameShape = runs[0].setting.data.frame_shape
        systems = {name: runs[0].values[name] for name in runs[0].document["floors"]}
        systems |= {run.label: run.values[run.config.model_name] for run in runs}
        per_sequence: dict[tuple[str, str], npt.NDArray[np.float64]] = {
            (system, metric): values.mean(axis=1, dtype=np.float64)  # [N, S] -> [N]
            for system, metrics in systems.items()
            for metric, values in metrics.items()
        }
        self._known = set(per_sequence)
        self._bootstrap = Bootstrap(per_sequence, block)

    def mean(self, system: str, name: str) -> dict[str, float] | None:
        """Of a system's metric; None where it has no values."""
        keys = self._keys(system, name)
        if not keys:
            return None
        return self._bootstrap.estimate(lambda *means: self._of(name, *means), *keys)._asdict()

    def difference(self, system: str, other: str, name: str) -> dict[str, float] | None:
        """Of a system's metric less the other's, sequence by sequence; None as in `mean`."""
        keys, others = self._keys(system, name), self._keys(other, name)
        if not (keys and others):
            return None

        def difference(*means: Any) -> Any:
            return self._of(name, *means[: len(keys)]) - self._of(name, *means[len(keys) :])

        return self._bootstrap.estimate(difference, *keys, *others)._asdict()

    def _keys(self, system: str, name: str) -> list[tuple[str, str]]:
        """The values that a metric follows from; none where one of them is not known."""
        metric = METRICS[name]
        keys = [(system, name)]
        if isinstance(metric, DerivedMetric):
            keys = [(system, metric.source)]
            keys += [("last_frame", metric.source)] if metric.relative else []
        return keys if self._known.issuperset(keys) else []

    def _of(self, name: str, mean: Any, last_frame: Any = None) -> Any:
        metric = METRICS[name]
        if isinstance(metric, DerivedMetric):
            return metric.of_mean(mean, self._frame_shape, last_frame)
        return mean


def _description(run: Run, runs: Sequence[Run]) -> dict[str, Any]:
    """What a run is and what it cost."""
    document = run.document
    cost = _cost(runs)
    return {
        "label": run.label,
        "workdir": str(run.workdir),
        "model": document["model"],
        "preset": document["preset"],
        "parameters": document["parameters"],
        "step": document["step"],
        "sequences_seen": document["sequences_seen"],
        "train_seconds": document["train_seconds"],
        "train_cpu_seconds": document["train_cpu_seconds"],
        "below_budget": document["parameters"]["total"] > 0
        and document[cost] < BUDGET * _longest(runs),
        "changes": changes(run.config),
    }


def _cost(runs: Sequence[Run]) -> str:
    """What a budget is counted in: the time of processor cores, which other work on the machine
    does not lengthen, or that of the clock where some run did not count it.
    """
    trained = [run.document for run in runs if run.document["train_seconds"] > 0]
    counted = all(document["train_cpu_seconds"] > 0 for document in trained)
    return "train_cpu_seconds" if trained and counted else "train_seconds"


def _longest(runs: Sequence[Run]) -> float:
    return max(run.document[_cost(runs)] for run in runs)


def _recordings(runs: Sequence[Run]) -> dict[str, Any]:
    """{recording: {"num_sequences", "systems": {run or last frame: {metric: mean}}}}, if any."""
    recordings = {}
    for name, part in runs[0].document.get("per_clip", {}).items():
        systems = {run.label: run.document["per_clip"][name]["metrics"] for run in runs}
        if "last_frame" in _floors(runs):
            floor = part["floors"]["last_frame"]
            systems["last_frame"] = {metric: floor[metric] for metric in computed()}
        recordings[name] = {"num_sequences": part["num_sequences"], "systems": systems}
    return recordings


def _differences(runs: Sequence[Run], estimates: _Estimates) -> dict[str, Any] | None:
    """Paired differences, the first LMVP less each other run; None where there is no pair."""
    reference = next((run for run in runs if run.config.model_name == "lmvp"), None)
    others = [run for run in runs if run is not reference]
    if reference is None or not others:
        return None
    return {
        "reference": reference.label,
        "runs": {
            run.label: {
                name: estimate
                for name in computed()
                if (estimate := estimates.difference(reference.label, run.label, name))
            }
            for run in others
        },
    }
