"""MCnet: its size, its equations in NumPy, what it is fed."""

import numpy as np
import tensorflow as tf

from lmvp_tf.models import mcnet
from lmvp_tf.presets import named
from lmvp_tf.training.checkpoint import build_model
from tests.layers.numpy_conv import conv, sigmoid
from tests.models.tiny_baselines import T0, T, built


def test_mcnets_generator_has_the_size_of_the_authors_program():
    """Counted from their src/mcnet.py, layer by layer: (kernel's side, channels in, out)."""
    model = build_model(named.get("moving_mnist", "demo", "mcnet"))  # U = 8, theirs is 64
    u, layers = 8, []
    layers += [(5, 1, u), (5, u, 2 * u), (7, 2 * u, 4 * u)]  # dyn_conv
    layers += [(3, 8 * u, 16 * u)]  # lstm
    layers += [(3, 1, u), (3, u, u), (3, u, 2 * u), (3, 2 * u, 2 * u), (3, 2 * u, 4 * u)]
    layers += [(3, 4 * u, 4 * u)] * 2  # cont_conv
    layers += [(3, 8 * u, 4 * u), (3, 4 * u, 2 * u), (3, 2 * u, 4 * u)]  # comb
    for n in (u, 2 * u, 4 * u):  # res
        layers += [(3, 2 * n, n), (3, n, n)]
    layers += [(3, 4 * u, 4 * u), (3, 4 * u, 4 * u), (3, 4 * u, 2 * u)]  # dec_deconv3
    layers += [(3, 2 * u, 2 * u), (3, 2 * u, u), (3, u, u), (3, u, 1)]  # dec_deconv2 and 1
    count = sum(size**2 * read * given + given for size, read, given in layers)
    assert model.parameter_counts()["G"] == count


def numpy_mcnet(generator, frames):
    """x̂ from all but no predictions: MCnet's equations with loops over the kernels."""

    def layer(part, x):
        return conv(x, *part.get_weights())

    def relu(x):
        return np.maximum(x, 0)

    def encode(levels, x):
        kept = []
        for level in levels:
            for part in level:
                x = relu(layer(part, x))
            kept.append(x)
            b, h, w, c = x.shape
            x = x.reshape(b, h // 2, 2, w // 2, 2, c).max(axis=(2, 4))
        return x, kept

    places = frames.shape[2] // 8, frames.shape[3] // 8
    h = c = np.zeros((len(frames), *places, generator.recurrent.units))
    for t in range(1, frames.shape[1]):
        pooled, motion = encode(generator.motion, frames[:, t] - frames[:, t - 1])
        gates = conv(np.concatenate([pooled, h], -1), *generator.recurrent.gates.get_weights())
        i, f, g, o = np.split(gates, 4, -1)
        c = sigmoid(f + 1) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(c)
    pooled, content = encode(generator.content, 2 * frames[:, -1] - 1)
    x = np.concatenate([h, pooled], -1)
    for part in generator.combination:
        x = relu(layer(part, x))
    for level in (2, 1, 0):
        first, second = generator.residuals[level]
        both = np.concatenate([motion[level], content[level]], -1)
        doubled = np.zeros((len(x), 2 * x.shape[1], 2 * x.shape[2], x.shape[3]))
        doubled[:, ::2, ::2] = x
        x = relu(doubled + layer(second, relu(layer(first, both))))
        for part in generator.decoder[level]:
            x = relu(layer(part, x))
    return (np.tanh(layer(generator.head, x)) + 1) / 2


def test_mcnet_predicts_what_its_equations_say(tiny_video):
    model = built("mcnet")
    rng = np.random.default_rng(3)
    for variable in model.generator.trainable_variables:
        if "bias" in variable.path:
            variable.assign(rng.normal(0, 0.1, variable.shape))
    predicted = model(tf.constant(tiny_video[:, :T0]), num_predicted=2)
    first = numpy_mcnet(model.generator, tiny_video[:, :T0])
    np.testing.assert_allclose(predicted[:, 0], first, atol=1e-5)
    known = np.concatenate([tiny_video[:, :T0], first[:, None]], axis=1)
    np.testing.assert_allclose(predicted[:, 1], numpy_mcnet(model.generator, known), atol=1e-5)


def test_mcnet_is_fed_the_real_future_only_in_one_step(tiny_video):
    model, video = built("mcnet"), tf.constant(tiny_video)
    targets, predictions, num_inside = model.supervise(video, T0, num_real=T - 1)
    np.testing.assert_array_equal(targets, video[:, T0:])
    assert num_inside == 0
    for i in range(T - T0):
        expected = model(video[:, : T0 + i], num_predicted=1)[:, 0]
        np.testing.assert_allclose(predictions[:, i], expected, atol=1e-6)
    open_loop = model.supervise(video, T0, num_real=T0).predictions
    expected = model(video[:, :T0], num_predicted=T - T0)
    np.testing.assert_allclose(open_loop, expected, atol=1e-6)


def test_mcnets_motion_is_a_difference_in_grey():
    frame = np.random.default_rng(0).random((1, 8, 8, 3), np.float32)
    grey = np.moveaxis(tf.image.rgb_to_grayscale(frame).numpy(), -1, 0)
    np.testing.assert_allclose(mcnet._grey(tf.constant(frame))[..., 0], grey[0], atol=1e-3)
