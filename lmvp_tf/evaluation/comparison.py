"""The comparison of evaluated runs: every figure of a report, as JSON values."""

import math

from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.evaluation import statistics
from lmvp_tf.evaluation.curves import validation_points
from lmvp_tf.evaluation.evaluator import FLOORS
from lmvp_tf.evaluation.runs import changes
from lmvp_tf.metrics import METRICS, PROTOCOL

BUDGET = 0.9  # a run that trained for less than this part of the longest one is marked

# Means over frames have a spread over sequences; the PSNR of the mean MSE is no such mean.
_METRICS = tuple(name for name in METRICS if name != "psnr_of_mean_mse")


def compare(runs, examples):
    """Compares runs that were evaluated on the same sequences.

    Args:
      runs: list of `lmvp_tf.evaluation.runs.Run`.
      examples: places in the test set of the sequences whose PSNR is given step by step.

    Returns:
      A dict of JSON values. An estimate is {"mean", "low", "high"}, the ends of its 95% interval
      over sequences. `runs` holds for each run what it is, what it cost, `metrics` {name:
      estimate or None}, `per_step`, `example_psnr` [example][step] and `validation`; `floors` the
      `metrics` and `per_step` of the predictors that have learned nothing. `differences` holds the
      paired ones between the first LMVP, `reference`, and each other run.
    """
    first = runs[0].document
    data = runs[0].config.data
    # Neighbours that share a frame are no independent evidence.
    block = first["overlap"]
    bootstrap = statistics.Bootstrap(_per_sequence(runs), block)
    return {
        "dataset": runs[0].config.dataset,
        "num_inputs": data.num_inputs,
        "num_predicted": data.num_frames - data.num_inputs,
        "num_sequences": first["num_sequences"],
        "data_hash": first["data_hash"],
        "protocol": {**PROTOCOL, "ratio": "mse divided by that of the last frame"},
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
                "metrics": _estimates(run.label, run.document["metrics"], bootstrap),
                "per_step": run.document["per_step"],
                "example_psnr": _values(run)["psnr"][examples].tolist(),
                "validation": validation_points(run.workdir / "log.csv"),
            }
            for run in runs
        ],
        "floors": {
            name: {
                "metrics": _estimates(name, first["floors"][name], bootstrap),
                "per_step": first["floors"][name]["per_step"],
            }
            for name in _floors(runs)
        },
        "clips": _clips(runs),
        "cited": dataset_class(runs[0].config.dataset).cited,
        "differences": _differences(runs, bootstrap),
    }


def _values(run):
    """The metrics of the run's model, each [N, S]."""
    return run.values[run.config.model_name]


def _floors(runs):
    """The floors that are not among the runs."""
    models = {run.config.model_name for run in runs}
    return [name for name in FLOORS if name not in models]


def _per_sequence(runs):
    """{(system, metric): [N]}, the mean over the steps of each sequence, for runs and floors."""
    data = runs[0].config.data
    pixels = math.prod(data.frame_shape)
    systems = {run.label: _values(run) for run in runs}
    systems |= {name: runs[0].values[name] for name in FLOORS}
    figures = {}
    for system, metrics in systems.items():
        for metric, values in metrics.items():
            figures[system, metric] = values.mean(axis=1, dtype=float)  # [N, S] -> [N]
            if f"{metric}_per_frame" in METRICS:
                figures[system, f"{metric}_per_frame"] = pixels * figures[system, metric]
    return figures


def _estimates(system, means, bootstrap):
    """{metric: estimate, or None where the system's means have None}; and the ratio of Table 2."""
    estimates = {
        metric: None if means[metric] is None else bootstrap.mean((system, metric))._asdict()
        for metric in _METRICS
    }
    estimates["ratio"] = bootstrap.ratio((system, "mse"), ("last_frame", "mse"))._asdict()
    return estimates


def _description(run, runs):
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


def _cost(runs):
    """What a budget is counted in: the time of processor cores, which other work on the machine
    does not lengthen, or that of the clock where some run did not count it.
    """
    trained = [run.document for run in runs if run.document["train_seconds"] > 0]
    counted = all(document["train_cpu_seconds"] > 0 for document in trained)
    return "train_cpu_seconds" if trained and counted else "train_seconds"


def _longest(runs):
    return max(run.document[_cost(runs)] for run in runs)


def _clips(runs):
    """{clip: {"num_sequences", "systems": {run or last frame: {metric: mean}}}}, if any."""
    clips = {}
    for clip, part in runs[0].document.get("per_clip", {}).items():
        systems = {run.label: run.document["per_clip"][clip]["metrics"] for run in runs}
        last_frame = part["floors"]["last_frame"]
        if "last_frame" in _floors(runs):
            systems["last_frame"] = last_frame
        clips[clip] = {
            "num_sequences": part["num_sequences"],
            "systems": {
                system: {metric: means[metric] for metric in _METRICS}
                | {"ratio": means["mse"] / last_frame["mse"]}
                for system, means in systems.items()
            },
        }
    return clips


def _differences(runs, bootstrap):
    """Paired differences, the first LMVP less each other run; None where there is no pair."""
    reference = next((run for run in runs if run.config.model_name == "lmvp"), None)
    others = [run for run in runs if run is not reference]
    if reference is None or not others:
        return None
    return {
        "reference": reference.label,
        "runs": {
            run.label: {
                metric: bootstrap.difference(
                    (reference.label, metric), (run.label, metric)
                )._asdict()
                for metric in _METRICS
                if None
                not in (reference.document["metrics"][metric], run.document["metrics"][metric])
            }
            for run in others
        },
    }
