"""How the training step grows with the batch, with the frames, and with the pixels."""

from benchmarks.common import Row, exponent, side_by_side
from benchmarks.steps import training_step
from lmvp_tf import configs
from lmvp_tf.presets import named


def growth_batch(quick):
    """Over the batch."""
    sizes = (2, 4, 8)
    changes = [{"training.batch_size": size} for size in sizes]
    return _row("growth_batch", "batch", sizes, changes, quick)


def growth_time(quick):
    """Over T, half of which are inputs."""
    sizes = (8, 16, 32)
    changes = [{"data.num_frames": size, "data.num_inputs": size // 2} for size in sizes]
    return _row("growth_time", "T", sizes, changes, quick)


def growth_pixels(quick):
    """Over the pixels of a frame."""
    sides = (32, 64, 128)
    changes = [{"data.height": side, "data.width": side} for side in sides]
    return _row("growth_pixels", "pixels", [side**2 for side in sides], changes, quick)


def _row(name, what, sizes, changes, quick):
    # Preset demo, in open loop: the smallest model and the step that is unrolled the longest.
    config = named.get("moving_mnist", "demo")
    if quick:
        short = {"data.num_frames": 8, "data.num_inputs": 4, "training.batch_size": 2}
        config = configs.replace(config, short)
    steps = {
        size: training_step(configs.replace(config, change), "pretrain")
        for size, change in zip(sizes, changes, strict=True)
    }
    seconds = side_by_side(steps, 2 if quick else 5)
    sizes_told = ", ".join(map(str, sizes))
    return Row(name, exponent(sizes, list(seconds.values())), f"exponent over {what} {sizes_told}")
