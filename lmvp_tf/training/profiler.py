"""Where a step's time goes, for TensorBoard's profiler."""

import contextlib

import tensorflow as tf


class Profiler:
    """Records some steps of a run into its workdir, under plugins/profile.

    Args:
      workdir: a pathlib.Path.
      steps: (first, last), both recorded, counted as in log.csv; None records nothing.
    """

    def __init__(self, workdir, steps=None):
        self.workdir = workdir
        self.first, self.last = steps or (0, 0)
        self.recording = False

    @contextlib.contextmanager
    def step(self, number):
        """The block is step `number` of the run."""
        if number == self.first:
            tf.profiler.experimental.start(str(self.workdir))
            self.recording = True
        with tf.profiler.experimental.Trace("train", step_num=number, _r=1):
            yield
        if number == self.last:
            self.close()

    def close(self):
        """Writes what was recorded, if that was not done yet."""
        if self.recording:
            self.recording = False
            tf.profiler.experimental.stop()
