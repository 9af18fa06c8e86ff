"""The weights of a run with all that belongs to them: the form in which results/ has them."""

from __future__ import annotations

import pathlib

from lmvp_tf.export.exporter import Exporter, ExportOptions
from lmvp_tf.export.published import publish


class Weights(Exporter):
    """A Keras file for each network, with config, log, values of run_eval.py and a README."""

    reads = frozenset({"note"})

    def export(self, workdir: pathlib.Path, output: pathlib.Path, options: ExportOptions) -> None:
        publish(workdir, output, options.note)
        print(f"Written to {output}. Evaluate it: python run_eval.py --workdir={output}")
