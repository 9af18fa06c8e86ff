"""The process is prepared before TensorFlow starts, and the user's own settings win."""

import os
import subprocess
import sys

import pytest

FAULTS = """
import resource, numpy as np
from lmvp_tf import runtime
if {prepare}:
    runtime.prepare()
np.ones(2**25)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    np.ones(2**25)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def run(program, **environment):
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return done.stdout.strip()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc")
def test_freed_blocks_are_used_again_without_new_pages():
    """Four blocks of 256 MB, one after the other, cost page faults only when malloc maps each: 512
    at least, for a page has 2 MB at most.
    """
    assert int(run(FAULTS.format(prepare=True))) < 256
    assert int(run(FAULTS.format(prepare=False))) >= 512


def test_the_environment_is_set_unless_the_user_has_set_it():
    program = (
        "import os; from lmvp_tf import runtime; runtime.import_tensorflow();"
        "print(os.environ['TF_ENABLE_ONEDNN_OPTS'])"
    )
    clean = {k: v for k, v in os.environ.items() if k != "TF_ENABLE_ONEDNN_OPTS"}
    default = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=clean
    )
    assert default.stdout.strip() == "1"
    assert run(program, TF_ENABLE_ONEDNN_OPTS="0") == "0"


def test_tensorflow_is_imported_without_what_keras_looks_for_and_nothing_is_lost():
    """scikit-image, a test's own need, brings SciPy."""
    program = (
        "import sys; from lmvp_tf import runtime; runtime.import_tensorflow();"
        "hidden = {'jax', 'matplotlib', 'pandas', 'scipy', 'sklearn'};"
        "assert {'tensorflow', 'keras'} <= set(sys.modules), 'not imported';"
        "assert not hidden & set(sys.modules), hidden & set(sys.modules);"
        "import scipy.ndimage, matplotlib.pyplot; print('both')"
    )
    assert run(program) == "both"
