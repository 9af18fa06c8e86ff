"""The Predictor of a workdir of run_train.py, or of published weights."""

from __future__ import annotations

import collections
import functools
import pathlib
from collections.abc import Callable

import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.datasets.base import DataSettings
from lmvp_tf.datasets.registry import dataset_class
from lmvp_tf.export.endpoints import use_filter
from lmvp_tf.models.predictor import VideoPredictor
from lmvp_tf.prediction.predictor import Frames, Function, Predictor
from lmvp_tf.training.checkpoint import load_trained

_EAGER_VIDEOS = 8  # making a graph takes about as long as predicting so many videos without one


def load(path: pathlib.Path) -> Predictor:
    """The Predictor of the newest checkpoint in a workdir.

    Raises:
      UserError: it is no workdir, or has no checkpoint that can be read.
    """
    config = configs.load(path / "config.json")
    model, _ = load_trained(path, config)
    use_filter(model, "reference")  # the other one is compiled anew for each number of videos
    data = config.data
    return Predictor(
        as_function(model, data),
        (data.num_inputs, *data.frame_shape),
        data.num_predicted,
        name=config.model_name,
        options=data.film_options(),
        smooth=dataset_class(config.dataset).smooth,
        config=config,
    )


def as_function(model: VideoPredictor, data: DataSettings) -> Function:
    """The model as a function, which turns into a graph for a horizon that is used often."""
    videos: collections.Counter[int] = collections.Counter()
    shape = (None, data.num_inputs, *data.frame_shape)

    @functools.cache
    def graph(horizon: int) -> Callable[[Frames], tf.Tensor]:
        return tf.function(
            lambda frames: model(frames, num_predicted=horizon),
            input_signature=[tf.TensorSpec(shape)],
            autograph=False,
        )

    def predict(frames: Frames, horizon: int) -> Frames:
        videos[horizon] += len(frames)
        if model.exportable and videos[horizon] > _EAGER_VIDEOS:
            return graph(horizon)(frames).numpy()
        return model(tf.constant(frames), num_predicted=horizon).numpy()

    return predict
