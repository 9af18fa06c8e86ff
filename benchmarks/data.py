"""Moving MNIST's generator, and Highway's reader and builder."""

import contextlib
import pathlib
import subprocess
import tempfile

import imageio_ffmpeg
import numpy as np
import tensorflow as tf

from benchmarks.common import Row, copy_bandwidth, side_by_side
from benchmarks.steps import training_step
from lmvp_tf import configs
from lmvp_tf.datasets import bouncing_digits
from lmvp_tf.datasets.records import builder
from lmvp_tf.datasets.registry import open_dataset
from lmvp_tf.films.options import FrameOptions
from lmvp_tf.presets import named

_BATCH = 16  # that of preset paper
_SEQUENCE_BYTES = 4 * bouncing_digits.NUM_FRAMES * bouncing_digits.SIZE**2


def generator_vs_numpy(quick):
    """Moving MNIST beside the published procedure, written with NumPy."""
    digits, rng = _digits(), np.random.default_rng(0)
    return _generator_row(
        "generator_vs_numpy",
        "NumPy, a loop over sequences, digits and frames",
        lambda: numpy_batch(digits, _BATCH, rng),
        quick,
    )


def generator_vs_tfds(quick):
    """Moving MNIST beside the function of tensorflow-datasets, used as its documentation shows."""
    from tensorflow_datasets.video import moving_sequence  # the extra "bench"

    def sequence(image):
        return moving_sequence.image_as_moving_sequence(image, sequence_length=20).image_sequence

    images = tf.data.Dataset.from_tensor_slices(_digits()[..., None]).repeat()
    videos = images.map(sequence).batch(2)
    videos = videos.map(lambda pair: tf.cast(tf.reduce_max(pair, axis=0), tf.float32) / 255.0)
    batches = iter(videos.batch(_BATCH))
    return _generator_row(
        "generator_vs_tfds",
        "tensorflow_datasets image_as_moving_sequence",
        lambda: next(batches),
        quick,
    )


def _generator_row(name, baseline, other, quick):
    batches = bouncing_digits.dataset(_digits(), seed=0, batch_size=_BATCH)
    number, others = (320, 10) if quick else (1280, 20)

    def take_ours():
        for _ in batches.take(number):  # from the start: nothing was made in the other's turn
            pass

    def take_other():
        for _ in range(others):
            other()

    seconds = side_by_side({"ours": take_ours, "other": take_other}, 2 if quick else 5)
    per_sequence = seconds["ours"] / (number * _BATCH)
    other_per_sequence = seconds["other"] / (others * _BATCH)
    return Row(
        name,
        1e3 * per_sequence,
        "ms a sequence",
        baseline,
        other_per_sequence / per_sequence,
        1e3 * _SEQUENCE_BYTES / copy_bandwidth(),  # to write it once
    )


def _digits():
    """Noise in place of digits: what they show makes no difference to the time."""
    return np.random.default_rng(0).integers(0, 256, (1000, 28, 28), np.uint8)


def numpy_batch(digits, batch_size, rng, num_frames=20, size=64):
    """The procedure of Srivastava et al. (2015): trajectories, then digit by digit and frame by
    frame onto the canvas. Returns float32 [B, T, H, W].
    """
    side = digits.shape[-1]
    videos = np.zeros((batch_size, num_frames, size, size), np.float32)
    corners = [_trajectories(batch_size, num_frames, size - side, rng) for _ in range(2)]
    for i in range(batch_size):
        for corner in corners:
            digit = digits[rng.integers(len(digits))] / np.float32(255)
            for t in range(num_frames):
                y, x = corner[i, t]
                place = videos[i, t, y : y + side, x : x + side]
                videos[i, t, y : y + side, x : x + side] = np.maximum(place, digit)
    return videos


def _trajectories(batch_size, num_frames, reach, rng):
    """Top left corners, int64 [B, T, 2]."""
    position, angle = rng.random((batch_size, 2)), rng.uniform(0, 2 * np.pi, batch_size)
    velocity = 0.1 * np.stack([np.sin(angle), np.cos(angle)], axis=1)
    corners = np.empty((batch_size, num_frames, 2), np.int64)
    for t in range(num_frames):
        position = position + velocity
        outside = (position <= 0) | (position >= 1)
        velocity = np.where(outside, -velocity, velocity)
        position = position.clip(0, 1)
        corners[:, t] = (reach * position).astype(np.int64)
    return corners


def highway_read(quick):
    """A preset's windows of a Highway dataset, beside how fast a training step takes them."""
    preset = "demo" if quick else "small"
    config = named.get("highway", preset)
    batch_size, num_frames = config.training.batch_size, config.data.num_frames
    with _drive(quick) as video:
        output = video.parent / "highway"
        size = round(config.data.height / config.data.crop)
        builder.build([video], output, _options(size))
        videos = open_dataset(configs.replace(config, {"data.path": str(output)}))
    batches = iter(videos.train(seed=0, batch_size=batch_size))
    step = training_step(config, "one_step")
    number = 50
    functions = {"read": lambda: [next(batches) for _ in range(number)], "step": step}
    seconds = side_by_side(functions, 3)
    per_window = seconds["read"] / (number * batch_size)
    return Row(
        "highway_read",
        1e6 * per_window,
        "µs a window",
        f"training step, preset {preset}, one window of its batch",
        seconds["step"] / batch_size / per_window,
        1e6
        * 4
        * num_frames
        * config.data.height
        * config.data.width
        / copy_bandwidth(),  # to write it once
    )


def highway_build(quick):
    """Building a Highway dataset, beside ffmpeg that decodes, crops and scales the same video."""
    with _drive(quick) as video:
        output = video.parent / "highway"
        options = _options()
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", str(video)]
        command += ["-vf", "crop=ih:ih,scale=64:64:flags=area+accurate_rnd+full_chroma_int"]
        command += ["-f", "rawvideo", "-pix_fmt", "rgb24", "-y", "/dev/null"]
        functions = {
            "build": lambda: builder.build([video], output, options),
            "ffmpeg": lambda: subprocess.run(command, check=True),
        }
        seconds = side_by_side(functions, 2 if quick else 4)
    return Row(
        "highway_build",
        seconds["build"],
        "s",
        "ffmpeg: decode, crop and scale",
        seconds["ffmpeg"] / seconds["build"],
        seconds["ffmpeg"],
    )


def _options(size=64):
    return builder.BuildOptions(FrameOptions(size, size), split="fraction:0.8")


@contextlib.contextmanager
def _drive(quick):
    """Yields an H.264 video, 640 x 480, of a texture that moves by some pixels a frame."""
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (480 // 16, 2560 // 16, 3), np.uint8)
    texture = texture.repeat(16, axis=0).repeat(16, axis=1)
    with tempfile.TemporaryDirectory() as folder:
        video = pathlib.Path(folder) / "drive.mp4"
        writer = imageio_ffmpeg.write_frames(str(video), (640, 480), fps=25, codec="libx264")
        writer.send(None)
        for i in range(200 if quick else 1500):
            shifted = np.roll(texture, -5 * i, axis=1)[:, :640]
            writer.send(np.ascontiguousarray(shifted))
        writer.close()
        yield video
