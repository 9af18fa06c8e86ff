"""Tests of building: counts by hand, the same bytes again, and never half a dataset."""

import json
import pathlib
import subprocess
import sys

import h5py
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from lmvp_tf.datasets.records import builder, reader, tfrecords
from lmvp_tf.datasets.records.builder import BuildOptions, build
from lmvp_tf.datasets.video_sources import FrameOptions
from lmvp_tf.errors import RunError, UserError

SCRIPT = pathlib.Path(__file__).parents[3] / "data" / "build_highway.py"
SMALL = FrameOptions(size=16)


def drive(count, seed=0, size=16, channels=1):
    """uint8 [count, size, size, channels]: a smooth random texture, moving by a pixel a frame."""
    rng = np.random.default_rng(seed)
    y, x, t = np.mgrid[:size, :size, :count]
    waves = np.zeros((size, size, count, channels))
    for _ in range(8):
        ky, kx, phase = rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), rng.uniform(0, 6, channels)
        waves += np.sin((kx * (x + t) + ky * y)[..., None] + phase)
    return np.moveaxis(128 + 15 * waves, 2, 0).clip(0, 255).astype(np.uint8)


def hdf5(path, frames):
    with h5py.File(path, "w") as file:
        file["highway_L"] = frames.transpose(0, 3, 2, 1)
    return path


def folder(path, frames):
    path.mkdir()
    for number, frame in enumerate(frames):
        Image.fromarray(frame.squeeze()).save(path / f"{number:04d}.png")
    return path


def video(path, frames):
    writer = imageio_ffmpeg.write_frames(
        str(path),
        frames.shape[2:0:-1],
        fps=25,
        codec="ffv1",
        pix_fmt_out="bgr0",
        macro_block_size=1,
    )
    writer.send(None)
    for frame in frames:
        writer.send(np.ascontiguousarray(frame))
    writer.close()
    return path


def options(split="fraction:0.8", validation=0.0, frames=SMALL, **others):
    return BuildOptions(frames=frames, split=split, validation=validation, **others)


def contents(path):
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


@pytest.fixture
def source(tmp_path):
    return hdf5(tmp_path / "drive.h5", drive(50))


@pytest.fixture
def output(tmp_path):
    return tmp_path / "highway"


def test_frames_and_windows_are_counted(tmp_path, output):
    """Training has the first 36 of 50 frames of each clip. A run of n frames has n - 5 windows."""
    a = np.concatenate([drive(30, 1), drive(20, 2)])  # a cut at 30
    b = np.insert(drive(49, 3), 10, drive(49, 3)[9], axis=0)  # frame 9 again as frame 10
    inputs = [hdf5(tmp_path / "a.h5", a), hdf5(tmp_path / "b.h5", b)]
    index = build(inputs, output, options(validation=0.1))
    assert index["splits"] == {
        "train": {"frames": 30 + 6 + 35, "windows": 25 + 1 + 30},
        "validation": {"frames": 4 + 4, "windows": 0},
        "test": {"frames": 20, "windows": 10},
    }
    first, second = index["clips"]
    assert (first["frames_read"], first["cuts"], first["repeats"]) == (50, [30], 0)
    assert (second["frames_read"], second["cuts"], second["repeats"]) == (50, [], 1)
    assert json.loads((output / "dataset.json").read_text()) == index


def test_shards_hold_contiguous_frames_of_one_clip(source, output, monkeypatch):
    monkeypatch.setattr(tfrecords, "SHARD_FRAMES", 16)
    index = build([source], output, options())
    found = [(shard["file"], shard["first_frame"], shard["frames"]) for shard in index["shards"]]
    assert found == [
        ("train-drive-0000000.tfrecord", 0, 16),
        ("train-drive-0000016.tfrecord", 16, 16),
        ("train-drive-0000032.tfrecord", 32, 8),
        ("test-drive-0000040.tfrecord", 40, 10),
    ]
    dataset = reader.open_dataset(output)
    np.testing.assert_array_equal(dataset.splits["train"].frames, drive(50)[:40])
    assert len(reader.window_index(dataset, "train", 6).starts) == 35  # also across shards


def test_inputs_of_all_kinds_mix(tmp_path, output):
    inputs = [
        video(tmp_path / "one.mkv", drive(12, 1, 24, 3)),
        folder(tmp_path / "two", drive(12, 2, 20)),
        hdf5(tmp_path / "three.h5", drive(12, 3)),
    ]
    index = build(inputs, output, options("test:two", frames=FrameOptions(size=16, stride=2)))
    assert [clip["frames_read"] for clip in index["clips"]] == [6, 6, 6]
    assert [clip["fps"] for clip in index["clips"]] == [12.5, 0, 0]
    assert index["splits"]["train"] == {"frames": 12, "windows": 2}
    assert index["splits"]["test"] == {"frames": 6, "windows": 1}
    names = {shard["file"] for shard in index["shards"]}
    assert names == {
        f"{name}-0000000.tfrecord" for name in ("train-one", "test-two", "train-three")
    }


def test_rgb(tmp_path, output):
    frames = drive(10, 0, 16, 3)
    source = folder(tmp_path / "drive", frames)
    build([source], output, options("test:drive", frames=FrameOptions(size=16, channels=3)))
    np.testing.assert_array_equal(reader.open_dataset(output).splits["test"].frames, frames)


def test_a_second_build_gives_the_same_bytes(source, output, tmp_path):
    build([source], output, options(validation=0.1))
    build([source], tmp_path / "other", options(validation=0.1))
    first = contents(output)
    assert contents(tmp_path / "other") == first
    build([source], output, options(validation=0.1))
    assert contents(output) == first


def test_another_dataset_is_not_overwritten_unasked(source, output):
    build([source], output, options())
    before = contents(output)
    with pytest.raises(UserError, match=r"split=fraction:0\.8, asked for is paper: .*--overwrite"):
        build([source], output, options("paper"))
    assert contents(output) == before


def test_overwriting_leaves_no_shard_of_the_old_dataset(source, output):
    build([source], output, options())
    (output / "test-mine-0000000.tfrecord").write_text("not of the dataset")
    index = build([source], output, options("test:drive", overwrite=True))
    assert set(contents(output)) == {
        "contact_sheet.png",
        "dataset.json",
        "test-drive-0000000.tfrecord",
        "test-mine-0000000.tfrecord",
    }
    assert index["splits"]["test"]["frames"] == 50


def test_a_damaged_index_is_replaced_only_when_asked(source, output):
    output.mkdir()
    (output / "dataset.json").write_text("{")
    with pytest.raises(UserError, match="damaged; --overwrite replaces"):
        build([source], output, options())
    build([source], output, options(overwrite=True))
    assert len(reader.open_dataset(output).splits["train"].frames) == 40


def interrupt(*unused):
    raise KeyboardInterrupt


def test_an_interrupted_build_leaves_nothing_behind(source, output, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(builder.contact_sheet, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            build([source], output, options())
    assert contents(output) == {}
    build([source], output, options())
    assert len(reader.open_dataset(output).splits["train"].frames) == 40


def test_an_interrupted_build_leaves_the_old_dataset_whole(source, output, monkeypatch):
    build([source], output, options())
    before = contents(output)
    monkeypatch.setattr(builder.contact_sheet, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build([source], output, options("paper", overwrite=True))
    assert contents(output) == before


def test_without_its_index_a_dataset_does_not_open(source, output, monkeypatch):
    build([source], output, options())
    monkeypatch.setattr(builder.files, "write_json", interrupt)  # the very last write
    with pytest.raises(KeyboardInterrupt):
        build([source], output, options("paper", overwrite=True))
    with pytest.raises(UserError, match="no Highway dataset"):
        reader.open_dataset(output)


def test_what_a_killed_build_left_is_removed(source, output):
    leftover = output / ".building-xyz"
    leftover.mkdir(parents=True)
    (leftover / "train-drive-0000000.tfrecord").write_text("half")
    build([source], output, options())
    assert not leftover.exists()


def test_an_output_that_cannot_be_written_is_a_run_error(source, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RunError, match="cannot write"):
        build([source], tmp_path / "file", options())


def test_no_input_is_an_error(output):
    with pytest.raises(UserError, match="at least one --input"):
        build([], output, options())


def test_recordings_of_one_name_get_different_ones(tmp_path):
    paths = [tmp_path / part / "my drive,1.mp4" for part in "abc"]
    for path in paths:
        path.parent.mkdir()
        path.touch()
    expected = ["my_drive_1", "my_drive_1-2", "my_drive_1-3"]
    assert builder.clip_names(paths) == expected


def test_the_contact_sheet_shows_frames_of_each_split(source, output):
    build([source], output, options())
    sheet = np.asarray(Image.open(output / "contact_sheet.png"))
    train, test = (70, 140, 70), (180, 60, 60)  # edges of the first and of the last tile
    assert sheet.shape[1] == 12 * 96
    assert tuple(sheet[50, 1]) == train
    assert tuple(sheet[50, -2]) == test


def test_the_summary_names_what_was_found(tmp_path, output):
    frames = np.concatenate([drive(20, 1), drive(20, 2)])
    source = hdf5(tmp_path / "night.h5", np.concatenate([frames, frames[-1:].repeat(6, axis=0)]))
    text = builder.summary(build([source], output, options("test:night@20-")))
    assert "night                         46        6     1     0       0" in text
    assert "20 / 15" in text
    assert "night: cuts at frame 20" in text
    assert "night: 1 frozen pictures" in text


def run_script(*arguments):
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.slow
def test_the_script_builds_from_several_inputs(tmp_path, output):
    inputs = [folder(tmp_path / "a", drive(20, 1)), hdf5(tmp_path / "b.h5", drive(20, 2))]
    done = run_script("--input", *inputs, "--output", output, "--size=16", "--split=test:b")
    assert done.returncode == 0, done.stderr
    assert "19 / 14" in done.stdout  # 20 training frames, less one for validation
    assert len(reader.open_dataset(output).splits["test"].frames) == 20


@pytest.mark.slow
def test_the_scripts_errors_are_one_line(tmp_path):
    done = run_script("--input", tmp_path / "missing.mp4", "--output", tmp_path / "out")
    assert done.returncode == 2
    last = done.stderr.strip().splitlines()[-1]
    assert last == f"build_highway.py: {tmp_path / 'missing.mp4'}: no such file or folder"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--input a b --size 8 --input c", "--input=a --input=b --size 8 --input=c"),
        ("--size 8 a --input=b c", "--size 8 a --input=b c"),
    ],
)
def test_words_after_input_are_all_inputs(load_command, words, expected):
    command = load_command("build_dataset")
    assert command._spread_inputs(words.split()) == expected.split()
