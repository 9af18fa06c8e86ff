"""One softmax filter per pixel, applied to the current frame: the last layer of G, and of DFN.

    out[b, y, x, c] = sum_{i, j} softmax(logits)[i * k + j, b, y, x] * frame[b, y+i-r, x+j-r, c]

with r = (k - 1) / 2 and zeros outside the frame (De Brabandere et al. 2016, "Dynamic Filter
Networks", Section 3.2: the dynamic local filtering layer). The channels share the filter. The taps
come first, [k*k, B, H, W]: each tap is then one contiguous picture.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
from keras import KerasTensor, ops

from lmvp_tf.layers.taps import kernel_size_of, sum_dtype


def adaptive_filter_reference(frame: KerasTensor, logits: KerasTensor) -> KerasTensor:
    """The adaptive filter in plain `keras.ops`: differentiable, and exportable to TFLite builtins.

    Args:
      frame: [B, H, W, C], any float dtype. B may be dynamic.
      logits: [k*k, B, H, W], the unnormalised filter taps in row-major order, k odd.

    Returns:
      [B, H, W, C] in the dtype of `frame`. Softmax and sum are computed in float32 at least.
    """
    size, dtype = kernel_size_of(logits), sum_dtype(frame)
    _, height, width, channels = ops.shape(frame)
    # Not ops.softmax: over the first axis it transposes twice, which costs as much as all the rest.
    logits = ops.cast(logits, dtype)
    weights = ops.exp(logits - ops.stop_gradient(ops.max(logits, axis=0)))
    border = (size // 2, size // 2)
    frame_in_zeros = ops.pad(ops.cast(frame, dtype), ((0, 0), border, border, (0, 0)))
    columns = ops.stack([frame_in_zeros[:, :, j : j + width] for j in range(size)])
    shifts = ops.stack([columns[:, :, i : i + height] for i in range(size)])
    shifts = ops.reshape(shifts, (size * size, -1, height, width, channels))
    filtered = ops.sum(weights[..., None] * shifts, axis=0) / ops.sum(weights, axis=0)[..., None]
    return ops.cast(filtered, frame.dtype)


def adaptive_filter(frame: KerasTensor, logits: KerasTensor) -> KerasTensor:
    """The same as `adaptive_filter_reference`, made for training: 4 to 5 times as fast on a CPU.

    The forward pass and both gradients are small functions compiled by XLA; beside the logits and
    their gradient nothing of their size is made. It runs eagerly, in a `tf.function` and in a
    `tf.function(jit_compile=True)`, on CPU and GPU. It has first derivatives only: to a second tape
    its gradients are constants. Export with the reference, since functions compiled by XLA do not
    belong in a SavedModel or TFLite file.

    Args:
      frame: [B, H, W, C], any float dtype. B may be dynamic.
      logits: [k*k, B, H, W], the unnormalised filter taps in row-major order, k odd.

    Returns:
      [B, H, W, C] in the dtype of `frame`. On a Keras backend other than TensorFlow this is the
      reference itself.
    """
    if keras.backend.backend() != "tensorflow":
        return adaptive_filter_reference(frame, logits)
    from lmvp_tf.layers.adaptive_filter_xla import filter_with_gradient

    return filter_with_gradient(frame, logits)


def filter_flow(weights: KerasTensor) -> KerasTensor:
    """The centre of mass of each pixel's filter: how far away the pixel is fetched from.

    Args:
      weights: [k*k, B, H, W], filters that sum to one over the taps, in row-major order.

    Returns:
      [B, H, W, 2], (dy, dx) in pixels, in [-r, r]; 0 for the identity filter.
    """
    size = kernel_size_of(weights)
    offsets = ops.arange(size, dtype=weights.dtype) - size // 2
    dy, dx = ops.repeat(offsets, size), ops.tile(offsets, size)
    return ops.einsum("kbhw,kd->bhwd", weights, ops.stack([dy, dx], axis=-1))


@keras.saving.register_keras_serializable(package="lmvp_tf")
class AdaptiveFilter(keras.layers.Layer):
    """Projects features to one k x k softmax filter per pixel, and applies it to the frame.

        logits = features . kernel + bias                                     [k*k, B, H, W]
        out    = adaptive_filter(frame, logits)                               [B, H, W, C]
        out   += features . content_kernel + content_bias                     if dynamic_bias

    Under a mixed policy the projections run in the compute dtype, the softmax and the sum over the
    taps in float32. The frame is not cast, because 8 bits of mantissa would lose grey levels, and
    the output is in its dtype.

    Args:
      kernel_size: k, odd.
      dynamic_bias: adds one bias per pixel and channel to the filtered frame, since a filter whose
        taps sum to one cannot make new content (DFN does so on the Highway data).
      identity_start: every filter begins half at its centre and half spread evenly, whatever the
        features, instead of at random: for video in which most pixels stay where they are.
      implementation: "fast" (`adaptive_filter`, for training) or "reference"
        (`adaptive_filter_reference`, for export). The attribute of this name may be set later: a
        model trained with one is exported with the other.

    Call arguments:
      frame: [B, H, W, C], the current frame.
      features: [B, H, W, N].

    Output shape:
      [B, H, W, C].

    Variables:
      kernel [N, k*k] and bias [k*k]; content_kernel [N, C] and content_bias [C] if dynamic_bias.

    Raises:
      ValueError: `kernel_size` is even or not positive, or `implementation` is not one of the two.
    """

    def __init__(
        self,
        kernel_size: int,
        dynamic_bias: bool = False,
        identity_start: bool = False,
        implementation: str = "fast",
        **kwargs: Any,
    ) -> None:
        super().__init__(autocast=False, **kwargs)
        if kernel_size < 1 or kernel_size % 2 == 0:
            raise ValueError(
                "`kernel_size` must be odd and positive, so that the filter has a centre. "
                f"Received: kernel_size={kernel_size}"
            )
        self.kernel_size = kernel_size
        self.dynamic_bias = dynamic_bias
        self.identity_start = identity_start
        self.implementation = implementation

    @property
    def implementation(self) -> str:
        """Which of the two equal functions `call` uses: "fast" or "reference"."""
        return self._implementation

    @implementation.setter
    def implementation(self, name: str) -> None:
        if name not in _IMPLEMENTATIONS:
            raise ValueError(
                f"`implementation` must be one of {sorted(_IMPLEMENTATIONS)}. "
                f"Received: implementation={name!r}"
            )
        self._implementation = name

    def build(
        self, frame_shape: tuple[int | None, ...], features_shape: tuple[int | None, ...]
    ) -> None:
        features, taps, channels = features_shape[-1], self.kernel_size**2, frame_shape[-1]
        kernel: str
        bias: str | Callable[..., KerasTensor]
        kernel, bias = "glorot_uniform", "zeros"
        if self.identity_start:
            kernel, bias = "zeros", _half_at_the_centre
        self.kernel = self.add_weight(name="kernel", shape=(features, taps), initializer=kernel)
        self.bias = self.add_weight(name="bias", shape=(taps,), initializer=bias)
        if self.dynamic_bias:
            # Zero at first: random content would hide the filter from the loss.
            self.content_kernel = self.add_weight(
                name="content_kernel", shape=(features, channels), initializer="zeros"
            )
            self.content_bias = self.add_weight(
                name="content_bias", shape=(channels,), initializer="zeros"
            )

    def call(self, frame: KerasTensor, features: KerasTensor) -> KerasTensor:
        filtered = _IMPLEMENTATIONS[self.implementation](frame, self.logits(features))
        if self.dynamic_bias:
            features, kernel, bias = self._cast(features, self.content_kernel, self.content_bias)
            filtered += ops.cast(ops.matmul(features, kernel) + bias, filtered.dtype)
        return filtered

    def logits(self, features: KerasTensor) -> KerasTensor:
        """The unnormalised filters [k*k, B, H, W] of features [B, H, W, N]."""
        features, kernel, bias = self._cast(features, self.kernel, self.bias)
        # In this order of the operands the product comes out taps-first, with no big transpose.
        return ops.einsum("nk,bhwn->kbhw", kernel, features) + ops.reshape(bias, (-1, 1, 1, 1))

    def _cast(self, *tensors: KerasTensor) -> list[KerasTensor]:
        return [ops.cast(tensor, self.compute_dtype) for tensor in tensors]

    def filters(self, features: KerasTensor) -> KerasTensor:
        """The filters [k*k, B, H, W] of features [B, H, W, N], in float32; they sum to one."""
        return ops.softmax(ops.cast(self.logits(features), "float32"), axis=0)

    def compute_output_shape(
        self, frame_shape: tuple[int | None, ...], features_shape: tuple[int | None, ...]
    ) -> tuple[int | None, ...]:
        return frame_shape

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "kernel_size": self.kernel_size,
            "dynamic_bias": self.dynamic_bias,
            "identity_start": self.identity_start,
            "implementation": self.implementation,
        }


_IMPLEMENTATIONS = {"fast": adaptive_filter, "reference": adaptive_filter_reference}


def _half_at_the_centre(shape: tuple[int], dtype: str | None = None) -> KerasTensor:
    """Logits [k*k] whose softmax is 1/2 at the centre and even elsewhere."""
    (taps,) = shape
    return math.log(max(taps - 1, 1)) * ops.one_hot(taps // 2, taps, dtype=dtype)
