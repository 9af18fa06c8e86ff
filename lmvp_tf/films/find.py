"""Finds the films in what a user names: files, folders, arrays, patterns."""

from __future__ import annotations

import glob
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator

from lmvp_tf.errors import UserError
from lmvp_tf.films.arrays import open_array
from lmvp_tf.films.film import Film
from lmvp_tf.films.pictures import Pictures
from lmvp_tf.films.video import Video

Opener = Callable[[pathlib.Path, str], list[Film]]
PathLike = str | os.PathLike[str]

# A kind of file a line: what its name ends in, and what opens it. Other files are for ffmpeg.
KINDS: dict[str, Opener] = {
    ".npy": open_array,
}
_PICTURES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".pgm", ".ppm"}


def open_films(paths: Iterable[PathLike]) -> list[Film]:
    """The films in files, folders and patterns, in natural order within each.

    Args:
      paths: of video files, folders of frames, folders of those, arrays, and what else is a film.

    Returns:
      list of Film, of different names.

    Raises:
      UserError: a path is missing or holds no film.
    """
    films: list[Film] = []
    for path in paths:
        for found in _expanded(pathlib.Path(path)):
            films += _open(found)
    _make_unique(films)
    return films


def open_film(path: PathLike) -> Film:
    """The one film in a file or folder, looked at already.

    Raises:
      UserError: it cannot be read, or there are several.
    """
    film = find_film(path)
    film.describe()
    return film


def find_film(path: PathLike) -> Film:
    """The one film in a file or folder, not looked at yet.

    Raises:
      UserError: there is none, or several.
    """
    films = open_films([path])
    if len(films) != 1:
        names = ", ".join(film.name for film in films[:3])
        raise UserError(f"{path}: holds {len(films)} films ({names}, ...): name one of them")
    return films[0]


def _expanded(path: pathlib.Path) -> list[pathlib.Path]:
    if path.exists():
        return [path]
    found = sorted(glob.glob(str(path), recursive=True))
    if not found:
        raise UserError(f"{path}: no such file or folder")
    return [pathlib.Path(file) for file in found]


def _open(path: pathlib.Path) -> Iterator[Film]:
    if not path.is_dir():
        yield from KINDS.get(path.suffix.lower(), lambda p, n: [Video(p, n)])(path, _name(path))
        return
    pictures = [file for file in sorted(path.iterdir()) if file.suffix.lower() in _PICTURES]
    if pictures:
        yield Pictures(path, _name(path), pictures)
        return
    for file in sorted(path.iterdir()):
        yield from _open(file)


def _name(path: pathlib.Path) -> str:
    stem = path.resolve().name if path.is_dir() else path.stem
    return re.sub(r"[^\w.-]", "_", stem)


def _make_unique(films: list[Film]) -> None:
    names: set[str] = set()
    for film in films:
        stem, copy = film.name, 1
        while film.name in names:
            copy += 1
            film.name = f"{stem}-{copy}"
        names.add(film.name)
