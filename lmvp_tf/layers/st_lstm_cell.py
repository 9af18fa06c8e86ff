"""The recurrent cell of PredRNN: a memory in time, and another that goes through the layers."""

from __future__ import annotations

from typing import Any, NamedTuple

import keras
from keras import KerasTensor, ops


class STLSTMState(NamedTuple):
    """What a layer keeps from one time step to the next: each [B, h, w, U]."""

    hidden: KerasTensor
    cell: KerasTensor


class STLSTMOutput(NamedTuple):
    """What one time step of a layer gives.

    Attributes:
      state: its new STLSTMState; the hidden part is the layer's output.
      memory: for the layer above, [B, h, w, U].
      written: what was added to the cell and to the memory, each [B, h, w, U].
    """

    state: STLSTMState
    memory: KerasTensor
    written: tuple[KerasTensor, KerasTensor]


@keras.saving.register_keras_serializable(package="lmvp_tf")
class STLSTMCell(keras.layers.Layer):
    """A spatiotemporal LSTM cell without biases (Wang et al. 2017, "PredRNN", Eq. 4).

        i, f, g = sigmoid, sigmoid(. + 1), tanh of W * [x, h]        c' = f * c + i * g
        i', f', g' = the same of W' * [x, m]                         m' = f' * m + i' * g'
        o = sigmoid(W_o * [x, h] + W_m * [c', m'])                   h' = o * tanh(W_1 * [c', m'])

    W_1 is 1x1. The state and the memory stay float32 under any precision policy.

    Args:
      units: U, channels of the hidden state, the cell and the memory.
      kernel_size: k, of the other convolutions.

    Call arguments:
      inputs: x, [B, h, w, K].
      state: STLSTMState.
      memory: m, of the layer below, or of the uppermost at the time step before; [B, h, w, U].

    Returns:
      STLSTMOutput.
    """

    def __init__(self, units: int, kernel_size: int = 5, **kwargs: Any) -> None:
        super().__init__(autocast=False, **kwargs)
        self.units = units
        self.kernel_size = kernel_size

        def convolution(name: str, width: int, size: int = kernel_size) -> keras.layers.Conv2D:
            return keras.layers.Conv2D(
                width, size, padding="same", use_bias=False, dtype=self.dtype_policy, name=name
            )

        self.gates = convolution("gates", 4 * units)  # i, f, g, o
        self.memory_gates = convolution("memory_gates", 3 * units)  # i', f', g'
        self.output_gate = convolution("output_gate", units)
        self.fusion = convolution("fusion", units, 1)

    def build(self, inputs_shape: tuple[Any, ...]) -> None:
        *place, channels = inputs_shape
        for gates in (self.gates, self.memory_gates):
            gates.build((*place, channels + self.units))
        for both in (self.output_gate, self.fusion):
            both.build((*place, 2 * self.units))

    def call(self, inputs: KerasTensor, state: STLSTMState, memory: KerasTensor) -> STLSTMOutput:
        inputs = ops.cast(inputs, "float32")
        gates = _of(self.gates, inputs, state.hidden)
        gates, output = ops.split(gates, [3 * self.units], axis=-1)
        cell, to_cell = _write(gates, state.cell)
        memory, to_memory = _write(_of(self.memory_gates, inputs, memory), memory)
        output = ops.sigmoid(output + _of(self.output_gate, cell, memory))
        hidden = output * ops.tanh(_of(self.fusion, cell, memory))
        return STLSTMOutput(STLSTMState(hidden, cell), memory, (to_cell, to_memory))

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "units": self.units, "kernel_size": self.kernel_size}


def _of(convolution: keras.layers.Layer, *maps: KerasTensor) -> KerasTensor:
    return ops.cast(convolution(ops.concatenate(maps, axis=-1)), "float32")


def _write(gates: KerasTensor, memory: KerasTensor) -> tuple[KerasTensor, KerasTensor]:
    """The new memory, and what was added to the old one, by gates i, f, g."""
    i, f, g = ops.split(gates, 3, axis=-1)
    written = ops.sigmoid(i) * ops.tanh(g)
    return ops.sigmoid(f + 1.0) * memory + written, written
