"""The contract of a training procedure.

A new one is one file, a subclass of `Procedure`, and a line in `lmvp_tf.training.procedures`.
"""

from __future__ import annotations

import abc
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    import tensorflow as tf

    from lmvp_tf.configs import Config
    from lmvp_tf.models.predictor import VideoPredictor
    from lmvp_tf.training.optimizers import Optimizers

Step = Callable[["tf.Tensor"], dict[str, "tf.Tensor"]]


class Learner(NamedTuple):
    """What one optimizer moves, and how fast.

    Attributes:
      variables: of the network, or of several.
      rate: the learning rate after its warm-up.
      rates: {phase: rate} of the phases with another.
    """

    variables: Sequence[Any]
    rate: float
    rates: Mapping[str, float] = {}


class Procedure(abc.ABC):
    """How a model is trained: in which phases, by which step in each, with which optimizers.

    Args:
      config: the Config.

    Class attributes:
      scalars: {name of a scalar that steps report: what TensorBoard calls it}, in the order of
        log.csv. A step may report others: they come after these, under their own names.
    """

    scalars: ClassVar[Mapping[str, str]] = {}

    def __init__(self, config: Config) -> None:
        self.config = config

    def validate(self) -> None:  # noqa: B027 (may stay so)
        """Refuses what cannot work together in the config.

        Raises:
          UserError: naming the field, what it may hold, and what it holds.
        """

    @abc.abstractmethod
    def starts(self) -> dict[str, int]:
        """{phase: the step, counted from 0, that it begins at}, in order; the first begins at 0.

        A phase ends where the next begins, and has no steps where both begin at the same.
        """

    @abc.abstractmethod
    def learners(self, model: VideoPredictor) -> dict[str, Learner]:
        """What each optimizer moves, by the name that `steps` knows it by.

        Empty for a model that has nothing to train.
        """

    @abc.abstractmethod
    def steps(self, model: VideoPredictor, optimizers: Optimizers) -> dict[str, Step]:
        """{phase: its step}, a function of a batch [B, T, H, W, C] in [0, 1].

        It updates the model by `lmvp_tf.training.update.update` and returns float32 scalars. It is
        traced once, as a graph: what changes within a phase goes by `optimizers.step`, the variable
        that counts the steps of the run and that a checkpoint has.
        """

    def phase(self, step: int) -> str:
        """The phase of a step, counted from 0."""
        return [name for name, start in self.starts().items() if start <= step][-1]

    def ends(self) -> dict[str, int]:
        """{phase: the first step that is no more of it}, in order, of the phases that have steps
        within `training.max_steps`.
        """
        last = self.config.training.max_steps
        spans = self._spans(last).items()
        return {name: min(end, last) for name, (start, end) in spans if start < min(end, last)}

    def cut_off(self) -> dict[str, int]:
        """{phase: the step that it would begin at} of the phases that `training.max_steps` ends
        before. One that would begin right at the end is left out on purpose.
        """
        last = self.config.training.max_steps
        spans = self._spans(math.inf).items()
        return {name: start for name, (start, end) in spans if last < start < end}

    def _spans(self, end: float) -> dict[str, tuple[int, Any]]:
        """{phase: (its first step, the first of the next)}; the last one lasts until `end`."""
        starts = self.starts()
        following = [*list(starts.values())[1:], end]
        return {name: (starts[name], end) for name, end in zip(starts, following, strict=True)}
