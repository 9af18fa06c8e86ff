"""The recurrent cell of the motion guider M and of the ConvLSTM baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import KerasTensor, ops


def conv_lstm_update(
    gates: KerasTensor,
    cell: KerasTensor,
    peepholes: Sequence[KerasTensor | float] = (0.0, 0.0, 0.0),
) -> tuple[KerasTensor, KerasTensor]:
    """One step of an LSTM whose gates were computed by a convolution (Shi et al. 2015, Eq. 3).

        i, f = sigmoid(gates_i + w_i * c), sigmoid(gates_f + w_f * c + 1)
        c' = f * c + i * tanh(gates_g)
        o = sigmoid(gates_o + w_o * c')
        h' = o * tanh(c')

    The 1 keeps the memory open at the start of training (Jozefowicz et al. 2015).

    Args:
      gates: [B, h, w, 4 * U], in the order i, f, g, o.
      cell: c, [B, h, w, U].
      peepholes: w_i, w_f, w_o, each [U]; none by default.

    Returns:
      h' and c', each [B, h, w, U].
    """
    i, f, g, o = ops.split(gates, 4, axis=-1)
    look_i, look_f, look_o = peepholes
    keep, write = ops.sigmoid(f + look_f * cell + 1.0), ops.sigmoid(i + look_i * cell)
    cell = keep * cell + write * ops.tanh(g)
    return ops.sigmoid(o + look_o * cell) * ops.tanh(cell), cell


@keras.saving.register_keras_serializable(package="lmvp_tf")
class ConvLSTMCell(keras.layers.Layer):
    """A convolutional LSTM cell. Its state stays float32 under any precision policy.

    Args:
      units: U, channels of the hidden state and of the memory.
      kernel_size: of the convolution over [inputs, hidden].
      peepholes: the gates see the memory, by a weight for each channel.

    Call arguments:
      inputs: [B, h, w, K], or None for a cell that was built for K = 0.
      state: (hidden, cell), each [B, h, w, U].

    Returns:
      The new state, (hidden, cell); the hidden part is the cell's output.
    """

    def __init__(
        self, units: int, kernel_size: int = 3, peepholes: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.units = units
        self.peepholes = peepholes
        self.kernel_size = kernel_size
        self.gates = keras.layers.Conv2D(
            4 * units, kernel_size, padding="same", dtype=self.dtype_policy, name="gates"
        )

    def build(self, inputs_shape: tuple[Any, ...], state_shape: Any = None) -> None:
        del state_shape  # follows from the inputs'
        self.gates.build((*inputs_shape[:-1], inputs_shape[-1] + self.units))
        self.look: Sequence[KerasTensor | float] = (0.0, 0.0, 0.0)
        if self.peepholes:
            self.look = [
                self.add_weight(name=f"peephole_{gate}", shape=(self.units,), initializer="zeros")
                for gate in "ifo"
            ]

    def initial_state(
        self, batch_size: int | KerasTensor, height: int, width: int
    ) -> tuple[KerasTensor, KerasTensor]:
        """Zeros (Algorithm 1, line 3)."""
        zeros = ops.zeros((batch_size, height, width, self.units), "float32")
        return zeros, zeros

    def call(
        self, inputs: KerasTensor | None, state: tuple[KerasTensor, KerasTensor]
    ) -> tuple[KerasTensor, KerasTensor]:
        hidden, cell = state
        if inputs is not None:
            hidden = ops.concatenate([ops.cast(inputs, "float32"), hidden], axis=-1)
        return conv_lstm_update(ops.cast(self.gates(hidden), "float32"), cell, self.look)

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "kernel_size": self.kernel_size,
            "peepholes": self.peepholes,
        }
