"""PredRNN's cell against a transcription of its equations in NumPy."""

import keras
import numpy as np

from lmvp_tf.layers.st_lstm_cell import STLSTMCell, STLSTMState
from tests.layers.numpy_conv import conv, sigmoid


def numpy_cell(weights, x, h, c, m):
    """As in the paper, each gate by a convolution of its own for every part that it reads."""
    units, inputs = h.shape[-1], x.shape[-1]
    of_xh, of_xm, of_memories, fusion = weights
    in_time = [conv(x, a[:, :, :inputs]) + conv(h, a[:, :, inputs:]) for a in _parts(of_xh, units)]
    in_space = [conv(x, a[:, :, :inputs]) + conv(m, a[:, :, inputs:]) for a in _parts(of_xm, units)]
    c_written = sigmoid(in_time[0]) * np.tanh(in_time[2])
    c = sigmoid(in_time[1] + 1) * c + c_written
    m_written = sigmoid(in_space[0]) * np.tanh(in_space[2])
    m = sigmoid(in_space[1] + 1) * m + m_written
    o = sigmoid(
        in_time[3] + conv(c, of_memories[:, :, :units]) + conv(m, of_memories[:, :, units:])
    )
    h = o * np.tanh(conv(c, fusion[:, :, :units]) + conv(m, fusion[:, :, units:]))
    return h, c, m, c_written, m_written


def _parts(kernel, units):
    return np.split(kernel, kernel.shape[-1] // units, axis=-1)


def test_a_step_equals_the_equations():
    layer = STLSTMCell(3, 5)
    layer.build((None, 4, 6, 2))
    rng = np.random.default_rng(0)
    for variable in layer.weights:
        variable.assign(rng.normal(0, 0.3, variable.shape))
    assert [w.shape[-1] for w in layer.get_weights()] == [12, 9, 3, 3]
    x, h, c, m = (rng.normal(size=(2, 4, 6, n)).astype("float32") for n in (2, 3, 3, 3))
    output = layer(x, STLSTMState(h, c), m)
    expected = numpy_cell(layer.get_weights(), x, h, c, m)
    for one, other in zip([*output.state, output.memory, *output.written], expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_its_memories_stay_float32_in_mixed_precision():
    layer = STLSTMCell(2, 3, dtype="mixed_bfloat16")
    layer.build((None, 4, 4, 1))
    zeros = np.zeros((1, 4, 4, 2), "float32")
    output = layer(np.ones((1, 4, 4, 1), "float32"), STLSTMState(zeros, zeros), zeros)
    kinds = {keras.backend.standardize_dtype(x.dtype) for x in (*output.state, output.memory)}
    assert kinds == {"float32"}
