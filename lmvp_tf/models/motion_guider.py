"""The motion guider M, which learns how features move and teaches G (Section 2.2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import keras
from keras import ops

from lmvp_tf.layers.adaptive_filter import adaptive_filter_reference, filter_flow
from lmvp_tf.layers.conv_lstm_cell import ConvLSTMCell
from lmvp_tf.layers.conv_stack import ConvStack
from lmvp_tf.models.recurrence import recur

if TYPE_CHECKING:
    import tensorflow as tf

FORMS = ("recurrent", "beside", "mapped", "split", "transport")
_WITH_MAP = ("beside", "mapped")  # G reads a map of (hidden_t, f_t) that Eq. 2 does not train
_REACH = 3  # transport: features come from the cell itself and the eight around it

Memory = tuple["tf.Tensor", "tf.Tensor"]  # hidden and cell, each [B, h, w, units]


class Guidance(NamedTuple):
    """What M says at t, or at every t where there is an axis of time before h."""

    motion: tf.Tensor  # m_t, the prediction of f_{t+1} - f_t, [..., h, w, K], float32
    shown: tf.Tensor  # what G reads of M, [..., h, w, N], float32


@keras.saving.register_keras_serializable(package="lmvp_tf")
class MotionGuider(keras.Model):
    """M: from f_t and its own state, the dynamic motion feature m_t that predicts f_{t+1} - f_t.

        hidden_t, state_t = ConvLSTM(f_t, state_{t-1})

        "recurrent"    m_t = conv(hidden_t)                              G reads m_t
        "beside"       m_t = head(hidden_t, f_t)                         G reads another map of
                                                                         these, and hidden_t
        "mapped"       m_t = head(hidden_t, f_t)                         G reads m_t, that map,
                                                                         hidden_t
        "split"        m_t = head(hidden_t, f_t)                         G reads m_t, hidden_t
        "transport"    m_t = filter_t * f_t - f_t + head(hidden_t, f_t)  G reads m_t, hidden_t and
                                                                         where filter_t points

    The first is the paper's, in which one map is to be both what Eq. 2 asks for and what G can use.
    In the others each has its own. The filters of the last, one 3x3 softmax filter per cell, come
    from (hidden_t, f_t) too.

    Args:
      units: channels of the recurrent state.
      form: one of `FORMS`.
      head_widths: all but "recurrent": channels of the head's layers before the last, and of the
        layers of that other map.
      apart: all but "recurrent": Eq. 2 alone trains what makes m_t of (hidden_t, f_t), and moves
        nothing else; False: all of M is one network.

    Call arguments:
      features: f_t, [B, h, w, K].
      state: from `initial_state` or from the step before.

    Returns:
      A Guidance and the new state.
    """

    def __init__(
        self,
        units: int,
        form: str = "recurrent",
        head_widths: Sequence[int] = (),
        apart: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        self.units = units
        self.form = form
        self.head_widths = tuple(head_widths)
        self.apart = apart and form != "recurrent"
        self.cell = ConvLSTMCell(units, dtype=self.dtype_policy, name="cell")

    def build(self, features_shape: tuple[Any, ...], state_shape: Any = None) -> None:
        del state_shape  # follows from the features'
        *grid, channels = features_shape
        self.cell.build(features_shape)
        shape = (*grid, self.units)
        if self.form != "recurrent":
            known = (*grid, self.units + channels)
            if self.form in _WITH_MAP:
                self.other = ConvStack(self.head_widths, dtype=self.dtype_policy, name="other")
                self.other.build(known)
            self.body = ConvStack(self.head_widths, dtype=self.dtype_policy, name="body")
            self.body.build(known)
            shape = (*grid, self.head_widths[-1] + channels)
        self.head = self._convolution(channels, "head", shape)
        if self.form == "transport":
            self.taps = self._convolution(_REACH**2, "taps", shape)

    def _convolution(
        self, channels: int, name: str, input_shape: tuple[Any, ...]
    ) -> keras.layers.Conv2D:
        layer = keras.layers.Conv2D(channels, 3, padding="same", dtype=self.dtype_policy, name=name)
        layer.build(input_shape)
        return layer

    @property
    def networks(self) -> dict[str, list[keras.Variable]]:
        """{"M": what Eq. 2 trains} and, where that is apart, {"R": the recurrence, and what else
        the reconstruction trains}.
        """
        if not self.apart:
            return {"M": self.trainable_variables}
        recurrence = self.cell.trainable_variables
        if self.form in _WITH_MAP:
            recurrence = recurrence + self.other.trainable_variables
        return {"R": recurrence, "M": self.trainable_variables[len(recurrence) :]}

    def num_shown(self, num_channels: int) -> int:
        """N, how many channels G reads, for features of K channels."""
        return {
            "recurrent": num_channels,
            "beside": self.head_widths[-1] + self.units,
            "mapped": num_channels + self.head_widths[-1] + self.units,
            "split": num_channels + self.units,
            "transport": num_channels + self.units + 2,
        }[self.form]

    def initial_state(self, batch_size: int | tf.Tensor, height: int, width: int) -> Memory:
        """Zeros (Algorithm 1, line 3)."""
        return self.cell.initial_state(batch_size, height, width)

    def call(self, features: tf.Tensor, state: Memory) -> tuple[Guidance, Memory]:
        state = self.cell(features, state)
        return self._guidance(state[0], features), state

    def guide(
        self, features: tf.Tensor, state: Memory | None = None, rolled: bool = False
    ) -> tuple[Guidance, Memory]:
        """Runs M over features that are all known, from zero states or from `state`.

        Args:
          features: f_1..f_T, [B, T, h, w, K].
          state: M's state before f_1; zeros when left out.
          rolled: see `lmvp_tf.models.recurrence.recur`.

        Returns:
          The Guidance at t = 1..T, [B, T, h, w, .], and the state after f_T.
        """
        if state is None:
            state = self.initial_state(ops.shape(features)[0], *features.shape[2:4])

        def step(state: Memory, feature: tf.Tensor) -> tuple[Memory, tf.Tensor]:
            state = self.cell(feature, state)
            return state, state[0]

        state, hidden = recur(step, state, features, rolled=rolled)
        flat = [ops.reshape(maps, (-1, *maps.shape[2:])) for maps in (hidden, features)]
        maps = self._guidance(*flat)
        length = features.shape[1]
        return Guidance(*(ops.reshape(x, (-1, length, *x.shape[1:])) for x in maps)), state

    def _guidance(self, hidden: tf.Tensor, features: tf.Tensor) -> Guidance:
        """The Guidance of hidden_t, [B, h, w, units], and f_t, [B, h, w, K]."""
        if self.form == "recurrent":
            motion = ops.cast(self.head(hidden), "float32")
            return Guidance(motion, motion)
        fixed = ops.stop_gradient if self.apart else lambda maps: maps
        given = ops.concatenate([hidden, features], axis=-1)
        known, features = fixed(given), fixed(features)
        body = ops.concatenate([ops.cast(self.body(known), "float32"), features], axis=-1)
        motion = ops.cast(self.head(body), "float32")
        if self.form == "split":
            return Guidance(motion, ops.concatenate([fixed(motion), hidden], axis=-1))
        if self.form in _WITH_MAP:
            leaked = [fixed(motion)] if self.form == "mapped" else []
            other = ops.cast(self.other(given), "float32")
            return Guidance(motion, ops.concatenate([*leaked, other, hidden], axis=-1))
        taps = ops.moveaxis(ops.cast(self.taps(body), "float32"), -1, 0)
        motion = motion + adaptive_filter_reference(features, taps) - features
        source = filter_flow(ops.softmax(taps, axis=0))
        return Guidance(motion, ops.concatenate([fixed(motion), hidden, fixed(source)], axis=-1))

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "units": self.units,
            "form": self.form,
            "head_widths": self.head_widths,
            "apart": self.apart,
        }
