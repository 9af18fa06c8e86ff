"""What is evaluated; tests/commands_test.py evaluates whole runs."""

import pytest

from lmvp_tf.errors import UserError
from lmvp_tf.evaluation.workdir import TestSequences


def test_the_authors_file_is_for_moving_mnist_alone():
    with pytest.raises(UserError, match="--test_file is for Moving MNIST: leave it out"):
        TestSequences(object(), None, "mnist_test_seq.npy", 1)
