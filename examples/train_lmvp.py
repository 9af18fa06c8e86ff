"""Algorithm 1 in one file: LMVP learns to predict Moving MNIST.

    python examples/train_lmvp.py --steps=600 --output=digits.png

The networks, the losses and the digits are the library's; how they train is all here. The program's
own loop, `run_train.py`, adds what a long run needs: checkpoints, a log, validation, rates that
change. x are frames, f features that D leaks, m what M says of their motion; a hat marks
predictions. Tensors are [B, T, H, W, C].
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from lmvp_tf import losses
from lmvp_tf.datasets.moving_mnist import MovingMNIST, MovingMNISTSettings
from lmvp_tf.models.lmvp import LMVP, LMVPSettings, Rollout
from lmvp_tf.models.predictor import over_time

NUM_INPUTS, NUM_PREDICTED = 10, 10  # T0, S
GAMMA = 0.1  # weight of Eq. 3 in Eq. 4
Report = dict[str, tf.Tensor]


class Trainer:
    """D, M and G, an Adam for each, and one more for F, which pre-training moves with M and G."""

    def __init__(self, model: LMVP) -> None:
        self.model = model
        self.theta = model.networks
        self.theta["D"] = self.theta["F"] + self.theta["C"]
        rates = {"D": 1e-4, "F": 1e-3, "M": 1e-3, "G": 1e-3}
        self.adam = {
            name: keras.optimizers.Adam(rate, global_clipnorm=1.0) for name, rate in rates.items()
        }
        for name, adam in self.adam.items():
            adam.build(self.theta[name])

    @tf.function(autograph=False)
    def pretrain(self, video: tf.Tensor, num_real: int) -> Report:
        """Lines 4-6. G reads `num_real` real frames, then its own predictions."""
        with tf.GradientTape() as g_tape:
            rollout = self.model.rollout(video[:, :num_real], video.shape[1] - num_real)
            recons = reconstruction_loss(video, rollout)
        # Line 4: train the discriminator.
        loss_d = self.train_discriminator(video, rollout)
        # Line 5: train the generator, and F and M for it.
        self.descend("FMG", g_tape, recons)
        return {"L_dis": loss_d, "L_recons": recons}

    @tf.function(autograph=False)
    def main(self, video: tf.Tensor) -> Report:
        """Lines 8-17: a tape for each of D, M and G."""
        model = self.model
        with tf.GradientTape() as g_tape:
            # Line 8: generate fake clips.
            rollout = model.rollout(video[:, :NUM_INPUTS], NUM_PREDICTED)
            recons = reconstruction_loss(video, rollout)
        # Lines 9-10: train the discriminator by Eq. 1.
        loss_d = self.train_discriminator(video, rollout)
        # Lines 11-14: train the motion guider by Eq. 2, on real clips alone.
        f = tf.stop_gradient(model.leak(model.clips(video)))
        with tf.GradientTape() as m_tape:
            guidance, _ = model.guide(f[:, :-1])
            loss_m = losses.learner_loss(guidance.motion, f)
        self.descend("M", m_tape, loss_m)
        # Lines 15-17: train the generator by Eq. 4. All but its prediction is an input in Eq. 3.
        frames = tf.stop_gradient(rollout.frames)
        f_hat = tf.stop_gradient(model.leak(model.clips(frames)))
        m_hat, shown = map(tf.stop_gradient, model.guide(f_hat)[0])
        with g_tape:
            f_hat_next = model.leak(model.next_clips(frames, model.generate(frames, shown)))
            teacher = losses.teacher_loss(m_hat, f_hat, f_hat_next, tf.ones(frames.shape[1]))
            loss_g = losses.generator_loss(recons, teacher, GAMMA)
        self.descend("G", g_tape, loss_g)
        return {"L_dis": loss_d, "L_M_L": loss_m, "L_M_T": teacher, "L_recons": recons}

    def train_discriminator(self, video: tf.Tensor, rollout: Rollout) -> tf.Tensor:
        """theta_D by Eq. 1: real clips against clips that end with a prediction."""
        fakes = tf.stop_gradient(self.model.next_clips(rollout.frames, rollout.predictions))
        with tf.GradientTape() as d_tape:
            real = over_time(self.model.discriminator, self.model.clips(video))
            fake = over_time(self.model.discriminator, fakes)
            loss = losses.discriminator_loss(real, fake)
        self.descend("D", d_tape, loss)
        return loss

    def descend(self, names: str, tape: tf.GradientTape, loss: tf.Tensor) -> None:
        """One Adam step of each of some networks."""
        gradients = tape.gradient(loss, [self.theta[name] for name in names])
        for name, gradient in zip(names, gradients, strict=True):
            self.adam[name].apply(gradient, self.theta[name])


def reconstruction_loss(video: tf.Tensor, rollout: Rollout) -> tf.Tensor:
    """L_recons: the BCE of x̂_2..x̂_T."""
    weights = tf.ones(video.shape[1] - 1)
    return losses.reconstruction_loss("bce", video[:, 1:], rollout.predictions, weights)


def train(trainer: Trainer, digits: MovingMNIST, steps: int, batch: int) -> Report:
    """Pre-trains on one-step predictions, then in open loop, and runs the main loop."""
    start = time.perf_counter()
    videos = digits.train(seed=0, batch_size=batch).take(steps)
    for step, video in enumerate(videos):
        if step < 0.8 * steps:
            num_real = NUM_INPUTS + NUM_PREDICTED - 1 if step < 0.4 * steps else NUM_INPUTS
            report = trainer.pretrain(video, num_real)
        else:
            report = trainer.main(video)
        if step % 20 == 0 or step == steps - 1:
            scalars = "  ".join(f"{name} {float(value):.4f}" for name, value in report.items())
            print(f"step {step:4}  {time.perf_counter() - start:4.0f} s  {scalars}", flush=True)
    return report


def draw(video: np.ndarray, prediction: np.ndarray, path: str) -> None:
    """A sequence, and below it the prediction under the frames that it is to be like."""
    nothing = np.zeros_like(video[:NUM_INPUTS])
    rows = [video, np.concatenate([nothing, prediction])]
    picture = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
    keras.utils.save_img(path, picture * 255, scale=False)


def main(argv: Sequence[str] | None = None) -> None:
    """Trains, and tells the error on test digits."""
    parser = argparse.ArgumentParser(description="Trains LMVP on Moving MNIST by Algorithm 1.")
    parser.add_argument("--steps", type=int, default=600, help="the last fifth in the main loop")
    parser.add_argument("--batch", type=int, default=4, help="B, sequences of a step")
    parser.add_argument("--mnist_path", default="", help="mnist.npz; empty: as Keras downloads it")
    parser.add_argument("--output", default="digits.png", help="a test sequence, the prediction")
    options = parser.parse_args(argv)
    digits = MovingMNIST(MovingMNISTSettings(path=options.mnist_path))
    model = LMVP(LMVPSettings())
    model.build((None, NUM_INPUTS, *digits.settings.frame_shape))
    train(Trainer(model), digits, options.steps, options.batch)
    video = next(iter(digits.test(32, batch_size=32)))
    prediction = model(video[:, :NUM_INPUTS], num_predicted=NUM_PREDICTED)
    error = tf.reduce_sum(tf.square(video[:, NUM_INPUTS:] - prediction), axis=(2, 3, 4))
    print(f"MSE per frame of 32 test sequences: {tf.reduce_mean(error):.1f}")
    draw(video[0].numpy(), prediction[0].numpy(), options.output)


if __name__ == "__main__":
    main()
