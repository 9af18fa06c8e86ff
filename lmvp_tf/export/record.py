"""The record of a run without its weights, for a model too large to keep beside the code."""

from __future__ import annotations

import pathlib

from lmvp_tf.export.exporter import Exporter, ExportOptions
from lmvp_tf.export.published import publish


class Record(Exporter):
    """Config, log, values of run_eval.py and a README."""

    reads = frozenset({"note"})

    def export(self, workdir: pathlib.Path, output: pathlib.Path, options: ExportOptions) -> None:
        publish(workdir, output, options.note, with_weights=False)
        print(f"Written to {output}, without weights.")
