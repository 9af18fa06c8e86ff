"""A trained model, ready to predict: from a workdir, a SavedModel or a .tflite file.

    predictor = lmvp_tf.load("runs/mm")
    predicted = predictor.predict(frames, horizon=10)

TensorFlow and the interpreter of .tflite files are imported by what needs them: on a small device
either is there without the other.
"""

import collections
import functools
import os
import pathlib

import numpy as np

from lmvp_tf import configs
from lmvp_tf.datasets.video_sources import FrameOptions
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.prediction import clips

_BATCH = 16  # videos predicted at a time
_EAGER_VIDEOS = 8  # making a graph takes about as long as predicting so many videos without one


class Predictor:
    """Predicts the frames that follow some frames.

    Attributes:
      name: of the model: a key of lmvp_tf.models.registry.MODELS, or "prediction" where the file
        does not say.
      num_inputs: T0, how many frames it reads.
      size: H = W of its frames, pixels.
      channels: C of its frames, 1 (grey) or 3 (RGB).
      horizon: S, how many frames it predicts when not told; for a SavedModel and a .tflite file
        also the most that it can.
      fixed_horizon: whether that is so.
      config: the run's Config; None for a SavedModel or a .tflite file.
    """

    def __init__(self, function, input_shape, horizon, name="prediction", config=None):
        """Wraps `function(frames [B, T0, H, W, C], S) -> [B, S or more, H, W, C]`.

        Args:
          function: of float32 frames in [0, 1], for any B.
          input_shape: (T0, H, W, C).
          horizon, name, config: see the class; the horizon is fixed where there is no config.

        Raises:
          UserError: frames that are not square, or neither grey nor RGB.
        """
        self.num_inputs, self.size, width, self.channels = input_shape
        if width != self.size or self.channels not in (1, 3):
            raise UserError(
                "a model wants square frames of 1 or 3 channels. "
                f"Received: {self.size}x{width}x{self.channels}"
            )
        self.horizon, self.fixed_horizon = horizon, config is None
        self.name, self.config = name, config
        self._function = function

    def predict(self, frames, horizon=None, crop="centre"):
        """Predicts the frames that follow the last T0 of these.

        Frames of another size are cropped, resampled and made grey or RGB as a dataset's are.

        Args:
          frames: [T, H, W], [T, H, W, C] or [B, T, H, W, C], T >= T0; uint8, or float in [0, 1].
          horizon: S, how many frames; None: `self.horizon`.
          crop: "centre" (the largest square), "none" (the whole picture, squeezed into a square) or
            (x, y, width, height).

        Returns:
          float32 [S, size, size, channels] in [0, 1], or [B, S, size, size, channels].

        Raises:
          UserError: frames or a horizon that the model cannot take.
          RunError: the prediction is not finite.
        """
        horizon = self.check_horizon(horizon)
        frames = np.asarray(frames)
        if frames.ndim not in (3, 4, 5):
            raise UserError(
                "frames: must be [T, H, W], [T, H, W, C] or [B, T, H, W, C]. "
                f"Received: {frames.shape}"
            )
        videos = frames if frames.ndim == 5 else frames[None]
        if not len(videos) or videos.shape[1] < self.num_inputs:
            raise UserError(
                f"frames: at least one video of {self.num_inputs} frames (T0) is wanted. "
                f"Received: {frames.shape}"
            )
        options = FrameOptions(self.size, crop, self.channels, enlarge=True)
        inputs = [clips.prepare(x[-self.num_inputs :], options, "frames") for x in videos]
        parts = (np.stack(inputs[i : i + _BATCH]) for i in range(0, len(inputs), _BATCH))
        predicted = np.concatenate([self._function(x, horizon)[:, :horizon] for x in parts])
        if not np.isfinite(predicted).all():
            raise RunError(f"{self.name} predicted values that are not finite")
        predicted = np.clip(np.float32(predicted), 0, 1)
        return predicted if frames.ndim == 5 else predicted[0]

    def check_horizon(self, horizon):
        """The number of frames to predict: `horizon`, or the default for None.

        Raises:
          UserError: not a positive number, or more than the model was exported for.
        """
        if horizon is None:
            return self.horizon
        if horizon < 1:
            raise UserError(f"horizon must be 1 or more. Received: {horizon}")
        if self.fixed_horizon and horizon > self.horizon:
            raise UserError(
                f"the exported model predicts {self.horizon} frames, asked for are {horizon}: "
                f"export it with --horizon={horizon}, or predict from the workdir"
            )
        return int(horizon)


_RESULTS = pathlib.Path(__file__).parents[2] / "results"
PRETRAINED = {
    "moving_mnist": _RESULTS / "moving_mnist" / "lmvp-paper",
    "highway": _RESULTS / "highway" / "lmvp-small",
}


def load(path):
    """Loads a Predictor.

    Args:
      path: the workdir of run_train.py, the folder of a SavedModel (with saved_model.pb) that
        run_export.py wrote, or its .tflite file; or "moving_mnist" or "highway", for the weights
        that come with the repository.

    Returns:
      A Predictor.

    Raises:
      UserError: there is none of them, or it cannot be read.
    """
    if path in PRETRAINED and not pathlib.Path(path).exists():
        return load_pretrained(path)
    path = pathlib.Path(path)
    if path.suffix.lower() == ".tflite":
        return load_tflite(path)
    pattern = "saved_model.pb"
    if [*path.glob(pattern), *path.glob(f"*/{pattern}")] and not (path / "config.json").is_file():
        return load_saved_model(path)
    return load_workdir(path)


def load_pretrained(dataset):
    """The Predictor of the weights that come with the repository: of a key of `PRETRAINED`."""
    path = PRETRAINED[dataset]
    if not path.is_dir():
        raise UserError(
            f"the trained weights are in the repository, not in the package: there is no {path}. "
            "Clone it, and install it by pip install -e ."
        )
    return load_workdir(path)


def load_workdir(path):
    """The Predictor of the newest checkpoint in a workdir."""
    path = pathlib.Path(path)
    config = configs.load(path / "config.json")
    from lmvp_tf.export.endpoints import use_filter
    from lmvp_tf.training.checkpoint import load_trained

    model, _ = load_trained(path, config)
    use_filter(model, "reference")  # the other one is compiled anew for each number of videos
    data = config.data
    return Predictor(
        _as_graph(model, data),
        (data.num_inputs, *data.frame_shape),
        data.num_frames - data.num_inputs,
        config.model_name,
        config,
    )


def _as_graph(model, data):
    """The model as a function, which turns into a graph for a horizon that is used often."""
    import tensorflow as tf

    videos = collections.Counter()
    shape = (None, data.num_inputs, *data.frame_shape)

    @functools.cache
    def graph(horizon):
        return tf.function(
            lambda frames: model(frames, num_predicted=horizon),
            input_signature=[tf.TensorSpec(shape)],
            autograph=False,
        )

    def predict(frames, horizon):
        videos[horizon] += len(frames)
        if model.exportable and videos[horizon] > _EAGER_VIDEOS:
            return graph(horizon)(frames).numpy()
        return model(tf.constant(frames), num_predicted=horizon).numpy()

    return predict


def load_saved_model(path):
    """The Predictor of a SavedModel's endpoint serving_default: `frames` -> `predictions`."""
    path = pathlib.Path(path)
    if not (path / "saved_model.pb").is_file():
        versions = sorted(path.glob("*/saved_model.pb"), key=lambda file: (len(str(file)), file))
        hint = f": name a version, as {versions[-1].parent}" if versions else ""
        raise UserError(f"{path} is no SavedModel, it has no saved_model.pb{hint}")
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except (tf.errors.OpError, OSError, ValueError) as error:
        raise UserError(f"{path} cannot be loaded: {str(error).splitlines()[0]}") from error
    endpoint = loaded.signatures.get("serving_default")
    inputs = endpoint.structured_input_signature[1] if endpoint else {}
    outputs = endpoint.structured_outputs if endpoint else {}
    if inputs.keys() != {"frames"} or "predictions" not in outputs:
        raise UserError(
            f"{path} has no endpoint serving_default from frames to predictions: it is not from "
            "run_export.py"
        )

    def predict(frames):
        # By way of `loaded`, which has to live as long as its endpoints are used.
        endpoint = loaded.signatures["serving_default"]
        return endpoint(frames=tf.constant(frames))["predictions"].numpy()

    shapes = (inputs["frames"].shape, outputs["predictions"].shape)
    return _exported(predict, path, *(shape if shape.rank else () for shape in shapes))


def load_tflite(path):
    """The Predictor of a .tflite file: one input, float32 [1, T0, H, W, C], and one output."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file")
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise UserError(
            f"{path}: .tflite files are run by ai-edge-litert, which is not installed: "
            "pip install ai-edge-litert"
        ) from error
    try:
        interpreter = Interpreter(str(path), num_threads=os.cpu_count())
        interpreter.allocate_tensors()
    except (ValueError, RuntimeError) as error:
        raise UserError(f"{path} cannot be loaded: {str(error).splitlines()[0]}") from error
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1 or len(outputs) != 1 or inputs[0]["dtype"] != np.float32:
        raise UserError(
            f"{path} is not from frames to predictions: it has {len(inputs)} inputs, the first of "
            f"{np.dtype(inputs[0]['dtype'])}, and {len(outputs)} outputs"
        )

    def predict(frames):
        interpreter.set_tensor(inputs[0]["index"], frames)
        interpreter.invoke()
        return interpreter.get_tensor(outputs[0]["index"])

    return _exported(predict, path, inputs[0]["shape"], outputs[0]["shape"])


def _exported(function, path, input_shape, output_shape):
    """The Predictor of a function with one batch after the other of a known shape."""
    (batch, *inputs), (_, *outputs) = ((list(x) or [None]) for x in (input_shape, output_shape))
    if batch not in (None, 1) or any(len(x) != 4 or None in x for x in (inputs, outputs)):
        raise UserError(
            f"{path}: its input and output must be [B, T, H, W, C], B free or 1 and the rest "
            f"fixed. Received: {tuple(input_shape)} and {tuple(output_shape)}"
        )

    def predict(frames, horizon):
        del horizon  # it predicts as many frames as it was made for
        if batch is None:
            return function(frames)
        return np.concatenate([function(video[None]) for video in frames])

    try:
        return Predictor(predict, [int(n) for n in inputs], int(outputs[0]))
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
