"""Exports a trained run: see lmvp_tf/commands/export.py."""

from lmvp_tf.commands import cli, export

if __name__ == "__main__":
    cli.run(export.main)
