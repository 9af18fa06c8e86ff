"""The losses of the paper, Eq. 1 to 4, and the gradient difference loss, as pure functions.

Each is a mean over all elements rather than the paper's sum, so that a weight means the same at any
frame size, feature size, batch size and number of frames (docs/decisions.md). All are computed in
float32.
"""

from __future__ import annotations

from collections.abc import Callable

from keras import KerasTensor, ops

EPSILON = 1e-7  # predictions are kept so far from 0 and 1 before a logarithm


def discriminator_loss(real_logits: KerasTensor, fake_logits: KerasTensor) -> KerasTensor:
    """Eq. 1: -E[log D(x)] - E[log(1 - D(x̂))].

    Args:
      real_logits: D's logits on real clips, any shape.
      fake_logits: D's logits on generated clips, any shape.

    Returns:
      A scalar. log D = -softplus(-logit) and log(1 - D) = -softplus(logit): safe at any logit.
    """
    return ops.mean(ops.softplus(-real_logits)) + ops.mean(ops.softplus(fake_logits))


def motion_loss(
    motions: KerasTensor, features: KerasTensor, next_features: KerasTensor
) -> KerasTensor:
    """|m_t - (f_{t+1} - f_t)|^2, the common term of Eq. 2 (M learns) and Eq. 3 (M teaches).

    Args:
      motions: m_t = M(f_t), [B, T, h, w, K].
      features: f_t, same shape.
      next_features: f_{t+1}, same shape.

    Returns:
      The squared error of each time step, a mean over its elements, [B, T].
    """
    return ops.mean(ops.square(motions - (next_features - features)), axis=(2, 3, 4))


def learner_loss(motions: KerasTensor, features: KerasTensor) -> KerasTensor:
    """Eq. 2: sum_t |M(f_t) - (f_{t+1} - f_t)|^2 over real clips.

    Args:
      motions: M's predictions m_t for t = 1..T-1, [B, T-1, h, w, K].
      features: f_t for t = 1..T, [B, T, h, w, K].

    Returns:
      A scalar.
    """
    return ops.mean(motion_loss(motions, features[:, :-1], features[:, 1:]))


def teacher_loss(
    motions: KerasTensor,
    features: KerasTensor,
    next_features: KerasTensor,
    weights: KerasTensor,
) -> KerasTensor:
    """Eq. 3: sum_t |(F([x̂_{t-c+1:t}, G(x̂_t, m̂_t)]) - f̂_t) - m̂_t|^2.

    Only `next_features` carries a gradient in the paper: the caller stops those of the other two.

    Args:
      motions: m̂_t, [B, T-1, h, w, K].
      features: f̂_t, same shape.
      next_features: F of the clips that end with G's prediction of t+1, same shape.
      weights: one weight per time step, [T-1].

    Returns:
      A scalar, the weighted mean over time steps.
    """
    return weighted_mean(motion_loss(motions, features, next_features), weights)


def reconstruction_loss(
    kind: str,
    truth: KerasTensor,
    predictions: KerasTensor,
    weights: KerasTensor,
    gdl_weight: float = 0.0,
    gdl_alpha: float = 1.0,
) -> KerasTensor:
    """L_recons: pixel-wise BCE or MSE, plus the weighted gradient difference loss.

    Args:
      kind: "bce" or "mse".
      truth: frames 2..T in [0, 1], [B, T-1, H, W, C].
      predictions: their predictions, same shape.
      weights: one weight per time step, [T-1].
      gdl_weight: weight of the gradient difference loss; 0 leaves it out.
      gdl_alpha: its exponent.

    Returns:
      A scalar.
    """
    pixel_loss = {"bce": binary_cross_entropy, "mse": squared_error}[kind]
    loss = pixel_loss(truth, predictions)
    if gdl_weight:
        loss = loss + gdl_weight * gradient_difference_loss(truth, predictions, gdl_alpha)
    return weighted_mean(loss, weights)


def generator_loss(reconstruction: KerasTensor, teacher: KerasTensor, gamma: float) -> KerasTensor:
    """Eq. 4: L_gen = L_recons + gamma L_M^T."""
    return reconstruction + gamma * teacher


def binary_cross_entropy(truth: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Binary cross-entropy in nats, a mean over each frame: [B, T, H, W, C] -> [B, T]."""
    predictions = ops.clip(predictions, EPSILON, 1.0 - EPSILON)
    loss = truth * ops.log(predictions) + (1.0 - truth) * ops.log(1.0 - predictions)
    return -ops.mean(loss, axis=(2, 3, 4))


def squared_error(truth: KerasTensor, predictions: KerasTensor) -> KerasTensor:
    """Squared error, a mean over each frame: [B, T, H, W, C] -> [B, T]."""
    return ops.mean(ops.square(truth - predictions), axis=(2, 3, 4))


def gradient_difference_loss(
    truth: KerasTensor, predictions: KerasTensor, alpha: float = 1.0
) -> KerasTensor:
    """The gradient difference loss (GDL) of Mathieu et al. 2016, which punishes blurred edges.

    | |x_{i,j} - x_{i-1,j}| - |x̂_{i,j} - x̂_{i-1,j}| |^alpha, and the same along the width,
    both as means.

    Args:
      truth: frames, [B, T, H, W, C].
      predictions: same shape.
      alpha: exponent, 1 or more (below 1 the gradient is infinite at a perfect prediction).

    Returns:
      [B, T].
    """
    loss = 0.0
    for axis in (2, 3):
        difference = ops.abs(_absolute_step(truth, axis) - _absolute_step(predictions, axis))
        loss = loss + ops.mean(
            ops.power(difference, alpha) if alpha != 1 else difference, (2, 3, 4)
        )
    return loss


def learner_yardsticks(
    features: KerasTensor, mean: Callable[[KerasTensor], KerasTensor] = ops.mean
) -> dict[str, KerasTensor]:
    """What Eq. 2 is for an M that knows next to nothing of motion.

    Args:
      features: f_t for t = 1..T, [B, T, h, w, K].
      mean: takes the mean of a tensor over all its elements, and over more than this batch where
        the batch is a part of one.

    Returns:
      {"zeros": of m_t = 0, "minus_f": of m_t = -a f_t with the best a, which expects features to
      come back to their mean}. An M that does not beat both knows nothing of how features move.
    """
    now, change = features[:, :-1], features[:, 1:] - features[:, :-1]
    zeros, together = learner_loss(ops.zeros_like(now), features), mean(now * change)
    size = ops.maximum(mean(ops.square(now)), EPSILON)
    return {"zeros": zeros, "minus_f": zeros - ops.square(together) / size}


def weighted_mean(values: KerasTensor, weights: KerasTensor) -> KerasTensor:
    """Mean of [B, T] values under one weight per time step [T]."""
    return ops.sum(ops.mean(values, axis=0) * weights) / ops.sum(weights)


def _absolute_step(frames: KerasTensor, axis: int) -> KerasTensor:
    # Split, because the gradient of a slice takes ten times as long on a CPU.
    _, later = ops.split(frames, [1], axis)
    earlier, _ = ops.split(frames, [frames.shape[axis] - 1], axis)
    return ops.abs(later - earlier)
