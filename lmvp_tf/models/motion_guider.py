"""The motion guider M, which learns how features move and teaches G (Section 2.2)."""

import keras
from keras import ops

from lmvp_tf.layers.conv_lstm_cell import ConvLSTMCell
from lmvp_tf.models.recurrence import recur


@keras.saving.register_keras_serializable(package="lmvp_tf")
class MotionGuider(keras.Model):
    """M: from f_t and its own state, the dynamic motion feature m_t that predicts f_{t+1} - f_t.

        state_t = ConvLSTM(f_t, state_{t-1}),    m_t = conv(hidden_t)

    Args:
      units: channels of the recurrent state.

    Call arguments:
      features: f_t, [B, h, w, K].
      state: from `initial_state` or from the step before.

    Returns:
      m_t, [B, h, w, K], float32, and the new state.
    """

    def __init__(self, units, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.units = units
        self.cell = ConvLSTMCell(units, dtype=self.dtype_policy, name="cell")

    def build(self, features_shape, state_shape=None):
        del state_shape  # follows from the features'
        self.cell.build(features_shape)
        self.head = keras.layers.Conv2D(
            features_shape[-1], 3, padding="same", dtype=self.dtype_policy, name="head"
        )
        self.head.build((*features_shape[:-1], self.units))

    def initial_state(self, batch_size, height, width):
        """Zeros (Algorithm 1, line 3)."""
        return self.cell.initial_state(batch_size, height, width)

    def call(self, features, state):
        state = self.cell(features, state)
        return ops.cast(self.head(state[0]), "float32"), state

    def guide(self, features, state=None, rolled=False):
        """Runs M over features that are all known, from zero states or from `state`.

        Args:
          features: f_1..f_T, [B, T, h, w, K].
          state: M's state before f_1; zeros when left out.
          rolled: see `lmvp_tf.models.recurrence.recur`.

        Returns:
          m_1..m_T, [B, T, h, w, K], and the state after f_T.
        """
        if state is None:
            state = self.initial_state(ops.shape(features)[0], *features.shape[2:4])

        def step(state, feature):
            state = self.cell(feature, state)
            return state, state[0]

        state, hidden = recur(step, state, features, rolled=rolled)
        motions = self.head(ops.reshape(hidden, (-1, *hidden.shape[2:])))
        return ops.reshape(ops.cast(motions, "float32"), (-1, *features.shape[1:])), state

    def get_config(self):
        return {**super().get_config(), "units": self.units}
