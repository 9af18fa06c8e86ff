"""Models of every kind as .tflite files, converted once for the tests that read them."""

import numpy as np
import tensorflow as tf

from lmvp_tf.export import tflite_measure
from lmvp_tf.export.endpoints import input_shape

T0, S = 4, 3
DATA = {"data.size": 32, "data.num_frames": T0 + S, "data.num_inputs": T0}
MODELS = {
    "lmvp": {"model.dynamic_bias": True},
    "dfn": {
        "model.encoder_widths": (4, 6),
        "model.decoder_widths": (4,),
        "model.kernel_size": 3,
        "model.num_seen": 2,
        "model.dynamic_bias": True,
        "model.position_bias": True,
    },
    "conv_lstm": {"model.units": (6, 4), "model.kernel_size": 3},
    "fpm": {"model.units": 16, "model.num_layers": 2},
    "predrnn": {"model.units": 6, "model.num_layers": 2, "model.kernel_size": 3},
    "mcnet": {"model.width": 4, "model.discriminator_width": 2, "model.judged": 3},
    "simvp": {"model.frame_width": 4, "model.width": 16, "model.num_blocks": 2},
    "last_frame": {},
}


class TrainingVideos:
    """A dataset of noise to calibrate on."""

    def train(self, seed, batch_size):
        rng = np.random.default_rng(seed)
        while True:
            yield tf.constant(rng.random((batch_size, T0 + S, 32, 32, 1), np.float32))


def predicted(exportable, video):
    return exportable.model(tf.constant(video[:, :T0]), num_predicted=S).numpy()


def streamed(exportable, path, video):
    shapes = exportable.model.state_shapes(input_shape(exportable.config))
    step = tflite_measure.open_file(path).serve_step
    return tflite_measure.stream(step, video[:1, :T0], shapes, S)


def without_numbers(path, target):
    """Writes a .tflite file in which a weight is NaN."""
    from ai_edge_litert.tools import flatbuffer_utils as flatbuffers

    model = flatbuffers.read_model(path)
    largest = max(model.buffers, key=lambda x: 0 if x.data is None else len(x.data))
    largest.data = np.full(len(largest.data) // 4, np.nan, np.float32).view(np.uint8)
    flatbuffers.write_model(model, str(target))
    return target
