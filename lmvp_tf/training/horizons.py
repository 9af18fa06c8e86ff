"""How far a model predicts on its own while it learns to: one frame, some more, all of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from lmvp_tf.configs import Config


class Stage(NamedTuple):
    """A phase of training with one horizon.

    Attributes:
      start: the step that it begins at.
      num_real: R, how many frames of a video are real to the model; it predicts the T - R others in
        a chain.
    """

    start: int
    num_real: int


def stages(config: Config, last: str) -> dict[str, Stage]:
    """{phase: its Stage}, in order: "one_step", "horizon_h" for each h of `training.horizons`, and
    the open loop over all T - T0 frames, under the name `last`. A horizon of T - T0 or more is that
    open loop.
    """
    training, num_frames = config.training, config.data.num_frames
    longest = config.data.num_predicted
    lengths = {"one_step": 1}
    lengths |= {f"horizon_{length}": length for length in training.horizons if length < longest}
    lengths[last] = longest
    starts = [0]
    for i in range(len(lengths) - 1):
        starts.append(training.one_step_steps + i * training.horizon_steps)
    return {
        name: Stage(start, num_frames - length)
        for (name, length), start in zip(lengths.items(), starts, strict=True)
    }
