"""The flags that say how large a film may be, the same for every program that reads films."""

from __future__ import annotations

from absl import flags

from lmvp_tf.films.limits import LIMITS

_MAX_PIXELS = flags.DEFINE_integer(
    "max_pixels", LIMITS.pixels, "The most pixels of a picture that is read.", 1
)
_MAX_BYTES = flags.DEFINE_integer(
    "max_bytes",
    LIMITS.bytes,
    "The most bytes of pictures in a file that is a hundredth of them or less.",
    1,
)


def set_limits() -> None:
    """Makes them those of this process."""
    LIMITS.pixels, LIMITS.bytes = _MAX_PIXELS.value, _MAX_BYTES.value
