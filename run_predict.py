"""Predicts how a film goes on: see lmvp_tf/commands/predict.py."""

from lmvp_tf.commands import cli, predict

if __name__ == "__main__":
    cli.run(predict.main)
