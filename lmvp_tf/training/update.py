"""One step of the optimizers that a loss is for, and what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf

from lmvp_tf.training.optimizers import Optimizers


def update(
    optimizers: Optimizers,
    tape: tf.GradientTape,
    loss: tf.Tensor,
    thetas: Mapping[str, Sequence[Any]],
) -> dict[str, tf.Tensor]:
    """Takes one Adam step for each of some networks, all by the same loss.

    In float16 the gradients of small losses vanish: there the loss is scaled up (Micikevicius et
    al. 2018), by the smallest scale of its optimizers, and a step whose gradients overflowed is
    left out.

    Args:
      optimizers: the Optimizers.
      tape: a GradientTape that recorded the loss.
      loss: scalar.
      thetas: {name: variables of the network}; the names are those of the optimizers.

    Returns:
      For each network {"gradient_norm/name": before clipping, "update_norm/name": of what the
      variables moved by}.
    """
    scales = {name: optimizers[name].scale_loss(1.0) for name in thetas}  # 1.0 unless in float16
    scale = tf.reduce_min(list(scales.values()))
    gradients = tape.gradient(loss, thetas, output_gradients=scale)
    report = {}
    for name, theta in thetas.items():
        before = [tf.identity(variable) for variable in theta]
        share = scales[name] / scale
        optimizers[name].apply([share * gradient for gradient in gradients[name]], theta)
        moves = [variable - old for variable, old in zip(theta, before, strict=True)]
        report[f"gradient_norm/{name}"] = tf.linalg.global_norm(gradients[name]) / scale
        report[f"update_norm/{name}"] = tf.linalg.global_norm(moves)
    return report
