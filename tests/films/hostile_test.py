"""Files that stand for far more than they are, or are no files: refused in a line, at once."""

import io
import os
import re
import socket
import struct
import zipfile
import zlib

import h5py
import imageio_ffmpeg
import numpy as np
import pytest
from PIL import Image

from lmvp_tf import readers
from lmvp_tf.errors import UserError
from lmvp_tf.films.find import open_films
from lmvp_tf.films.limits import LIMITS
from lmvp_tf.films.options import FrameOptions

SIZE = 30_000  # pixels a side: 900 million pixels
BOMB = r"pictures of \d+x\d+ are more than|more than \d+ pixels|unfold to \d+ or more"


def refusal(path):
    """The line that a program ends in."""
    with pytest.raises(UserError) as caught:
        for film in open_films([path]):
            film.describe()
            for _ in film.frames(FrameOptions(16, 16, enlarge=True)):
                pass
    assert "\n" not in str(caught.value)
    return str(caught.value)


def png(path):
    """900 million pixels of one colour, and an animation at that."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", SIZE, SIZE, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(3 * 2**20), 9)
    chunks = [(b"IHDR", header), (b"acTL", struct.pack(">II", 2, 0)), (b"IDAT", pixels)]
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in [*chunks, (b"IEND", b"")])
    )


def gif(path):
    """So many pixels, as its header says."""
    Image.new("L", (16, 16)).save(path)
    content = bytearray(path.read_bytes())
    content[6:10] = struct.pack("<HH", SIZE, SIZE)
    path.write_bytes(content)


def long_gif(path):
    """A thousand pictures of one million pixels in a few kilobytes."""
    still = Image.new("L", (1000, 1000))
    still.putpixel((0, 0), 1)
    second = Image.new("L", (1000, 1000))
    still.save(path, save_all=True, append_images=[second], duration=50)
    content = path.read_bytes()
    start = content.index(b"\x21\xf9", content.index(b"\x21\xf9") + 1)
    path.write_bytes(content[:start] + 1000 * content[start:-1] + content[-1:])


def tiff(path):
    """The second picture of a stack is the large one."""
    first = Image.new("L", (16, 16))
    first.save(path, save_all=True, append_images=[Image.new("L", (16, 16), 9)])
    content = bytearray(path.read_bytes())
    place = content.rindex(struct.pack("<HHII", 256, 4, 1, 16))
    content[place : place + 24] = struct.pack("<HHIIHHII", 256, 4, 1, SIZE, 257, 4, 1, SIZE)
    path.write_bytes(content)


def webp(path):
    first, *others = (Image.new("RGB", (16, 16), (50 * i, 9, 9)) for i in range(3))
    first.save(path, save_all=True, append_images=others, duration=50)
    content = bytearray(path.read_bytes())
    place = content.index(b"VP8X") + 12
    content[place : place + 6] = struct.pack("<I", 16_000)[:3] * 2
    path.write_bytes(content)


def ppm(path):
    path.write_bytes(b"P5 %d %d 255\n" % (SIZE, SIZE) + bytes(1000))


def npz(path, kind=zipfile.ZIP_DEFLATED):
    """100 MB of zeros."""
    header = io.BytesIO()
    shape = {"descr": "|u1", "fortran_order": False, "shape": (100, 1000, 1000)}
    np.lib.format.write_array_header_1_0(header, shape)
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("frames.npy", header.getvalue() + bytes(10**8))


def bzip2(path):
    """The same in a kilobyte: a way that NumPy does not know."""
    npz(path, zipfile.ZIP_BZIP2)


def npy(path):
    """100 GB of holes."""
    with path.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (100_000, 1000, 1000)}
        np.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + 10**11)


def hdf5(path):
    """95 GiB that are not there."""
    with h5py.File(path, "w") as file:
        shape = (95 * 2**20, 1, 32, 32)
        file.create_dataset("highway_L", shape, np.uint8, chunks=(1, 1, 32, 32))


def chunky_hdf5(path):
    """A few pictures in pieces of four GB less one byte, all zeros."""
    with h5py.File(path, "w") as file:
        shape, most, chunks = (9, 1, 32, 32), (None, 1, None, None), (9, 1, 20_000, 20_000)
        file.create_dataset("highway_L", shape, np.uint8, maxshape=most, chunks=chunks)


def large_hdf5(path):
    with h5py.File(path, "w") as file:
        file.create_dataset("highway_L", (2, 1, SIZE, SIZE), np.uint8, chunks=(1, 1, 32, 32))


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.png", png),
        ("a.gif", gif),
        ("long.gif", long_gif),
        ("a.tiff", tiff),
        ("a.webp", webp),
        ("a.ppm", ppm),
        ("a.npz", npz),
        ("a.npy", npy),
        ("a.h5", hdf5),
        ("large.h5", large_hdf5),
        ("chunky.h5", chunky_hdf5),
    ],
)
def test_what_unfolds_to_far_more_than_it_is_is_refused(tmp_path, monkeypatch, name, make):
    monkeypatch.setattr(LIMITS, "bytes", 2**26)
    make(tmp_path / name)
    line = refusal(tmp_path / name)
    assert name in line
    assert re.search(BOMB, line), line


def test_archives_are_packed_as_numpy_does(tmp_path):
    bzip2(tmp_path / "a.npz")
    assert "a.npz is damaged" in refusal(tmp_path / "a.npz")
    with pytest.raises(UserError, match="a.npz is damaged .* NumPy does not use"):
        readers.read_npz(tmp_path / "a.npz", 2**30)


def test_a_video_of_too_many_pixels_is_refused(tmp_path, monkeypatch):
    writer = imageio_ffmpeg.write_frames(str(tmp_path / "a.mp4"), (64, 48))
    writer.send(None)
    for _ in range(5):
        writer.send(np.zeros((48, 64, 3), np.uint8))
    writer.close()
    monkeypatch.setattr(LIMITS, "pixels", 64 * 48 - 1)
    assert "a.mp4" in refusal(tmp_path / "a.mp4")


def test_limits_are_the_users(tmp_path, monkeypatch):
    long_gif(tmp_path / "a.gif")
    monkeypatch.setattr(LIMITS, "bytes", 2**40)
    [film] = open_films([tmp_path / "a.gif"])
    assert film.num_frames == 1001


@pytest.mark.parametrize("suffix", [".png", ".gif", ".npy", ".npz", ".h5", ".mp4", ".bin"])
def test_what_is_no_file_is_not_waited_for(tmp_path, suffix):
    os.mkfifo(tmp_path / f"pipe{suffix}")
    (tmp_path / f"device{suffix}").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / f"socket{suffix}"))
    (tmp_path / f"empty{suffix}").touch()
    for name in ("pipe", "device", "socket", "empty"):
        line = refusal(tmp_path / f"{name}{suffix}")
        assert ("empty" in line) if name == "empty" else ("no regular file" in line), line


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.mp4", "ffconcat version 1.0\nfile secret.mp4\n"),
        ("a.m3u8", "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.mp4\n#EXT-X-ENDLIST\n"),
        ("a.sdp", "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n"),
        ("a.png", "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"),
        ("a.svg", '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"></svg>'),
    ],
)
def test_lists_of_other_files_and_programs_are_no_films(tmp_path, name, content):
    writer = imageio_ffmpeg.write_frames(str(tmp_path / "secret.mp4"), (64, 48))
    writer.send(None)
    for _ in range(5):
        writer.send(np.zeros((48, 64, 3), np.uint8))
    writer.close()
    (tmp_path / name).write_text(content)
    assert name in refusal(tmp_path / name)


def test_hdf5_is_not_read_from_elsewhere(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["highway_L"] = np.zeros((9, 1, 32, 32), np.uint8)
    (tmp_path / "secret.raw").write_bytes(bytes(9 * 32 * 32))
    with h5py.File(tmp_path / "link.h5", "w") as file:
        file["highway_L"] = h5py.ExternalLink("secret.h5", "highway_L")
    with h5py.File(tmp_path / "soft.h5", "w") as file:
        file["highway_L"] = h5py.SoftLink("/other")
    with h5py.File(tmp_path / "storage.h5", "w") as file:
        external = [(str(tmp_path / "secret.raw"), 0, h5py.h5f.UNLIMITED)]
        file.create_dataset("highway_L", (9, 1, 32, 32), np.uint8, external=external)
    layout = h5py.VirtualLayout((9, 1, 32, 32), np.uint8)
    layout[:] = h5py.VirtualSource(str(tmp_path / "secret.h5"), "highway_L", (9, 1, 32, 32))
    with h5py.File(tmp_path / "virtual.h5", "w") as file:
        file.create_virtual_dataset("highway_L", layout)
    assert open_films([tmp_path / "secret.h5"])[0].num_frames == 9
    for name in ("link", "soft", "storage", "virtual"):
        assert f"{name}.h5 is damaged" in refusal(tmp_path / f"{name}.h5")


def test_a_name_with_a_line_break_makes_one_line(tmp_path):
    path = tmp_path / "a\nb.mp4"
    path.write_bytes(b"nothing")
    assert r"a\nb.mp4" in refusal(path)
