"""One step of the optimizers that a loss is for, and what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from lmvp_tf.distribution import over_replicas
from lmvp_tf.training.optimizers import Optimizers


def update(
    optimizers: Optimizers,
    tape: tf.GradientTape,
    loss: tf.Tensor,
    thetas: Mapping[str, Sequence[Any]],
) -> dict[str, tf.Tensor]:
    """Takes one step for each of some networks, all by the same loss.

    Of several replicas each calls it with the loss of its part of a batch. Their gradients are
    averaged first, so that what is clipped is the gradient of the whole batch.

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
      variables moved by}. With `optimizers.skip_nonfinite` also {"skipped/name": 1.0 where that was
      not finite, and the network and its optimizer are as they were; else 0.0}.
    """
    scales = {name: optimizers[name].scale_loss(1.0) for name in thetas}  # 1.0 unless in float16
    scale = tf.reduce_min(list(scales.values()))
    gradients = over_replicas(tape.gradient(loss, thetas, output_gradients=scale))
    report = {}
    for name, theta in thetas.items():
        optimizer = optimizers[name]
        kept = [*theta, *(optimizer.variables if optimizers.skip_nonfinite else ())]
        before = [tf.identity(variable) for variable in kept]
        share = scales[name] / scale
        optimizer.apply([share * gradient for gradient in gradients[name]], theta)
        moves = [variable - old for variable, old in zip(theta, before, strict=False)]
        gradient_norm = tf.linalg.global_norm(gradients[name]) / scale
        update_norm = tf.linalg.global_norm(moves)
        report[f"gradient_norm/{name}"] = gradient_norm
        report[f"update_norm/{name}"] = update_norm
        if optimizers.skip_nonfinite:
            signs = [over_replicas(loss), update_norm]
            if not isinstance(optimizer, keras.optimizers.LossScaleOptimizer):  # it does so itself
                signs.append(gradient_norm)
            report[f"skipped/{name}"] = _undo_unless_finite(signs, kept, before)
    return report


def _undo_unless_finite(
    signs: Sequence[tf.Tensor], variables: Sequence[Any], before: Sequence[tf.Tensor]
) -> tf.Tensor:
    """Gives variables the values of before where a sign is not finite; 1.0 then, else 0.0."""
    finite = tf.reduce_all(tf.math.is_finite(tf.stack(signs)))
    for variable, old in zip(variables, before, strict=True):
        variable.assign(tf.where(finite, variable, old))
    return 1.0 - tf.cast(finite, tf.float32)
