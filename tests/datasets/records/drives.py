"""Three drives of noise that moves, and the data set of them that tests read."""

import numpy as np

from lmvp_tf.datasets.records import builder, reader
from lmvp_tf.films.options import FrameOptions

T = 6


def drive(count, seed, channels=1):
    """uint8 [count, 16, 16, channels]: a smooth random texture that moves by one pixel a frame."""
    rng = np.random.default_rng(seed)
    y, x, t = np.mgrid[:16, :16, :count]
    waves = np.zeros((16, 16, count, channels))
    for _ in range(8):
        ky, kx, phase = rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), rng.uniform(0, 6, channels)
        waves += np.sin((kx * (x + t) + ky * y)[..., None] + phase)
    return np.moveaxis(128 + 15 * waves, 2, 0).clip(0, 255).astype(np.uint8)


DRIVES = {
    "a": drive(60, 1),  # train 0-49, test 50-59
    "b": np.concatenate([drive(20, 2), drive(20, 3)]),  # train, a cut at 20
    "c": drive(9, 4),  # test
}


def build(folder, drives, split, validation="0", channels=1, stride=1):
    inputs = []
    for name, frames in drives.items():
        inputs.append(folder / f"{name}.npy")
        np.save(inputs[-1], frames)
    frame_options = FrameOptions(16, 16, channels=channels, stride=stride)
    options = builder.BuildOptions(frame_options, split, validation)
    builder.build(inputs, folder / "data", options)
    return folder / "data"


def stack(batches):
    return np.concatenate([batch.numpy() for batch in batches])


def windows_at(dataset, split, length=T, **options):
    """[(recording, number of the first frame)] of the windows, by their pixels."""
    index = reader.window_index(dataset, split, length, **options)
    frames = reader.open_records(dataset.path).splits[split].frames
    known = {
        frame.tobytes(): (name, number)
        for name, drive in DRIVES.items()
        for number, frame in enumerate(drive)
    }
    found = [known[frames[start].tobytes()] for start in index.starts(np.arange(len(index)))]
    names = [recording.name for recording in dataset.index.recordings]
    assert [names[i] for i in index.recordings()] == [name for name, _ in found]
    return found
