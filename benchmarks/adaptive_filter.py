"""The adaptive filter, forward and backward, beside the way it is usually written."""

import math
import pathlib

import tensorflow as tf

from benchmarks.common import Row, copy_bandwidth, memory, side_by_side
from benchmarks.processes import value_of
from lmvp_tf.layers.adaptive_filter import adaptive_filter

_BASELINE = "identity-kernel convolution, softmax and sum"
_PICTURE = 64, 64


def identity_kernel_filter(frame, logits):
    """The usual formulation: a convolution that copies each neighbour to a channel of its own.

    Args:
      frame: [B, H, W, 1].
      logits: [B, H, W, k*k], taps in row-major order.

    Returns:
      [B, H, W, 1].
    """
    taps = logits.shape[-1]
    size = round(taps**0.5)
    kernel = tf.reshape(tf.eye(taps), (size, size, 1, taps))
    shifts = tf.nn.conv2d(frame, kernel, 1, "SAME")
    return tf.reduce_sum(tf.nn.softmax(logits) * shifts, axis=-1, keepdims=True)


def _problem(size, batch, which):
    """A function that runs the filter forward and backward; the bytes that no way can do without.

    Args:
      size: k.
      batch: B.
      which: "fast" (taps first) or "usual" (taps last): each as it comes out of its projection.
    """
    function = {"fast": adaptive_filter, "usual": identity_kernel_filter}[which]
    pixels, taps = (batch, *_PICTURE), (size * size,)
    # Constants: the time is the same, and random numbers would leave memory behind to be used.
    frame, upstream = tf.ones((*pixels, 1)), tf.ones((*pixels, 1))
    logits = tf.zeros(taps + pixels if which == "fast" else pixels + taps)

    @tf.function
    def run():
        with tf.GradientTape() as tape:
            tape.watch((frame, logits))
            out = function(frame, logits)
        return out, tape.gradient(out, (frame, logits), output_gradients=upstream)

    numbers = tf.size(frame).numpy()
    # Forward reads logits and frame and writes out; backward reads logits, frame and upstream and
    # writes both gradients.
    return run, 4 * numbers * (3 * size * size + 5)


def adaptive_filter_k9(quick):
    """Seconds for k = 9."""
    return _time("adaptive_filter_k9", 9, quick)


def adaptive_filter_k11(quick):
    """Seconds for k = 11."""
    return _time("adaptive_filter_k11", 11, quick)


def _batch(quick):
    return 4 if quick else 16


def _time(name, size, quick):
    fast, needed = _problem(size, _batch(quick), "fast")
    usual, _ = _problem(size, _batch(quick), "usual")
    seconds = side_by_side({"fast": fast, "usual": usual}, 5 if quick else 30)
    return Row(
        name,
        1e3 * seconds["fast"],
        "ms",
        _BASELINE,
        seconds["usual"] / seconds["fast"],
        1e3 * needed / copy_bandwidth(),
    )


def adaptive_filter_k9_memory(quick):
    """The memory that a call takes beside its inputs, for k = 9."""
    del quick  # at a small batch what belongs to the program would count for most
    batch = _batch(False)
    peaks = {which: value_of(peak_memory, batch, which) for which in ("fast", "usual")}
    return Row(
        "adaptive_filter_k9_memory",
        peaks["fast"] / 1e6,
        "MB",
        _BASELINE,
        peaks["usual"] / peaks["fast"],
        4 * batch * math.prod(_PICTURE) * (81 + 2) / 1e6,  # the result and both gradients
    )


def peak_memory(batch, which):
    """Yields by how many bytes a first call at this batch lets the process grow at its peak.

    A call at batch 1 goes before it, so that the memory for compiling is there already.
    """
    warm_up, _ = _problem(9, 1, which)
    warm_up()
    run, _ = _problem(9, batch, which)
    before = memory("VmRSS")
    pathlib.Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew
    run()
    yield memory("VmHWM") - before
