"""How models are trained: the contract of a procedure, and the procedures by name.

A new procedure is one file: a subclass of `Procedure`, and a line here. A model says which is its
own by its attribute `procedure`.
"""

from __future__ import annotations

import abc
import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from lmvp_tf.errors import UserError

if TYPE_CHECKING:
    import tensorflow as tf

    from lmvp_tf.configs import Config
    from lmvp_tf.models.predictor import VideoPredictor
    from lmvp_tf.training.optimizers import Optimizers

Step = Callable[["tf.Tensor"], dict[str, "tf.Tensor"]]

# Names of classes, imported when they are asked for: TensorFlow takes seconds.
PROCEDURES = {
    "algorithm1": "lmvp_tf.training.algorithm1.Algorithm1",
    "supervised": "lmvp_tf.training.supervised.Supervised",
}


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
        traced once, as a graph.
        """

    def phase(self, step: int) -> str:
        """The phase of a step, counted from 0."""
        return [name for name, start in self.starts().items() if start <= step][-1]

    def ends(self) -> dict[str, int]:
        """{phase: the first step that is no more of it}, in order, of the phases that have steps
        within `training.max_steps`.
        """
        starts, last = self.starts(), self.config.training.max_steps
        following = [*starts.values()][1:] + [last]
        ends = zip(starts.items(), following, strict=True)
        return {name: min(end, last) for (name, start), end in ends if start < min(end, last)}

    def cut_off(self) -> dict[str, int]:
        """{phase: the step that it would begin at} of the phases that `training.max_steps` leaves
        no step of.
        """
        starts, last = self.starts(), self.config.training.max_steps
        following = [*starts.values()][1:] + [max(last, *starts.values()) + 1]
        meant = zip(starts.items(), following, strict=True)
        return {name: start for (name, start), end in meant if last <= start < end}


def procedure_class(name: str) -> type[Procedure]:
    """The Procedure of a name.

    Raises:
      UserError: there is no such procedure.
    """
    if name not in PROCEDURES:
        raise UserError(
            f"a model's procedure must be one of {', '.join(PROCEDURES)}. Received: {name}"
        )
    module, _, attribute = PROCEDURES[name].rpartition(".")
    return getattr(importlib.import_module(module), attribute)
