"""TensorBoard's event files: the log's scalars, and pictures."""

from __future__ import annotations

import contextlib
import json

import numpy as np
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.training.hooks.hook import Hook, Report, Run


class TensorBoard(Hook):
    """Writes what is logged into the workdir: `tensorboard --logdir WORKDIR`."""

    def __init__(self) -> None:
        self._writing = contextlib.ExitStack()

    def begin(self, run: Run) -> None:
        self._writer = tf.summary.create_file_writer(str(run.workdir))
        self._writing.callback(self._writer.close)
        with self._writer.as_default(step=run.step):
            text = json.dumps(configs.to_dict(run.config), indent=2)
            tf.summary.text("config", f"```\n{text}\n```")

    def after_step(self, run: Run, report: Report) -> None:
        if not report.is_logged(run):
            return
        titles = run.state.procedure.scalars
        with self._writer.as_default(step=run.step):
            for name, value in report.row(run).items():
                if name != "step" and not isinstance(value, str):
                    tf.summary.scalar(titles.get(name, name), value)
            for name, picture in report.pictures.items():
                tf.summary.image(name, np.asarray(picture)[None])
        self._writer.flush()

    def close(self) -> None:
        self._writing.close()
