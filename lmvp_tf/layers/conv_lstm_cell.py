"""The recurrent cell of the motion guider M."""

import keras
from keras import ops


def conv_lstm_update(gates, cell):
    """One step of an LSTM whose gates were computed by a convolution (Shi et al. 2015, no
    peepholes).

        i, f, o = sigmoid(gates_i), sigmoid(gates_f + 1), sigmoid(gates_o)
        c' = f * c + i * tanh(gates_g)
        h' = o * tanh(c')

    The 1 keeps the memory open at the start of training (Jozefowicz et al. 2015).

    Args:
      gates: [B, h, w, 4 * U], in the order i, f, g, o.
      cell: c, [B, h, w, U].

    Returns:
      h' and c', each [B, h, w, U].
    """
    i, f, g, o = ops.split(gates, 4, axis=-1)
    cell = ops.sigmoid(f + 1.0) * cell + ops.sigmoid(i) * ops.tanh(g)
    return ops.sigmoid(o) * ops.tanh(cell), cell


@keras.saving.register_keras_serializable(package="lmvp_tf")
class ConvLSTMCell(keras.layers.Layer):
    """A convolutional LSTM cell. Its state stays float32 under any precision policy.

    Args:
      units: U, channels of the hidden state and of the memory.
      kernel_size: of the convolution over [inputs, hidden].

    Call arguments:
      inputs: [B, h, w, K].
      state: (hidden, cell), each [B, h, w, U].

    Returns:
      The new state, (hidden, cell); the hidden part is the cell's output.
    """

    def __init__(self, units, kernel_size=3, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.units = units
        self.kernel_size = kernel_size
        self.gates = keras.layers.Conv2D(
            4 * units, kernel_size, padding="same", dtype=self.dtype_policy, name="gates"
        )

    def build(self, inputs_shape, state_shape=None):
        del state_shape  # follows from the inputs'
        self.gates.build((*inputs_shape[:-1], inputs_shape[-1] + self.units))

    def initial_state(self, batch_size, height, width):
        """Zeros (Algorithm 1, line 3)."""
        zeros = ops.zeros((batch_size, height, width, self.units), "float32")
        return zeros, zeros

    def call(self, inputs, state):
        hidden, cell = state
        gates = self.gates(ops.concatenate([ops.cast(inputs, "float32"), hidden], axis=-1))
        return conv_lstm_update(ops.cast(gates, "float32"), cell)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "kernel_size": self.kernel_size}
