"""Trains a model: see lmvp_tf/commands/train.py."""

from lmvp_tf.commands import cli, train

if __name__ == "__main__":
    cli.run(train.main)
