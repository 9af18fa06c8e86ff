"""Moving MNIST against a NumPy transcription of the published procedure."""

import colorsys
import hashlib
import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from lmvp_tf.datasets import bouncing_digits as mm
from lmvp_tf.datasets import mnist
from lmvp_tf.datasets import moving_mnist_test_set as test_set
from lmvp_tf.datasets.frame_hash import data_hash
from lmvp_tf.errors import RunError, UserError

SEED = tf.constant([5, 6], tf.int64)


@pytest.fixture(name="digits", scope="module")
def fixture_digits():
    """Twelve digits of noise, grey levels and all."""
    return np.random.default_rng(0).integers(0, 256, [12, 28, 28], np.uint8)


def oracle_trajectory(start, angle, num_frames, canvas=36):
    """One digit's corners, as Srivastava et al. compute them. int [T, 2] (y, x)."""
    y, x = start
    v_y, v_x = np.sin(angle), np.cos(angle)
    corners = np.zeros([num_frames, 2], np.int32)
    for t in range(num_frames):
        y += v_y * 0.1
        x += v_x * 0.1
        if x <= 0:
            x, v_x = 0, -v_x
        if x >= 1:
            x, v_x = 1, -v_x
        if y <= 0:
            y, v_y = 0, -v_y
        if y >= 1:
            y, v_y = 1, -v_y
        corners[t] = int(canvas * y), int(canvas * x)
    return corners


def oracle_frames(digits, drawn, num_frames, size):
    """uint8 [B, T, H, W], digit by digit and frame by frame."""
    digit, start, angle = (part.numpy() for part in drawn)
    frames = np.zeros([len(digit), num_frames, size, size], np.uint8)
    for b, d in np.ndindex(digit.shape):
        corners = oracle_trajectory(start[b, d], angle[b, d], num_frames, size - 28)
        for t, (y, x) in enumerate(corners):
            window = frames[b, t, y : y + 28, x : x + 28]
            window[:] = np.maximum(window, digits[digit[b, d]])
    return frames


def to_uint8(videos):
    """float [B, T, H, W, 1] to uint8 [B, T, H, W]; the values must be multiples of 1/255."""
    values = np.asarray(videos)[..., 0] * np.float32(255)
    np.testing.assert_allclose(values, np.rint(values), atol=1e-4)
    return np.rint(values).astype(np.uint8)


def take(batches, n):
    return np.stack([batch.numpy() for batch in batches.take(n)])


@pytest.mark.parametrize(
    ("num_frames", "size", "num_digits"), [(20, 64, 2), (50, 64, 3), (5, 40, 1), (3, 28, 2)]
)
def test_equals_the_published_procedure(digits, num_frames, size, num_digits):
    videos = mm.moving_mnist(digits, SEED, 40, num_frames, size, num_digits)
    drawn = mm.draw(SEED, 40, len(digits), num_digits)
    assert videos.dtype == tf.float32
    assert videos.shape == [40, num_frames, size, size, 1]
    expected = oracle_frames(digits, drawn, num_frames, size)
    np.testing.assert_array_equal(to_uint8(videos), expected)


def test_trajectories_equal_the_procedure_through_many_bounces():
    drawn = mm.draw(SEED, 100, 1)
    positions = mm.trajectories(drawn.start, drawn.angle, num_frames=200).numpy()
    for b, d in itertools.product(range(100), range(2)):
        expected = oracle_trajectory(drawn.start[b, d].numpy(), drawn.angle[b, d].numpy(), 200)
        np.testing.assert_array_equal((positions[b, d] * 36).astype(np.int32), expected)


def test_digits_bounce_and_stay_inside():
    drawn = mm.draw(SEED, 50, 1)
    positions = mm.trajectories(drawn.start, drawn.angle, num_frames=300).numpy()
    assert positions.min() == 0.0
    assert positions.max() == 1.0
    steps = np.diff(positions, axis=2)
    assert np.abs(steps).max() <= 0.1 + 1e-12
    on_edge = (positions[:, :, 1:-1] == 0) | (positions[:, :, 1:-1] == 1)
    assert on_edge.any()
    assert np.all(steps[:, :, :-1][on_edge] * steps[:, :, 1:][on_edge] < 0)  # it turns there


def test_first_frame_is_one_step_from_the_start():
    start, angle = np.full([1, 1, 2], 0.5), np.full([1, 1], np.pi / 6)  # up the axis of y by 1/2
    position = mm.trajectories(start, angle, num_frames=1).numpy()
    np.testing.assert_allclose(position, [[[[0.55, 0.5 + 0.1 * np.sqrt(0.75)]]]])


def test_overlap_is_the_maximum_and_fractions_are_cut_off():
    images = np.zeros([1, 2, 28, 28], np.uint8)
    images[0, 0], images[0, 1] = 100, 30
    positions = np.array([[[[0.0, 0.999]], [[1.0, 0.5]]]])  # y, x: rows 0 and 36, columns 35 and 18
    frame = mm.render(images, positions).numpy()[0, 0, ..., 0]
    expected = np.zeros([64, 64], np.uint8)
    expected[36:64, 18:46] = 30
    expected[0:28, 35:63] = 100
    np.testing.assert_array_equal(frame, expected)
    images[0, 1, :, 14:] = 200  # the same place: brighter in one half, darker in the other
    frame = mm.render(images, positions[:, [0, 0]]).numpy()[0, 0, ..., 0]
    expected[36:64] = 0
    expected[0:28, 35 + 14 : 63] = 200
    np.testing.assert_array_equal(frame, expected)


def test_in_colour_the_same_digits_move_each_in_its_hue(digits):
    drawn = mm.draw(SEED, 20, len(digits), 2)
    tints = mm.draw_tints(SEED, 20, 2).numpy().astype(np.int32)
    digit = drawn.digit.numpy()
    expected = np.zeros([20, 4, 40, 40, 3], np.int32)
    for b, d in np.ndindex(digit.shape):
        alone = tf.nest.map_structure(lambda x, b=b, d=d: x[b : b + 1, d : d + 1], drawn)
        grey = oracle_frames(digits, alone, 4, 40)[0].astype(np.int32)
        tinted = (grey[..., None] * tints[b, d] + 127) // 255
        expected[b] = np.maximum(expected[b], tinted)
    videos = mm.moving_mnist(digits, SEED, 20, 4, 40, 2, tinted=True)
    np.testing.assert_array_equal(np.rint(videos.numpy() * 255), expected)
    compiled = tf.function(mm.moving_mnist, jit_compile=True, autograph=False)(
        tf.constant(digits), SEED, 20, 4, 40, 2, tinted=True
    )
    np.testing.assert_array_equal(compiled, videos)


def test_tints_are_pure_hues_from_all_around_the_circle():
    tints = mm.draw_tints(SEED, 500, 2).numpy().reshape(-1, 3)
    assert (tints.max(1) == 255).all()
    assert (tints.min(1) == 0).all()
    hues = [colorsys.rgb_to_hsv(*(tint / 255))[0] for tint in tints]
    counts, _ = np.histogram(hues, bins=6, range=(0, 1))  # 167 expected
    assert counts.min() > 110


def test_the_test_set_in_colour_is_that_in_grey(digits):
    (grey,) = test_set.generated(digits, 5, 8)
    (colour,) = test_set.generated(digits, 5, 8, tinted=True)
    assert colour.shape == (5, 20, 64, 64, 3)
    alone = test_set.generated(digits, 5, 2, tinted=True)  # in batches of another size
    np.testing.assert_array_equal(np.concatenate(list(alone)), colour)
    # Every hue has one part of 255: there the brighter digit is as bright as in grey.
    np.testing.assert_array_equal(np.max(colour, axis=-1), grey[..., 0])


def test_draws_are_uniform():
    digit, start, angle = (part.numpy() for part in mm.draw(SEED, 20_000, 7))
    counts = np.bincount(digit.ravel(), minlength=7)
    assert len(counts) == 7
    # 40,000 draws: five standard deviations of each bin.
    assert np.abs(counts - 40_000 / 7).max() < 5 * np.sqrt(40_000 / 7)
    for values, top in [(start[..., 0], 1), (start[..., 1], 1), (angle, 2 * np.pi)]:
        assert values.min() > 0
        assert values.max() < top
        counts, _ = np.histogram(values, bins=16, range=(0, top))
        assert np.abs(counts - 2500).max() < 5 * np.sqrt(2500)
    numbers = np.stack([digit, start[..., 0], start[..., 1], angle]).reshape(4, -1)
    assert np.abs(np.corrcoef(numbers) - np.eye(4)).max() < 5 / np.sqrt(40_000)
    assert np.abs(np.corrcoef(angle.T)[0, 1]) < 5 / np.sqrt(20_000)  # of the two digits


def test_eager_graph_xla_and_dataset_agree_bit_for_bit(digits):
    def generate(seed):
        return mm.moving_mnist(variable, seed, 8)

    variable = tf.Variable(digits)
    eager = generate(SEED).numpy()
    np.testing.assert_array_equal(tf.function(generate, autograph=False)(SEED), eager)
    np.testing.assert_array_equal(
        tf.function(generate, jit_compile=True, autograph=False)(SEED), eager
    )
    seeds = tf.data.Dataset.from_tensors(SEED)
    mapped = seeds.map(lambda seed: mm.moving_mnist(tf.constant(digits), seed, 8))
    np.testing.assert_array_equal(take(mapped, 1)[0], eager)


def test_seed_decides(digits):
    first = mm.moving_mnist(digits, SEED, 4).numpy()
    np.testing.assert_array_equal(mm.moving_mnist(digits, SEED, 4), first)
    for other in [[5, 7], [6, 6], [6, 5]]:
        assert np.any(mm.moving_mnist(digits, tf.constant(other, tf.int64), 4) != first)


def test_no_two_batches_share_a_seed():
    triples = itertools.product([0, 1, 2, 3, -1, 2**40], mm.SPLITS, [0, 1, 2, 3, 2**33])
    seeds = [tuple(mm.batch_seed(*triple).numpy()) for triple in triples]
    assert len(set(seeds)) == len(seeds) == 6 * 3 * 5


def test_splits_and_batches_differ(digits):
    batches = [
        *take(mm.dataset(digits, 0, 2), 2),
        *take(mm.dataset(digits, 1, 2), 2),
        *take(mm.dataset(digits, 0, 2, split="validation"), 2),
        take(test_set.generated(digits, 2, 2), 1)[0],
    ]
    sequences = {sequence.tobytes() for batch in batches for sequence in batch}
    assert len(sequences) == 14


def test_resumes_where_it_stopped(digits):
    whole = take(mm.dataset(digits, 4, 3), 6)
    np.testing.assert_array_equal(take(mm.dataset(digits, 4, 3, first_step=4), 2), whole[4:])


def test_shards_are_the_parts_of_a_lone_workers_batches(digits):
    whole = take(mm.dataset(digits, 4, 6, tinted=True), 3)
    for index, first in ((0, 0), (2, 2)):
        shard = mm.dataset(digits, 4, 2, shard=(3, index), first_step=first, tinted=True)
        part = whole[first:, 2 * index : 2 * index + 2]
        np.testing.assert_array_equal(take(shard, 3 - first), part)


def test_dataset_has_the_frames_and_static_shape_asked_for(digits):
    batches = mm.dataset(digits, 0, 3, num_frames=7)
    assert batches.element_spec == tf.TensorSpec([3, 7, 64, 64, 1], tf.float32)
    np.testing.assert_array_equal(take(batches, 1), take(mm.dataset(digits, 0, 3), 1)[:, :, :7])


def test_test_set_does_not_depend_on_batches_nor_on_its_length(digits):
    whole = np.concatenate(list(test_set.generated(digits, 23, 23)))
    for num_sequences, batch_size in [(23, 4), (10, 10), (7, 50)]:
        batches = [batch.numpy() for batch in test_set.generated(digits, num_sequences, batch_size)]
        assert all(len(batch) == batch_size for batch in batches[:-1])
        np.testing.assert_array_equal(np.concatenate(batches), whole[:num_sequences])


def test_test_set_follows_the_procedure(digits):
    drawn = mm.draw(mm.batch_seed(0, "test", 0), 10_000, len(digits))
    drawn = mm.Draw(*(part[:9] for part in drawn))
    (videos,) = test_set.generated(digits, 9)
    np.testing.assert_array_equal(to_uint8(videos), oracle_frames(digits, drawn, 20, 64))


def test_test_set_of_mlxtends_digits_is_the_published_one(monkeypatch):
    """The whole set: 10,000 sequences, whose hash everybody must get."""

    def load_data():
        raise Exception("no network")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)
    digits = mnist.load_digits()
    found = data_hash(test_set.generated(digits.test))
    assert found == "4aba37b2aeaa34ec9a16f9870e1255eda6e94c39dffac87db4bf5472e7601a6c"
    test_set.check_hash(digits.sha256, 10_000, found)
    with pytest.raises(RunError, match=found):
        test_set.check_hash(digits.sha256, 10_000, "0" * 64)
    test_set.check_hash(digits.sha256, 9_999, "0" * 64)  # a part has a hash of its own
    test_set.check_hash("of other digits", 10_000, "0" * 64)


def test_data_hash_is_of_the_pixels_in_order(digits):
    (videos,) = test_set.generated(digits, 11)
    expected = hashlib.sha256(to_uint8(videos).tobytes()).hexdigest()
    for batch_size in (3, 11):
        assert data_hash(test_set.generated(digits, 11, batch_size)) == expected
    rounded_otherwise = to_uint8(videos)[..., None] / np.float32(255)
    assert data_hash([rounded_otherwise]) == expected
    assert data_hash([videos[::-1]]) != expected


@pytest.fixture(name="official", scope="module")
def fixture_official(tmp_path_factory):
    """A file of the official size (sparse: it takes no room), and its first five sequences."""
    path = tmp_path_factory.mktemp("official") / "mnist_test_seq.npy"
    frames = np.lib.format.open_memmap(path, "w+", np.uint8, (20, 10_000, 64, 64))
    frames[:, :5] = np.random.default_rng(0).integers(0, 256, [20, 5, 64, 64])
    frames.flush()
    return path, np.array(frames[:, :5]).swapaxes(0, 1)


def test_official_test_set(official):
    path, expected = official
    batches = [batch.numpy() for batch in test_set.official(path, 5, batch_size=2)]
    assert [batch.shape for batch in batches] == [(n, 20, 64, 64, 1) for n in (2, 2, 1)]
    assert batches[0].dtype == np.float32
    np.testing.assert_array_equal(to_uint8(np.concatenate(batches)), expected)
    expected_hash = hashlib.sha256(expected.tobytes()).hexdigest()
    assert data_hash(test_set.official(path, 5)) == expected_hash


@pytest.mark.parametrize("damage", ["missing", "truncated", "no npy", "shape", "dtype"])
def test_wrong_official_file_is_refused_in_one_line(tmp_path, official, damage):
    path = tmp_path / "mnist_test_seq.npy"
    if damage == "truncated":
        with official[0].open("rb") as file:
            path.write_bytes(file.read(5000))
    elif damage == "no npy":
        path.write_bytes(b"<html>404</html>")
    elif damage == "shape":
        np.save(path, np.zeros([10, 20, 64, 64], np.uint8))
    elif damage == "dtype":
        np.lib.format.open_memmap(path, "w+", np.float32, (20, 10_000, 64, 64))
    with pytest.raises(UserError) as error:
        test_set.official(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def test_numbers_out_of_range_are_refused(digits, official):
    for num_sequences in (0, 10_001):
        with pytest.raises(UserError, match=f"not {num_sequences}"):
            test_set.generated(digits, num_sequences)
        with pytest.raises(UserError, match=f"not {num_sequences}"):
            test_set.official(official[0], num_sequences)
    for batches in (
        lambda: mm.dataset(digits, 0, 0),
        lambda: test_set.generated(digits, batch_size=0),
        lambda: test_set.official(official[0], batch_size=0),
    ):
        with pytest.raises(UserError, match="not 0"):
            batches()


def test_wrong_digits_and_a_small_canvas_are_refused(digits):
    with pytest.raises(ValueError, match="float32"):
        mm.moving_mnist(tf.constant(digits / 255, tf.float32), SEED, 2)
    with pytest.raises(ValueError, match="size=27"):
        mm.moving_mnist(digits, SEED, 2, size=27)
