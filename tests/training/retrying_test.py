"""Full disks and folders that go away, for real: what waits, what gives up, what is whole then."""

import contextlib
import csv
import errno
import itertools
import pathlib
import shutil
import threading
import time

import pytest
import tensorflow as tf

from lmvp_tf import configs
from lmvp_tf.errors import RunError, UserError, WriteError
from lmvp_tf.locks import only_writer
from lmvp_tf.training import claim, loop, retrying
from lmvp_tf.training.checkpoint import Checkpoints, newest_step
from lmvp_tf.training.hooks.hook import Hook
from lmvp_tf.training.hooks.registry import make_hooks
from lmvp_tf.training.log import Log
from lmvp_tf.training.retrying import Retrying
from tests.limits import files_of_at_most

pytestmark = pytest.mark.usefixtures("eagerly")


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(retrying, "_PAUSES", (0.05, 0.1))


@contextlib.contextmanager
def for_a_while(fault, seconds=0.6):
    """The fault is over after some time, whatever the block does."""
    closing = contextlib.ExitStack()
    closing.enter_context(fault)
    timer = threading.Timer(seconds, closing.close)
    timer.start()
    try:
        yield
    finally:
        timer.join()


def failing(times, error):
    attempts = itertools.count(1)

    def write(*_):
        if (attempt := next(attempts)) <= times:
            raise error
        return attempt

    return write


FULL = OSError(errno.ENOSPC, "No space left on device", "/a/file")


def test_what_may_pass_is_tried_again_until_it_does_and_the_user_is_told(caplog):
    assert Retrying(60, lambda: None)(failing(3, FULL)) == 4
    assert "No space left on device: '/a/file'; trying again for 60 s" in caplog.text
    assert "It is written now" in caplog.text


@pytest.mark.parametrize(
    "error",
    [PermissionError(errno.EACCES, "no"), WriteError("no", passing=False), RunError("diverged")],
)
def test_what_will_not_pass_is_raised_at_once(error):
    start = time.monotonic()
    with pytest.raises(type(error)):
        Retrying(60, lambda: None)(failing(1, error))
    assert time.monotonic() - start < 5


def test_it_gives_up_in_the_end_or_at_once_when_it_is_asked_to():
    calls = []
    with pytest.raises(WriteError, match="No space left .*, and nothing else in 0.3 s"):
        Retrying(0.3, lambda: calls.append(1))(failing(10**9, FULL))
    assert len(calls) > 2
    hurried = Retrying(60, lambda: None)
    hurried.hurried = lambda: True
    start = time.monotonic()
    with pytest.raises(WriteError, match="No space left"):
        hurried(failing(10**9, FULL))
    assert time.monotonic() - start < 5


@pytest.fixture(name="config")
def _config(fast_config):
    return fast_config


class At(Hook):
    """Calls a function with the workdir after a step, before anything of it is written."""

    def __init__(self, step, function):
        self.step, self.function = step, function

    def after_step(self, run, report):
        if run.step == self.step:
            self.function(run.workdir)


def train(config, workdir, monkeypatch, step, function, seconds=60.0):
    hooks = [At(step, function), *make_hooks()]
    monkeypatch.setattr(loop, "make_hooks", lambda: hooks)
    return loop.train(config, workdir, retry_seconds=seconds)


def logged(workdir):
    with (workdir / "log.csv").open() as file:
        return [int(row["step"]) for row in csv.DictReader(file)]


def events(workdir):
    """Steps of the scalar L_recons in all event files, each of which is read to its end."""
    steps = []
    for path in sorted(workdir.glob("events*")):
        for record in tf.data.TFRecordDataset(str(path)):
            event = tf.compat.v1.Event.FromString(record.numpy())
            steps += [event.step for value in event.summary.value if "L_recons" in value.tag]
    return steps


def test_a_run_waits_for_space_and_every_file_is_whole_then(config, tmp_path, monkeypatch, caplog):
    def fill(workdir):
        sizes = [path.stat().st_size for path in workdir.glob("*") if path.is_file()]
        fault = for_a_while(files_of_at_most(max(sizes) + 100))
        fault.__enter__()
        threading.Thread(target=fault.__exit__, args=(None, None, None)).start()

    assert train(config, tmp_path / "run", monkeypatch, 2, fill)
    assert "File too large" in caplog.text
    assert "It is written now" in caplog.text
    assert logged(tmp_path / "run") == [1, 2, 3, 4]
    assert events(tmp_path / "run") == [1, 2, 3, 4]
    assert newest_step(tmp_path / "run") == 4


def test_a_disk_that_stays_full_ends_the_run_in_one_line_and_the_same_command_goes_on(
    config, tmp_path, monkeypatch
):
    workdir = tmp_path / "run"
    assert loop.train(configs.replace(config, {"training.max_steps": 1}), workdir)

    def full(_):
        log = workdir / "log.csv"
        log.rename(tmp_path / "aside")
        log.symlink_to("/dev/full")

    with pytest.raises(RunError) as caught:
        train(config, workdir, monkeypatch, 3, full, seconds=0.2)
    message = str(caught.value)
    assert (
        "log.csv: No space left on device, and nothing else in 0.2 s; the run is at step 3. "
        in (message)
    )
    assert "the same command goes on" in message
    assert "\n" not in message
    (tmp_path / "aside").replace(workdir / "log.csv")
    monkeypatch.undo()
    assert loop.train(config, workdir)
    assert logged(workdir) == [1, 2, 3, 4]


# In the middle; and before the last is saved, with an empty folder instead.
@pytest.mark.parametrize(("step", "made_anew"), [(2, False), (4, True)])
def test_a_workdir_that_is_removed_ends_the_run_and_is_not_made_anew(
    config, tmp_path, monkeypatch, made_anew, step
):
    def remove(workdir):
        shutil.rmtree(workdir)
        if made_anew:
            workdir.mkdir()

    with pytest.raises(RunError, match=f"run is gone: somebody .* the run is at step {step}"):
        train(config, tmp_path / "run", monkeypatch, step, remove, seconds=0.2)
    assert (tmp_path / "run").exists() == made_anew
    assert not list((tmp_path / "run").glob("*"))


def test_a_workdir_that_comes_back_is_gone_on_with(config, tmp_path, monkeypatch):
    def move_away(workdir):
        workdir.rename(tmp_path / "away")
        threading.Timer(0.5, lambda: (tmp_path / "away").rename(workdir)).start()

    assert train(config, tmp_path / "run", monkeypatch, 2, move_away)
    assert logged(tmp_path / "run") == events(tmp_path / "run") == [1, 2, 3, 4]


def test_an_event_file_or_a_log_that_is_removed_is_begun_anew(config, tmp_path, monkeypatch):
    def remove(workdir):
        for path in [*workdir.glob("events*"), workdir / "log.csv"]:
            path.unlink()

    assert train(config, tmp_path / "run", monkeypatch, 3, remove)
    assert logged(tmp_path / "run") == events(tmp_path / "run") == [3, 4]


def test_a_checkpoint_waits_for_space_and_counts_once(tmp_path):
    values = tf.Variable(tf.random.normal([5000]))
    checkpoints = Checkpoints(tmp_path, tf.train.Checkpoint(values=values))
    checkpoints.save(1)
    with files_of_at_most(10_000), pytest.raises(WriteError, match="at step 2 .*File too large"):
        checkpoints.save(2)
    assert newest_step(tmp_path) == 1
    assert not list(tmp_path.rglob("*_temp*"))
    with for_a_while(files_of_at_most(10_000)):
        Retrying(60, lambda: None)(checkpoints.save, 2)
    assert newest_step(tmp_path) == 2
    assert int(checkpoints._checkpoint.save_counter) == 2


def test_half_a_row_does_not_stay(tmp_path):
    log = Log(tmp_path / "log.csv", ["step", "text"], 0)
    log.append({"step": 1, "text": "a"})
    size = log.path.stat().st_size
    with files_of_at_most(size + 5), pytest.raises(WriteError, match="log.csv: File too large"):
        log.append({"step": 2, "text": "b" * 100})
    log.append({"step": 2, "text": "c"})
    assert log.path.read_text() == "step,text\n1,a\n2,c\n"


def test_changes_of_the_config_are_told_once_whatever_fails_after(config, tmp_path, monkeypatch):
    changed = configs.replace(config, {"training.learning_rate": 0.5})
    videos = type("Videos", (), {"source": "s", "fingerprint": "f"})
    claim.write(config, tmp_path, videos, 1)
    (tmp_path / "checkpoints" / "ckpt-1.index").touch()
    monkeypatch.setattr(claim, "check", lambda config, *_: config)
    write_json = claim.write_json
    monkeypatch.setattr(claim, "write_json", failing(1, WriteError("full", passing=True)))
    with pytest.raises(WriteError):
        claim.write(changed, tmp_path, videos, 1)
    monkeypatch.setattr(claim, "write_json", write_json)
    claim.write(changed, tmp_path, videos, 1)
    rows = (tmp_path / "changes.csv").read_text().splitlines()
    assert [row for row in rows if "learning_rate," in row] == [
        "1,training.learning_rate,0.001,0.5"
    ]


def test_a_folder_that_is_not_writable_is_the_users_to_change_and_a_full_one_not(
    config, tmp_path, monkeypatch
):
    videos = type("Videos", (), {"source": "s", "fingerprint": "f"})
    (tmp_path / "config.json").mkdir()
    with pytest.raises(UserError, match="the workdir is not writable: cannot write .*config.json"):
        claim.write(config, tmp_path, videos, 0)
    with files_of_at_most(10), pytest.raises(WriteError, match=r"config.json: File too large"):
        claim.write(config, tmp_path / "other", videos, 0)
    with files_of_at_most(10), only_writer(tmp_path / "third") as held:  # without a name
        held.check()
    assert pathlib.Path(held.folder).is_dir()
