"""See lmvp_tf/commands/export.py."""

from lmvp_tf.commands import export

if __name__ == "__main__":
    export.run()
