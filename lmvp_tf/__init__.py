"""LMVP, a video predictor with leaked motion information, in TensorFlow and Keras 3.

predictor = lmvp_tf.load("runs/mm")
predicted = predictor.predict(frames, horizon=10)
"""

import importlib


def load(path):
    """Loads a trained model to predict with.

    Args:
      path: a workdir of run_train.py, the folder of a SavedModel, or a .tflite file; or the name of
        a dataset, "moving_mnist" or "highway", for the weights that come with the repository.

    Returns:
      A lmvp_tf.prediction.predictor.Predictor.

    Raises:
      lmvp_tf.errors.UserError: there is none of them, or it cannot be read.
    """
    # By its name, and only now: `import lmvp_tf` takes no time, and Bazel sees no circle.
    return importlib.import_module("lmvp_tf.prediction.predictor").load(path)
