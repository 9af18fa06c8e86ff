"""M's recurrent cell against a NumPy transcription of the ConvLSTM equations."""

import keras
import numpy as np

from lmvp_tf.layers.conv_lstm_cell import ConvLSTMCell


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def numpy_step(inputs, hidden, cell, kernel, bias):
    """One step on one sample, the 3x3 convolution by loops."""
    stacked = np.pad(np.concatenate([inputs, hidden], -1), ((1, 1), (1, 1), (0, 0)))
    height, width = inputs.shape[:2]
    gates = np.array(
        [
            [
                np.tensordot(stacked[y : y + 3, x : x + 3], kernel, axes=3) + bias
                for x in range(width)
            ]
            for y in range(height)
        ]
    )
    i, f, g, o = np.split(gates, 4, axis=-1)
    cell = sigmoid(f + 1) * cell + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(cell), cell


def test_two_steps_equal_the_equations():
    keras.utils.set_random_seed(0)
    layer = ConvLSTMCell(3)
    layer.build((None, 4, 5, 2))
    kernel, bias = (v.numpy() for v in layer.gates.weights)
    inputs = np.random.default_rng(0).normal(size=(2, 1, 4, 5, 2)).astype("float32")
    state = layer.initial_state(1, 4, 5)
    hidden = cell = np.zeros((4, 5, 3))
    for x in inputs:
        state = layer(x, state)
        hidden, cell = numpy_step(x[0], hidden, cell, kernel, bias)
    np.testing.assert_allclose(state[0][0], hidden, atol=1e-5)
    np.testing.assert_allclose(state[1][0], cell, atol=1e-5)


def test_the_state_begins_with_zeros_and_stays_float32_in_mixed_precision():
    layer = ConvLSTMCell(3, dtype="mixed_bfloat16")
    layer.build((None, 4, 5, 2))
    state = layer.initial_state(2, 4, 5)
    assert not np.any(state[0])
    assert not np.any(state[1])
    new = layer(np.ones((2, 4, 5, 2), "float32"), state)
    assert [keras.backend.standardize_dtype(s.dtype) for s in new] == ["float32"] * 2
    assert np.any(new[0])
