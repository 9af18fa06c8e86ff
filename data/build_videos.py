"""Builds a data set from films of any kind: see lmvp_tf/commands/build_dataset.py."""

from lmvp_tf.commands import build_dataset

if __name__ == "__main__":
    build_dataset.run(build_dataset.VIDEOS)
