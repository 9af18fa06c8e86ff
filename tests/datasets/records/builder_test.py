"""Tests of building: counts by hand, the same bytes again, and never half a dataset."""

import json
import pathlib
import subprocess
import sys
import tracemalloc

import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from lmvp_tf.datasets.records import builder, reader, tfrecords
from lmvp_tf.datasets.records.builder import BuildOptions, build
from lmvp_tf.errors import UserError
from lmvp_tf.films.options import FrameOptions

SCRIPT = pathlib.Path(__file__).parents[3] / "data" / "build_highway.py"
SMALL = FrameOptions(16, 16)


def drive(count, seed=0, size=16, channels=1):
    """uint8 [count, size, size, channels]: a smooth random texture, moving by a pixel a frame."""
    rng = np.random.default_rng(seed)
    y, x, t = np.mgrid[:size, :size, :count]
    waves = np.zeros((size, size, count, channels))
    for _ in range(8):
        ky, kx, phase = rng.uniform(-0.4, 0.4), rng.uniform(-0.4, 0.4), rng.uniform(0, 6, channels)
        waves += np.sin((kx * (x + t) + ky * y)[..., None] + phase)
    return np.moveaxis(128 + 15 * waves, 2, 0).clip(0, 255).astype(np.uint8)


def array(path, frames):
    np.save(path, frames)
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


def options(split="fraction:0.8", validation="0", frames=SMALL, **others):
    return BuildOptions(frames=frames, split=split, validation=validation, **others)


def contents(path):
    return {file.name: file.read_bytes() for file in sorted(path.iterdir())}


@pytest.fixture
def source(tmp_path):
    return array(tmp_path / "drive.npy", drive(50))


@pytest.fixture
def output(tmp_path):
    return tmp_path / "highway"


def test_frames_and_windows_are_counted(tmp_path, output):
    """Training has the first 36 of 50 frames of each clip. A run of n frames has n - 5 windows."""
    a = np.concatenate([drive(30, 1), drive(20, 2)])  # a cut at 30
    b = np.insert(drive(49, 3), 10, drive(49, 3)[9], axis=0)  # frame 9 again as frame 10
    inputs = [array(tmp_path / "a.npy", a), array(tmp_path / "b.npy", b)]
    index = build(inputs, output, options(validation="0.1"))
    assert index["splits"] == {
        "train": {"frames": 30 + 6 + 35, "windows": 25 + 1 + 30},
        "validation": {"frames": 4 + 4, "windows": 0},
        "test": {"frames": 20, "windows": 10},
    }
    first, second = index["recordings"]
    assert (first["frames_read"], first["cuts"], first["repeats"]) == (50, [30], 0)
    assert (second["frames_read"], second["cuts"], second["repeats"]) == (50, [], 1)
    assert json.loads((output / "dataset.json").read_text()) == index


def test_shards_are_closed_when_they_are_full(source, output, monkeypatch):
    (whole, _) = build([source], output, options())["shards"]
    record = whole["bytes"] // whole["frames"]
    monkeypatch.setattr(tfrecords, "SHARD_BYTES", 16 * record)
    index = build([source], output, options())
    found = [(shard["file"], shard["frames"]) for shard in index["shards"]]
    assert found == [
        ("train-00000.tfrecord", 16),
        ("train-00001.tfrecord", 16),
        ("train-00002.tfrecord", 8),
        ("test-00000.tfrecord", 10),
    ]
    assert index["runs"]["train"] == [[i, 0, 0, n, 0, record] for i, n in enumerate((16, 16, 8))]
    records = reader.open_records(output)
    np.testing.assert_array_equal(records.splits["train"].frames, drive(50)[:40])
    assert len(reader.window_index(records, "train", 6)) == 35  # also across shards


def test_inputs_of_all_kinds_mix(tmp_path, output):
    inputs = [
        video(tmp_path / "one.mkv", drive(12, 1, 24, 3)),
        folder(tmp_path / "two", drive(12, 2, 20)),
        array(tmp_path / "three.npy", drive(12, 3)),
    ]
    index = build(inputs, output, options("test:two", frames=FrameOptions(16, 16, stride=2)))
    assert [clip["frames_read"] for clip in index["recordings"]] == [6, 6, 6]
    assert [clip["fps"] for clip in index["recordings"]] == [12.5, 0, 0]
    assert index["splits"]["train"] == {"frames": 12, "windows": 2}
    assert index["splits"]["test"] == {"frames": 6, "windows": 1}
    assert [(shard["file"], shard["frames"]) for shard in index["shards"]] == [
        ("train-00000.tfrecord", 12),
        ("test-00000.tfrecord", 6),
    ]


def test_rgb(tmp_path, output):
    frames = drive(10, 0, 16, 3)
    source = folder(tmp_path / "drive", frames)
    build([source], output, options("test:drive", frames=FrameOptions(16, 16, channels=3)))
    np.testing.assert_array_equal(reader.open_records(output).splits["test"].frames, frames)


def test_a_second_build_gives_the_same_bytes(source, output, tmp_path):
    build([source], output, options(validation="0.1"))
    build([source], tmp_path / "other", options(validation="0.1"))
    first = contents(output)
    assert contents(tmp_path / "other") == first
    build([source], output, options(validation="0.1"))
    assert contents(output) == first


def test_another_dataset_is_not_overwritten_unasked(source, output):
    build([source], output, options())
    before = contents(output)
    with pytest.raises(UserError, match=r"split=fraction:0\.8, asked for is paper: .*--overwrite"):
        build([source], output, options("paper"))
    assert contents(output) == before


def test_overwriting_leaves_no_shard_of_the_old_dataset(source, output):
    build([source], output, options())
    (output / "test-mine.tfrecord").write_text("not of the dataset")
    index = build([source], output, options("test:drive", overwrite=True))
    assert set(contents(output)) == {
        "contact_sheet.png",
        "dataset.json",
        "test-00000.tfrecord",
        "test-mine.tfrecord",
    }
    assert index["splits"]["test"]["frames"] == 50


def test_a_damaged_index_is_replaced_only_when_asked(source, output):
    output.mkdir()
    (output / "dataset.json").write_text("{")
    with pytest.raises(UserError, match="dataset.json is damaged .*: --overwrite replaces"):
        build([source], output, options())
    build([source], output, options(overwrite=True))
    assert len(reader.open_records(output).splits["train"].frames) == 40


def interrupt(*unused):
    raise KeyboardInterrupt


def test_an_interrupted_build_leaves_nothing_behind(source, output, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(builder.contact_sheet, "write", interrupt)
        with pytest.raises(KeyboardInterrupt):
            build([source], output, options())
    assert not output.exists()
    build([source], output, options())
    assert len(reader.open_records(output).splits["train"].frames) == 40


def test_an_interrupted_build_leaves_the_old_dataset_whole(source, output, monkeypatch):
    build([source], output, options())
    before = contents(output)
    monkeypatch.setattr(builder.contact_sheet, "write", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build([source], output, options("paper", overwrite=True))
    assert contents(output) == before


def test_a_build_that_ends_at_its_last_file_leaves_the_old_data_set(source, output, monkeypatch):
    build([source], output, options())
    before = contents(output)
    monkeypatch.setattr(builder.files, "write_json", interrupt)  # the very last write
    with pytest.raises(KeyboardInterrupt):
        build([source], output, options("paper", overwrite=True))
    assert contents(output) == before
    assert [path for path in output.parent.iterdir() if path.name.startswith(".")] == []


def test_another_data_set_that_is_built_meanwhile_is_not_replaced(source, output, monkeypatch):
    write, before = builder.contact_sheet.write, {}

    def write_after_another(*arguments):
        monkeypatch.setattr(builder.contact_sheet, "write", write)
        build([source], output, options("paper"))
        before.update(contents(output))
        write(*arguments)

    monkeypatch.setattr(builder.contact_sheet, "write", write_after_another)
    with pytest.raises(UserError, match="holds a data set with"):
        build([source], output, options())
    assert contents(output) == before != {}


def test_a_file_in_the_place_of_the_output_is_refused(source, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UserError, match="file is a file: give a folder"):
        build([source], tmp_path / "file", options())
    with pytest.raises(UserError, match="file is a file: give a folder"):
        build([source], tmp_path / "file" / "folder", options())


def test_no_input_is_an_error(output):
    with pytest.raises(UserError, match="at least one --input"):
        build([], output, options())


def test_the_contact_sheet_shows_frames_of_each_split(source, output):
    build([source], output, options())
    sheet = np.asarray(Image.open(output / "contact_sheet.png"))
    train, test = (70, 140, 70), (180, 60, 60)  # edges of the first and of the last tile
    assert sheet.shape[1] == 12 * 96
    assert tuple(sheet[50, 1]) == train
    assert tuple(sheet[50, -2]) == test


def test_the_summary_names_what_was_found(tmp_path, output):
    frames = np.concatenate([drive(20, 1), drive(20, 2)])
    source = array(tmp_path / "night.npy", np.concatenate([frames, frames[-1:].repeat(6, axis=0)]))
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
    inputs = [folder(tmp_path / "a", drive(20, 1)), array(tmp_path / "b.npy", drive(20, 2))]
    done = run_script("--input", *inputs, "--output", output, "--size=16", "--split=test:b")
    assert done.returncode == 0, done.stderr
    assert "19 / 14" in done.stdout  # 20 training frames, less one for validation
    assert len(reader.open_records(output).splits["test"].frames) == 20


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


def test_forty_short_clips_in_folders_become_whole_recordings(tmp_path, output):
    for i in range(40):
        (tmp_path / f"clips/{i // 10}").mkdir(parents=True, exist_ok=True)
        array(tmp_path / f"clips/{i // 10}/{i:02}.npy", drive(8, i))
    index = build([tmp_path / "clips"], output, options("clips:0.8", "clips:0.05"))
    counts = {split: part["frames"] for split, part in index["splits"].items()}
    assert counts == {"train": 30 * 8, "validation": 2 * 8, "test": 8 * 8}
    assert len(index["shards"]) == 3
    records = reader.open_records(output)
    windows = {split: reader.window_index(records, split, 8) for split in counts}
    assert [len(part) for part in windows.values()] == [30, 2, 8]
    whole = {drive(8, i).tobytes(): i for i in range(40)}
    found = [
        whole[np.rint(window * 255).astype(np.uint8).tobytes()]
        for split in counts
        for batch in reader.windows(records, split, 8, 4)
        for window in batch.numpy()
    ]
    assert sorted(found) == list(range(40))
    text = builder.summary(index)
    assert "all 40 recordings" in text
    assert len(text.splitlines()) == 3


def test_an_array_of_many_recordings_needs_few_files(tmp_path, output):
    frames = np.stack([drive(8, i) for i in range(30)])
    index = build([array(tmp_path / "many.npy", frames)], output, options("clips:0.5"))
    assert [entry["name"] for entry in index["recordings"]] == [f"many-{i:02}" for i in range(30)]
    assert len(index["shards"]) == 2


def test_frames_of_any_shape(tmp_path, output):
    frames = drive(12, 5, 32, 3)
    size = FrameOptions(8, 16, channels=3)
    build([array(tmp_path / "a.npy", frames)], output, options("test:a", frames=size))
    records = reader.open_records(output)
    assert records.index.shape == (8, 16, 3)
    expected = frames[:, 8:24].reshape(12, 8, 2, 16, 2, 3).mean((2, 4))
    np.testing.assert_allclose(records.splits["test"].frames, expected, atol=1)


def test_how_the_films_were_read_is_kept(source, output):
    frames = FrameOptions(8, 8, crop=(1, 2, 12, 10), stride=2)
    build([source], output, options(frames=frames))
    assert reader.open_records(output).index.films == frames


def test_a_film_that_does_not_fit_is_refused_before_the_others_are_read(tmp_path, output):
    inputs = [array(tmp_path / "a.npy", drive(20)), array(tmp_path / "b.npy", drive(20, size=8))]
    with pytest.raises(UserError, match=r"b\.npy: 8x8 pixels would be enlarged"):
        build(inputs, output, options())
    assert not output.exists()


def test_a_long_film_is_not_held_in_memory(tmp_path, output):
    frames = np.lib.format.open_memmap(
        tmp_path / "long.npy", mode="w+", dtype=np.uint8, shape=(3000, 64, 64, 3)
    )
    for i in range(len(frames)):
        frames[i] = i % 251
    del frames
    tracemalloc.start()
    build([tmp_path / "long.npy"], output, options(frames=FrameOptions(64, 64, channels=3)))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8e6  # the film: 37e6


@pytest.mark.parametrize(
    ("shape", "size"),
    [
        ((360, 640), (72, 128)),
        ((480, 640), (96, 128)),
        ((640, 360), (128, 72)),
        ((60, 50), (60, 48)),
    ],
)
def test_without_a_size_the_films_aspect_ratio_is_kept(load_command, tmp_path, shape, size):
    command = load_command("build_dataset")
    (film,) = builder.open_inputs([array(tmp_path / "a.npy", np.zeros((2, *shape, 3), np.uint8))])
    assert command._size(film, "centre") == size
