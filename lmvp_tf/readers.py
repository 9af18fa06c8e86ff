"""Reading files that may be damaged, another's, or hostile: one reader for each format.

Whatever is wrong with a file ends in a UserError of one line. What is no regular file is not read
(a pipe would be waited for, a device has no end), nor what takes more memory than it may.
"""

from __future__ import annotations

import codecs
import contextlib
import csv
import errno
import hashlib
import io
import os
import pathlib
import zipfile
from collections.abc import Collection, Iterator
from typing import IO, Annotated, Any, BinaryIO, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from lmvp_tf.errors import UserError, one_line

T = TypeVar("T")

_BLOCK = 2**20  # bytes read at a time
# Of a JSON file: the largest that is usual has a hundredth of it, and a list of empty lists takes
# twenty times as much once it is read.
_JSON_BYTES = 2**24
_CSV_BYTES, _CSV_CELLS = 2**28, 2**24
_MEMBERS = 10_000  # of an archive

Count = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Seconds = Annotated[float, msgspec.Meta(ge=0)]
SHA256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]


@contextlib.contextmanager
def reading(path: pathlib.Path, advice: str = "") -> Iterator[None]:
    """Turns whatever the reading of a file ends in into a UserError that names it.

    Args:
      path: the file.
      advice: what to do where it cannot be read, for the end of the message.

    Raises:
      FileNotFoundError: as it is: that a file is not there may be all right.
    """
    hint = f": {advice}" if advice else ""
    try:
        yield
    except (FileNotFoundError, UserError):
        raise
    except OSError as error:
        reason = one_line(error.strerror or error)
        raise UserError(f"{path} cannot be read ({reason}){hint}") from error
    except Exception as error:  # of damaged bytes a parser raises whatever it ends in
        raise UserError(f"{path} is damaged or another file ({one_line(error)}){hint}") from error


def open_file(path: pathlib.Path, most: int | None = None) -> BinaryIO:
    """A regular file, open for reading.

    Args:
      path: the file.
      most: bytes that it may have.

    Raises:
      FileNotFoundError: there is none.
      OSError: it is no regular file (a folder, a pipe, a device), too large, or cannot be read.
    """
    check_regular(path)
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 (the caller closes it)
    try:
        size = os.fstat(file.fileno()).st_size
        if most is not None and size > most:
            raise OSError(errno.EFBIG, f"{size} bytes, at most {most} are read")
    except BaseException:
        file.close()
        raise
    return file


def check_regular(path: pathlib.Path) -> None:
    """Refuses what is there and is no regular file, for those who open it themselves.

    Raises:
      OSError: it is a folder, a pipe, a device, a socket.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "no regular file")


def _open_at_once(name: str, flags: int) -> int:
    """Opens without waiting for somebody to write into a pipe."""
    return os.open(name, flags | getattr(os, "O_NONBLOCK", 0))


def read_bytes(path: pathlib.Path, most: int) -> bytes:
    """The content of a regular file of at most so many bytes; raises as `open_file`."""
    with open_file(path, most) as file:
        return file.read(most + 1)


def file_sha256(path: pathlib.Path) -> str:
    """SHA-256 of a regular file of any size, in hex; raises as `open_file`."""
    digest = hashlib.sha256()
    with open_file(path) as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def read_json(
    path: os.PathLike[str] | str, kind: type[T], advice: str = "", most: int = _JSON_BYTES
) -> T:
    """Reads a JSON file that has to be of a kind.

    Args:
      path: the file.
      kind: what it holds, a type that msgspec knows: a msgspec.Struct or a dataclass with the
        fields and their ranges, or dict, list, ... Fields that it does not name are passed over.
      advice: what to do where it cannot be read, for the end of the message.
      most: bytes that it may have.

    Returns:
      The value, of that kind.

    Raises:
      FileNotFoundError: there is no such file.
      UserError: it cannot be read, is no JSON, too large, or of another kind; the message says
        which field.
    """
    path = pathlib.Path(path)
    with reading(path, advice):
        content = read_bytes(path, most).removeprefix(codecs.BOM_UTF8)  # of editors on Windows
        return msgspec.json.decode(content, type=kind)


def read_csv(path: pathlib.Path, advice: str = "") -> list[dict[str, str]]:
    """The rows of a CSV file by its header, without those that are not whole: a line cut short.

    Raises:
      FileNotFoundError: there is no such file.
      UserError: it cannot be read, is no CSV, or too large.
    """
    with reading(path, advice):
        text = io.StringIO(read_bytes(path, _CSV_BYTES).decode("utf-8-sig"), newline="")
        rows, cells = [], 0
        for row in csv.DictReader(text):
            cells += len(row)
            if cells > _CSV_CELLS:
                raise OSError(errno.EFBIG, f"more than {_CSV_CELLS} cells")
            if None not in row and None not in row.values():
                rows.append(row)
        return rows


def read_npz(
    path: pathlib.Path, most: int, names: Collection[str] = (), advice: str = ""
) -> dict[str, npt.NDArray[Any]]:
    """The arrays of an .npz file. Objects of Python, which may run programs, are not read.

    Args:
      path: the file.
      most: bytes that it may have, and that its arrays may have together once they are unpacked.
      names: of the arrays to read, all of which have to be there; empty: all that are.
      advice: what to do where it cannot be read, for the end of the message.

    Raises:
      FileNotFoundError: there is no such file.
      UserError: it cannot be read, is no such file, too large, or lacks an array.
    """
    with reading(path, advice), open_file(path, most) as file, zipfile.ZipFile(file) as archive:
        there = [name.removesuffix(".npy") for name in archive.namelist()]
        if len(there) > _MEMBERS:
            raise OSError(errno.EFBIG, f"more than {_MEMBERS} arrays")
        if missing := [name for name in names if name not in there]:
            raise ValueError(f"it has no array {missing[0]}")
        arrays = {}
        for name in names or there:
            content = _unpacked(archive, f"{name}.npy", most)
            most -= len(content)
            arrays[name] = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        return arrays


def _unpacked(archive: zipfile.ZipFile, name: str, most: int) -> bytes:
    with open_member(archive, name) as member:
        return at_most(member, most)


def open_member(archive: zipfile.ZipFile, name: str) -> IO[bytes]:
    """A file of an archive, kept as NumPy does; of other ways a few bytes unfold to any number.

    Raises:
      ValueError: it is kept in another way.
    """
    if archive.getinfo(name).compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise ValueError(f"{name} is packed in a way that NumPy does not use")
    return archive.open(name)


def at_most(file: Any, most: int) -> bytes:
    """All that a compressed file unfolds to.

    Raises:
      OSError: that is more than so many bytes.
    """
    content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it unfolds to more than {most} bytes")
    return content
