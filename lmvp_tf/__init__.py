"""LMVP, a video predictor with leaked motion information, in TensorFlow and Keras 3."""
