"""See lmvp_tf/commands/predict.py."""

from lmvp_tf.commands import predict

if __name__ == "__main__":
    predict.run()
