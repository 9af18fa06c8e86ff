"""The process is prepared before TensorFlow starts, and the user's own settings win."""

import json
import os
import pathlib
import shlex
import subprocess
import sys

import keras
import numpy as np
import pytest

import lmvp_tf
from lmvp_tf import runtime
from lmvp_tf.errors import RunError, UserError
from lmvp_tf.prediction.pretrained import PRETRAINED
from lmvp_tf.training.checkpoint import TrainState

CPUS = pathlib.Path("/proc/cpuinfo")
HIGHWAY = PRETRAINED["highway"]
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
    inherited = {name: v for name, v in os.environ.items() if name != "KERAS_BACKEND"}  # is ours
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        env={**inherited, **environment},
    )
    return done.stdout.strip()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="glibc's malloc")
def test_freed_blocks_are_used_again_without_new_pages():
    """Four blocks of 256 MB, one after the other, cost page faults only when malloc maps each: 512
    at least, for a page has 2 MB at most.
    """
    assert int(run(FAULTS.format(prepare=True))) < 256
    assert int(run(FAULTS.format(prepare=False))) >= 512


@pytest.mark.parametrize(
    ("vendor", "training", "expected"),
    [
        ("AuthenticAMD", True, "1"),
        ("AuthenticAMD", False, "0"),
        ("GenuineIntel", True, "1"),
        ("GenuineIntel", False, "1"),
        ("another", False, None),  # as TensorFlow thinks best
    ],
)
def test_onednn_trains_and_predicts_where_it_is_faster(monkeypatch, vendor, training, expected):
    monkeypatch.delenv("TF_ENABLE_ONEDNN_OPTS", raising=False)
    monkeypatch.setattr(runtime, "_processor_vendor", lambda: vendor)
    runtime.import_tensorflow(training)
    assert os.environ.get("TF_ENABLE_ONEDNN_OPTS") == expected
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", "user's")
    runtime.import_tensorflow(training)
    assert os.environ["TF_ENABLE_ONEDNN_OPTS"] == "user's"


@pytest.mark.parametrize(
    ("processor", "slow"),
    [
        ("vendor_id\t: GenuineIntel\nflags\t\t: fpu avx2 avx512f avx512bw amx_bf16\n", False),
        ("vendor_id\t: AuthenticAMD\nflags\t\t: fpu avx2\nbugs\t\t: avx512bw\n", True),
        ("Features\t: fp asimd bf16\n", False),  # ARM
        ("", False),  # nobody knows
    ],
)
def test_halves_are_slow_on_x86_without_avx_512(monkeypatch, processor, slow):
    monkeypatch.setattr(runtime, "_processor", lambda: processor)
    assert runtime.halves_are_slow() is slow


def test_what_keras_does_elsewhere_on_the_machine_changes_no_program(tmp_path):
    settings = {"floatx": "float64", "image_data_format": "channels_first", "backend": "jax"}
    (tmp_path / "keras.json").write_text(json.dumps({**settings, "epsilon": 1e-7}))
    program = (
        "from lmvp_tf import runtime; runtime.prepare(); runtime.import_tensorflow();"
        "import keras; print(*[keras.config.backend(), keras.config.floatx(),"
        "keras.config.image_data_format()])"
    )
    for environment in ({}, {"KERAS_BACKEND": "nonsense"}):
        found = run(program, KERAS_HOME=str(tmp_path), **environment)
        assert found == "tensorflow float32 channels_last"


def test_a_library_of_channels_first_is_refused(monkeypatch):
    monkeypatch.setattr(keras.config, "image_data_format", lambda: "channels_first")
    with pytest.raises(
        UserError, match="Keras is set to channels_first, .*: set it to channels_la"
    ):
        lmvp_tf.build_model("moving_mnist", "demo")


def test_another_backend_of_keras_loads_and_trains_no_run(monkeypatch, fast_config):
    monkeypatch.setattr(keras.config, "backend", lambda: "jax")
    for call in (lambda: lmvp_tf.load("highway"), lambda: TrainState(fast_config)):
        with pytest.raises(UserError, match="Keras runs on jax here, .*KERAS_BACKEND=tensorflow"):
            call()


def test_tensorflow_that_cannot_be_imported_is_a_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(RunError, match="^TensorFlow cannot be imported: .*tensorflow"):
        runtime.import_tensorflow()


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_file_never_takes_the_place_of_a_closed_stream(tmp_path, closed):
    """What a library says to stderr would be written into it."""
    program = (
        "import os, sys; from lmvp_tf import runtime; runtime.prepare();"
        "file = open(sys.argv[1], 'w'); os.write(2, b'said'); sys.stderr.write('said');"
        "print(file.fileno(), flush=True); file.write(str(file.fileno()))"
    )
    command = shlex.join([sys.executable, "-c", program, str(tmp_path / "file")])
    assert subprocess.run(["bash", "-c", f"{command} {closed}"]).returncode == 0
    assert int((tmp_path / "file").read_text()) > 2


@pytest.mark.skipif(not CPUS.exists(), reason="where Linux says it")
def test_the_processor_is_known():
    lines = CPUS.read_text().splitlines()
    vendors = {line.split()[-1] for line in lines if line.startswith("vendor_id")}
    assert runtime._processor_vendor() == (vendors.pop() if vendors else "")


@pytest.mark.slow
def test_predictions_are_the_same_with_and_without_onednn(tmp_path):
    program = (
        "import sys, numpy as np; from lmvp_tf import runtime; runtime.import_tensorflow(False);"
        "import lmvp_tf; rng = np.random.default_rng(0);"
        "video = rng.random((3, 64, 64, 1), np.float32);"
        f"np.save(sys.argv[1], lmvp_tf.load({str(HIGHWAY)!r}).predict(video, 2))"
    )
    for choice in "01":
        subprocess.run(
            [sys.executable, "-c", program, str(tmp_path / choice)],
            check=True,
            env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": choice},
        )
    without, with_it = (np.load(tmp_path / f"{choice}.npy") for choice in "01")
    assert without.std() > 0.05
    np.testing.assert_allclose(with_it, without, atol=1e-5)


def test_tensorflow_is_quiet_and_troubles_are_told():
    program = (
        "import os, sys; from lmvp_tf import runtime; runtime.import_tensorflow();"
        "context = runtime._without_chatter(); context.__enter__();"
        "os.write(2, b'I0000 as usual\\nW0000 something is wrong\\n');"
        "print('kept', file=sys.stderr);"
        "context.__exit__(None, None, None); print('after', file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stderr == "W0000 something is wrong\nkept\nafter\n"


def test_tensorflow_is_imported_without_what_keras_looks_for_and_nothing_is_lost():
    """scikit-image, a test's own need, brings SciPy."""
    program = (
        "import sys; from lmvp_tf import runtime; runtime.import_tensorflow();"
        "hidden = {'jax', 'matplotlib', 'pandas', 'scipy', 'sklearn'};"
        "assert {'tensorflow', 'keras'} <= set(sys.modules), 'not imported';"
        "assert not hidden & set(sys.modules), hidden & set(sys.modules);"
        "import gc; assert gc.isenabled();"
        "import scipy.ndimage, matplotlib.pyplot; print('both')"
    )
    assert run(program) == "both"
