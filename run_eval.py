"""See lmvp_tf/commands/eval.py."""

from lmvp_tf.commands import eval

if __name__ == "__main__":
    eval.run()
