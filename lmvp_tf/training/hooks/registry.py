"""The hooks of every run, in order. A new one is a class and a line here."""

from __future__ import annotations

import importlib

from lmvp_tf.training.hooks.hook import Hook

# Names of classes, in the order in which they are called.
HOOKS = [
    "lmvp_tf.training.hooks.stop_signals.StopSignals",
    "lmvp_tf.training.hooks.profiler.Profiler",
    "lmvp_tf.training.hooks.finite.Finite",
    "lmvp_tf.training.hooks.rates.Rates",
    "lmvp_tf.training.hooks.validation.Validation",
    # From here on they write what those before have found.
    "lmvp_tf.training.hooks.csv_log.CsvLog",
    "lmvp_tf.training.hooks.tensorboard.TensorBoard",
    "lmvp_tf.training.hooks.progress.Progress",
    "lmvp_tf.training.hooks.saving.Saving",
]


def make_hooks() -> list[Hook]:
    """A hook of each class, for one run."""
    hooks = []
    for name in HOOKS:
        module, _, attribute = name.rpartition(".")
        hooks.append(getattr(importlib.import_module(module), attribute)())
    return hooks
