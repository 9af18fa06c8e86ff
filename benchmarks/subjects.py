"""Which row is measured where: a row's name is a function of its subject's module."""

import importlib

from benchmarks import report

SUBJECTS = {
    "adaptive_filter": (
        "adaptive_filter_k9",
        "adaptive_filter_k11",
        "adaptive_filter_k9_memory",
    ),
    "data": ("generator_vs_numpy", "generator_vs_tfds", "highway_read", "highway_build"),
    "step": (
        "step_small",
        "step_small_main",
        "rolled_step_small",
        "recomputed_step_small",
        "step_paper",
        "iteration_over_dfn",
    ),
    "start": ("start_small", "rolled_start_small", "start_paper"),
    "memory": ("memory_paper", "recomputed_memory_paper"),
    "serving": (
        "saved_model_latency",
        "tflite_latency",
        "dfn_paper_latency",
        "growth_horizon",
    ),
    "devices": ("mirrored_over_single", "multi_worker_over_single", "data_service_rate"),
    "growth": ("growth_batch", "growth_time", "growth_pixels"),
}
ENVIRONMENT = {"serving": {"TF_ENABLE_ONEDNN_OPTS": "0"}}  # as run_predict.py
# What takes a minute or more at any size, and what the other rows of its subject stand for.
NOT_QUICK = {
    "step_small_main",
    "rolled_step_small",
    "recomputed_step_small",
    "step_paper",
    "rolled_start_small",
    "start_paper",
    "memory_paper",
    "recomputed_memory_paper",
    "dfn_paper_latency",
    "growth_horizon",
}


def measure(subject, names, quick):
    """Yields the rows of a subject, each as results.json holds it."""
    module = importlib.import_module(f"benchmarks.{subject}")
    for name in names:
        try:
            yield getattr(module, name)(quick).as_dict()
        except Exception as error:  # whatever it is, it is that row's result
            reason = " ".join(str(error).split()) or type(error).__name__
            yield report.not_measured(name, f"{type(error).__name__}: {reason}")
