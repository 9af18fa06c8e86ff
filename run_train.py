"""See lmvp_tf/commands/train.py."""

from lmvp_tf.commands import train

if __name__ == "__main__":
    train.run()
