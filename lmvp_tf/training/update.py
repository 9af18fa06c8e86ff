"""One step of an optimizer, and what it did."""

import tensorflow as tf


def update(name, optimizer, theta, gradients):
    """Takes one Adam step.

    Args:
      name: of the network, for the report.
      optimizer: a built Keras optimizer.
      theta: its variables.
      gradients: one for each of them.

    Returns:
      {"gradient_norm/name": before clipping, "update_norm/name": of what the variables moved by}.
    """
    before = [tf.identity(variable) for variable in theta]
    optimizer.apply(gradients, theta)
    moves = [variable - old for variable, old in zip(theta, before, strict=True)]
    return {
        f"gradient_norm/{name}": tf.linalg.global_norm(gradients),
        f"update_norm/{name}": tf.linalg.global_norm(moves),
    }
