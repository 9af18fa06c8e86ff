"""Scores and pictures on sequences that no run is trained on."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf.metrics.accumulator import MetricAccumulator
from lmvp_tf.training.hooks.hook import Hook, Report, Run
from lmvp_tf.training.pictures import flow_picture, strip

_METRICS = ("bce", "mse_per_frame", "psnr", "ssim_tf")


class Validation(Hook):
    """Predicts `training.validation_sequences`, each `training.validate_every` steps."""

    def columns(self, run: Run) -> list[str]:
        del run
        return [f"validation/{name}" for name in _METRICS]

    def begin(self, run: Run) -> None:
        data, training, model = run.config.data, run.config.training, run.state.model
        count = training.validation_sequences
        self.batches = run.videos.validation(count, min(training.batch_size, count)).cache()
        self.num_inputs = data.num_inputs
        self.probabilities = run.config.losses.reconstruction == "bce"
        self.predict = tf.function(
            lambda inputs: model(inputs, num_predicted=data.num_predicted), autograph=False
        )
        self.flow = tf.function(model.filter_flow, autograph=False)

    def after_step(self, run: Run, report: Report) -> None:
        if not run.due(run.config.training.validate_every):
            return
        accumulator = MetricAccumulator(self.probabilities)
        first = None
        for video in self.batches:
            prediction = self.predict(video[:, : self.num_inputs])
            accumulator.update(video[:, self.num_inputs :], prediction)
            first = first or (video[0].numpy(), prediction[0].numpy())
        if first is None:
            return  # a data set may have nothing to validate by
        means = accumulator.result()["metrics"]
        report.extras |= {
            f"validation/{name}": means[name] for name in _METRICS if means[name] is not None
        }
        report.pictures |= self._pictures(run, *first)

    def _pictures(
        self, run: Run, video: npt.NDArray[np.float32], prediction: npt.NDArray[np.float32]
    ) -> dict[str, npt.NDArray[np.floating]]:
        pictures = {"prediction": strip([video, prediction])}
        flow = self.flow(video[None])
        if flow is not None:
            radius = (run.config.model.kernel_size - 1) // 2
            pictures["filters"] = strip([video, flow_picture(flow[0].numpy(), video, radius)])
        return pictures
