"""The adaptive filter against a NumPy loop, and its gradients against finite differences."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.layers.adaptive_filter import (
    AdaptiveFilter,
    adaptive_filter,
    adaptive_filter_reference,
    filter_flow,
)

BOTH = pytest.mark.parametrize("function", [adaptive_filter, adaptive_filter_reference])
# k, then [B, H, W, C]: odd sides, pictures smaller than the filter, one row, one column.
SIZES = [
    (1, (2, 4, 5, 1)),
    (3, (2, 1, 6, 2)),
    (3, (3, 5, 1, 1)),
    (5, (1, 7, 5, 3)),
    (9, (2, 9, 13, 1)),
    (11, (1, 3, 8, 1)),
]


def inputs(k, shape, seed=0):
    """A frame in [0, 1], logits as spread as a trained network's, and an upstream gradient."""
    rng = np.random.default_rng(seed)
    frame = rng.uniform(size=shape).astype("float32")
    logits = 3 * rng.normal(size=(k * k, *shape[:3])).astype("float32")
    return frame, logits, rng.normal(size=shape).astype("float32")


def numpy_softmax(logits):
    exponentials = np.exp(logits - logits.max(axis=0))
    return exponentials / exponentials.sum(axis=0)


def numpy_filter(frame, logits):
    """The definition, pixel by pixel and tap by tap, in float64."""
    batch, height, width, _ = frame.shape
    k = int(np.sqrt(len(logits)))
    r = (k - 1) // 2
    weights = numpy_softmax(logits.astype("float64"))
    out = np.zeros(frame.shape)
    for b, y, x, i, j in np.ndindex(batch, height, width, k, k):
        if 0 <= y + i - r < height and 0 <= x + j - r < width:
            out[b, y, x] += weights[i * k + j, b, y, x] * frame[b, y + i - r, x + j - r]
    return out


def gradients(function, frame, logits, upstream):
    """The output and its gradients with respect to frame and logits, as float64 arrays."""
    frame, logits = tf.convert_to_tensor(frame), tf.convert_to_tensor(logits)
    with tf.GradientTape() as tape:
        tape.watch((frame, logits))
        out = function(frame, logits)
    upstream = tf.cast(upstream, out.dtype)
    results = (out, *tape.gradient(out, (frame, logits), upstream))
    return [tf.cast(result, tf.float64).numpy() for result in results]


def one_hot_logits(k, tap, shape):
    """Logits [k*k, *shape] whose softmax is exactly one at `tap`."""
    logits = np.full((k * k, *shape), -1e4, "float32")
    logits[tap] = 1e4
    return logits


@BOTH
@pytest.mark.parametrize(("k", "shape"), SIZES)
def test_values_are_those_of_the_definition(function, k, shape):
    frame, logits, _ = inputs(k, shape)
    np.testing.assert_allclose(function(frame, logits), numpy_filter(frame, logits), atol=2e-6)


@BOTH
@pytest.mark.parametrize("shape", [(1, 3, 4, 2), (2, 2, 3, 1)])
def test_gradients_are_those_of_finite_differences(function, shape):
    frame, logits, upstream = inputs(3, shape)

    def differences(array, loss, step=1e-4):
        slope = np.zeros(array.shape)
        for index in np.ndindex(array.shape):
            moved = np.zeros(array.shape)
            moved[index] = step
            slope[index] = (loss(array + moved) - loss(array - moved)) / (2 * step)
        return slope

    frame64, logits64 = np.float64(frame), np.float64(logits)
    by_frame = differences(frame, lambda f: np.sum(upstream * numpy_filter(f, logits64)))
    by_logits = differences(logits, lambda lg: np.sum(upstream * numpy_filter(frame64, lg)))
    _, d_frame, d_logits = gradients(function, frame, logits, upstream)
    np.testing.assert_allclose(d_frame, by_frame, atol=5e-6)
    np.testing.assert_allclose(d_logits, by_logits, atol=5e-6)


@pytest.mark.parametrize(("k", "shape"), SIZES)
def test_written_gradients_equal_autodiff_of_the_reference(k, shape):
    arguments = inputs(k, shape)
    fast = gradients(adaptive_filter, *arguments)
    reference = gradients(adaptive_filter_reference, *arguments)
    for ours, theirs in zip(fast, reference, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=3e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [("bfloat16", 2**-8), ("float16", 2**-10)])
def test_half_precision_sums_in_float32(dtype, tolerance):
    """What is left is the rounding of the results: twice half a unit in the last place."""
    frame, logits, upstream = (tf.cast(a, dtype) for a in inputs(5, (2, 6, 7, 2)))
    out = adaptive_filter(frame, logits)
    assert out.dtype == dtype
    halves = gradients(adaptive_filter, frame, logits, upstream)
    exact = gradients(
        adaptive_filter_reference, *(tf.cast(a, "float32") for a in (frame, logits, upstream))
    )
    for half, full in zip(halves, exact, strict=True):
        np.testing.assert_allclose(half, full, atol=tolerance * np.abs(full).max())


def test_eager_graph_and_compiled_agree():
    frame, logits, upstream = (tf.constant(a) for a in inputs(5, (2, 7, 9, 1)))

    def step(frame, logits):
        with tf.GradientTape() as tape:
            tape.watch((frame, logits))
            out = adaptive_filter(frame, logits)
        return (out, *tape.gradient(out, (frame, logits), upstream))

    eager = step(frame, logits)
    graph = tf.function(step, autograph=False)(frame, logits)
    compiled = tf.function(step, jit_compile=True, autograph=False)(frame, logits)
    for a, b, c in zip(eager, graph, compiled, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
        np.testing.assert_allclose(a, c, atol=1e-6)


def test_a_gradient_can_be_taken_inside_another_tape():
    frame, logits, upstream = (tf.constant(a) for a in inputs(3, (1, 4, 4, 1)))
    expected = gradients(adaptive_filter_reference, frame, logits, upstream)[2]
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(logits)
        out = adaptive_filter(frame, logits)
        slope = tape.gradient(out, logits, upstream)
    np.testing.assert_allclose(slope, expected, atol=1e-6)
    assert tape.gradient(slope, logits) is None


@BOTH
def test_batch_may_be_dynamic(function):
    frame, logits, upstream = inputs(5, (3, 6, 7, 2))

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 6, 7, 2]),
            tf.TensorSpec([25, None, 6, 7]),
            tf.TensorSpec([None, 6, 7, 2]),
        ],
        autograph=False,
    )
    def step(frame, logits, upstream):
        with tf.GradientTape() as tape:
            tape.watch((frame, logits))
            out = function(frame, logits)
        return (out, *tape.gradient(out, (frame, logits), upstream))

    for batch in (3, 1):
        frame, logits, upstream = frame[:batch], logits[:, :batch], upstream[:batch]
        expected = gradients(adaptive_filter_reference, frame, logits, upstream)
        for ours, theirs in zip(step(frame, logits, upstream), expected, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-6)


@BOTH
@pytest.mark.parametrize("tap", [0, 7, 12, 24])
def test_a_one_hot_filter_moves_the_picture(function, tap):
    frame, _, _ = inputs(5, (2, 6, 7, 2))
    dy, dx = tap // 5 - 2, tap % 5 - 2
    moved = np.zeros_like(frame)
    for y, x in np.ndindex(6, 7):
        if 0 <= y + dy < 6 and 0 <= x + dx < 7:
            moved[:, y, x] = frame[:, y + dy, x + dx]
    out = function(frame, one_hot_logits(5, tap, (2, 6, 7)))
    np.testing.assert_array_equal(out, moved)


@BOTH
def test_channels_share_the_filter(function):
    frame, logits, _ = inputs(3, (2, 5, 5, 3))
    together = function(frame, logits)
    for c in range(3):
        alone = function(frame[..., c : c + 1], logits)
        np.testing.assert_allclose(together[..., c : c + 1], alone, atol=1e-6)


@pytest.mark.parametrize("tap", range(9))
def test_flow_of_a_one_hot_filter_is_its_offset(tap):
    flow = filter_flow(tf.nn.softmax(one_hot_logits(3, tap, (1, 2, 2)), axis=0))
    assert flow.shape == (1, 2, 2, 2)
    np.testing.assert_array_equal(flow[0, 1, 0], [tap // 3 - 1, tap % 3 - 1])


def test_flow_is_the_mean_offset():
    weights = numpy_softmax(inputs(5, (1, 2, 3, 1))[1])
    flow = filter_flow(tf.constant(weights))
    dy = sum(weights[i * 5 + j] * (i - 2) for i, j in np.ndindex(5, 5))
    dx = sum(weights[i * 5 + j] * (j - 2) for i, j in np.ndindex(5, 5))
    np.testing.assert_allclose(flow, np.stack([dy, dx], axis=-1), atol=1e-6)


def test_reference_converts_to_tflite_builtins():
    frame, logits, _ = inputs(5, (1, 8, 9, 2))
    traced = tf.function(adaptive_filter_reference, autograph=False).get_concrete_function(
        tf.TensorSpec(frame.shape, name="frame"), tf.TensorSpec(logits.shape, name="logits")
    )
    converter = tf.lite.TFLiteConverter.from_concrete_functions([traced], tf.Module())
    interpreter = tf.lite.Interpreter(model_content=converter.convert())
    (out,) = interpreter.get_signature_runner()(frame=frame, logits=logits).values()
    np.testing.assert_allclose(out, numpy_filter(frame, logits), atol=2e-6)


def layer_inputs(shape=(2, 6, 7, 2), features=4):
    rng = np.random.default_rng(1)
    return (
        rng.uniform(size=shape).astype("float32"),
        rng.normal(size=(*shape[:3], features)).astype("float32"),
    )


def randomised(layer, frame, features):
    """The layer, built, with no weight at its initial zero."""
    layer.build(frame.shape, features.shape)
    rng = np.random.default_rng(2)
    layer.set_weights([rng.normal(size=w.shape).astype("float32") for w in layer.weights])
    return layer


@pytest.mark.parametrize("implementation", ["fast", "reference"])
@pytest.mark.parametrize("dynamic_bias", [False, True])
def test_layer_projects_filters_and_adds_its_bias(implementation, dynamic_bias):
    frame, features = layer_inputs()
    layer = AdaptiveFilter(3, dynamic_bias=dynamic_bias, implementation=implementation)
    layer = randomised(layer, frame, features)
    kernel, bias, *content = layer.get_weights()
    expected = numpy_filter(frame, np.moveaxis(features @ kernel + bias, -1, 0))
    if dynamic_bias:
        expected = expected + features @ content[0] + content[1]
    np.testing.assert_allclose(layer(frame, features), expected, atol=1e-5)
    assert len(content) == (2 if dynamic_bias else 0)


def test_layer_starts_from_glorot_and_zero():
    layer = AdaptiveFilter(3, dynamic_bias=True)
    layer.build((None, 6, 7, 2), (None, 6, 7, 400))
    limit = np.sqrt(6 / sum(layer.kernel.shape))
    assert 0.9 * limit < np.abs(layer.kernel).max() <= limit
    for still in (layer.bias, layer.content_kernel, layer.content_bias):
        assert not np.any(still)


def test_filters_sum_to_one():
    frame, features = layer_inputs()
    layer = randomised(AdaptiveFilter(5), frame, features)
    kernel, bias = layer.get_weights()
    expected = numpy_softmax(np.moveaxis(features @ kernel + bias, -1, 0))
    filters = layer.filters(features)
    np.testing.assert_allclose(filters, expected, atol=1e-5)
    np.testing.assert_allclose(np.sum(filters, axis=0), 1, atol=1e-5)


def test_every_weight_of_the_layer_gets_a_gradient():
    frame, features = layer_inputs()
    layer = randomised(AdaptiveFilter(3, dynamic_bias=True), frame, features)
    slopes = {}
    for implementation in ("fast", "reference"):
        layer.implementation = implementation
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(layer(frame, features) ** 2)
        slopes[implementation] = tape.gradient(loss, layer.trainable_variables)
    for fast, reference in zip(slopes["fast"], slopes["reference"], strict=True):
        np.testing.assert_allclose(fast, reference, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_layer_survives_saving(tmp_path, dtype):
    frame, features = layer_inputs()
    layer = AdaptiveFilter(3, dynamic_bias=True, implementation="reference", dtype=dtype)
    pictures, maps = keras.Input(frame.shape[1:]), keras.Input(features.shape[1:])
    model = keras.Model([pictures, maps], layer(pictures, maps))
    assert model.output_shape == (None, 6, 7, 2)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert loaded.layers[-1].get_config() == layer.get_config()
    np.testing.assert_array_equal(loaded([frame, features]), model([frame, features]))


def test_layer_under_mixed_precision_is_close_to_float32():
    frame, features = layer_inputs()
    full = randomised(AdaptiveFilter(5, dynamic_bias=True), frame, features)
    half = AdaptiveFilter(5, dynamic_bias=True, dtype="mixed_bfloat16")
    half.build(frame.shape, features.shape)
    half.set_weights(full.get_weights())
    out = half(frame, features)
    assert out.dtype == frame.dtype == "float32"
    assert half.kernel.dtype == "float32"
    np.testing.assert_allclose(out, full(frame, features), atol=0.1)
    assert not np.array_equal(out, full(frame, features))


@pytest.mark.parametrize("kernel_size", [4, 0, -3])
def test_a_filter_without_a_centre_is_refused(kernel_size):
    with pytest.raises(ValueError, match=f"odd.* Received: kernel_size={kernel_size}$"):
        AdaptiveFilter(kernel_size)


def test_an_unknown_implementation_is_refused():
    with pytest.raises(ValueError, match=r"Received: implementation='quick'$"):
        AdaptiveFilter(3, implementation="quick")
    layer = AdaptiveFilter(3)
    with pytest.raises(ValueError, match=r"Received: implementation='quick'$"):
        layer.implementation = "quick"


def test_an_identity_start_keeps_half_of_every_pixel_and_spreads_the_rest():
    rng = np.random.default_rng(0)
    frame = rng.random((1, 8, 8, 1), np.float32)
    layer = AdaptiveFilter(3, identity_start=True)
    out = layer(tf.constant(frame), tf.constant(rng.random((1, 8, 8, 5), np.float32)))
    padded = np.pad(frame[0, ..., 0], 1)
    window = sum(padded[i : i + 8, j : j + 8] for i in range(3) for j in range(3))
    expected = 0.5 * frame[0, ..., 0] + 0.5 * (window - frame[0, ..., 0]) / 8
    np.testing.assert_allclose(out[0, ..., 0], expected, atol=1e-6)
