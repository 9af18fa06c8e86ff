"""Evaluates trained runs: see lmvp_tf/commands/eval.py."""

from lmvp_tf.commands import cli, eval

if __name__ == "__main__":
    cli.run(eval.main)
