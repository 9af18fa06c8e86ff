"""HDF5 files that nobody knows: looked at before anything in them is read.

Links and storage outside of a file would have others read, and an array may declare any size.
"""

from __future__ import annotations

import contextlib
import math
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from lmvp_tf import readers

if TYPE_CHECKING:
    import h5py

_MOST_OBJECTS = 10_000  # groups and arrays


@contextlib.contextmanager
def opened(path: pathlib.Path, advice: str = "") -> Iterator[h5py.File]:
    """An open HDF5 file; whatever is wrong with it is a UserError of one line.

    Raises:
      FileNotFoundError: there is none.
    """
    import h5py  # takes a while, and few programs need it

    with readers.reading(path, advice):
        readers.check_regular(path)
        with h5py.File(path) as file:
            yield file


def array(group: h5py.Group, name: str) -> h5py.Dataset:
    """An array of numbers that is kept in the file itself; nothing of it is read.

    Raises:
      ValueError: it is no such thing.
    """
    import h5py

    item = _item(group, name)
    if not isinstance(item, h5py.Dataset) or item.dtype.kind not in "fiub":
        raise ValueError(f"{item.name} is no array of numbers")
    if item.external or item.is_virtual:
        raise ValueError(f"{item.name} is kept in another file")
    return item


def _item(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    import h5py

    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{group.name}/{name} is a link to somewhere else")
    return group[name]


def check_arrays(file: h5py.File, most: int) -> None:
    """Refuses a file that holds anything but arrays of numbers, in groups.

    Args:
      file: the open file.
      most: bytes of all arrays together.

    Raises:
      ValueError: with what it is.
    """
    import h5py

    waiting: list[h5py.Group] = [file]
    seen, declared = 0, 0
    while waiting:
        group = waiting.pop()
        for name in group:
            seen += 1
            if seen > _MOST_OBJECTS:  # hard links may go round in circles
                raise ValueError(f"it has more than {_MOST_OBJECTS} groups and arrays")
            item = _item(group, name)
            if isinstance(item, h5py.Group):
                waiting.append(item)
                continue
            item = array(group, name)
            declared += math.prod(item.shape or ()) * item.dtype.itemsize
            if declared > most:
                raise ValueError(f"its arrays are declared as {declared} bytes or more")
