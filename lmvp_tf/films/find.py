"""Finds the films in what a user names: files, folders, arrays, patterns."""

from __future__ import annotations

import glob
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator

from absl import logging

from lmvp_tf.errors import UserError
from lmvp_tf.films import animation, arrays, hdf5, names, pictures
from lmvp_tf.films.film import Film, plural, shown
from lmvp_tf.films.video import Video

Opener = Callable[[pathlib.Path, str], list[Film]]
PathLike = str | os.PathLike[str]


def _one(kind: Callable[[pathlib.Path, str], Film]) -> Opener:
    return lambda path, name: [kind(path, name)]


# A kind of film a line: what opens it, and what the names of its files end in. What ends in
# anything else is for ffmpeg too, where the user names it.
KINDS: tuple[tuple[Opener, str], ...] = (
    (arrays.open_npy, ".npy"),
    (arrays.open_npz, ".npz"),
    (hdf5.open_hdf5, ".h5 .hdf5 .hdf"),
    (_one(Video), ".mp4 .m4v .mov .qt .mkv .webm .avi .mpg .mpeg .m2v .ts .mts .m2ts .vob .wmv"),
    (_one(Video), ".asf .flv .f4v .ogv .ogg .3gp .3g2 .mxf .dv .y4m .mjpg .mjpeg .h264 .h265 .nut"),
    (_one(animation.Animation), ".gif .apng .webp .avif .png .tif .tiff"),
)
_OPENERS = {suffix: opener for opener, suffixes in KINDS for suffix in suffixes.split()}
_PICTURES = frozenset(
    ".png .jpg .jpeg .jpe .jfif .bmp .dib .tif .tiff .webp .avif .gif .apng .jp2 .pbm .pgm .ppm "
    ".pnm .tga".split()
)
_LONGEST = 60  # characters of a film's name


def open_films(paths: Iterable[PathLike]) -> list[Film]:
    """The films in files, folders and patterns, in natural order within each.

    A folder of pictures is a film, or one for each pattern of their names; a folder of films, or of
    folders, is all of them. Pictures that are named one by one are a film as well, one a folder.
    Nothing is decoded yet: what cannot be read says so when it is read.

    Args:
      paths: what the user names.

    Returns:
      list of Film, of different names.

    Raises:
      UserError: a path is missing or holds no film.
    """
    files = [found for path in paths for found in _expanded(path)]
    films: list[Film] = []
    for group in _grouped(files):
        films += _open_folder(group[0]) if group[0].is_dir() else _open_files(group)
    _rename(films)
    return films


def find_film(path: PathLike) -> Film:
    """The film in a file or folder, not looked at yet; the first of several, which a line says.

    Raises:
      UserError: there is none.
    """
    films = open_films([path])
    if len(films) > 1:
        logging.warning(
            "%s: holds %d films: the first is read, %s; name another to read that",
            shown(path),
            len(films),
            shown(films[0].path),
        )
    return films[0]


def _expanded(path: PathLike) -> list[pathlib.Path]:
    """What a path, or a pattern that the shell left as it was, names."""
    text = os.fspath(path)
    if not text:
        raise UserError("the name of a film is empty")
    if os.path.exists(text) or re.search(r"\.npz:[^/]+$", text, re.IGNORECASE):
        return [pathlib.Path(text)]
    found = sorted(glob.glob(text, recursive=True), key=names.natural)
    found = list({os.path.realpath(name): name for name in reversed(found)}.values())[::-1]
    if not found:
        raise UserError(f"{shown(text)}: no such file or folder")
    return [pathlib.Path(name) for name in found if not _is_hidden(pathlib.Path(name))]


def _grouped(paths: list[pathlib.Path]) -> Iterator[list[pathlib.Path]]:
    """Each path for itself, but successive pictures of one folder together."""
    group: list[pathlib.Path] = []
    for path in paths:
        joins = _is_picture(path) and group and path.parent == group[0].parent
        if group and not (joins and _is_picture(group[0])):
            yield group
            group = []
        group.append(path)
    if group:
        yield group


def _is_picture(path: pathlib.Path) -> bool:
    return path.suffix.lower() in _PICTURES and not path.is_dir()


def _is_hidden(path: pathlib.Path) -> bool:
    return path.name.startswith(".")


def _open_files(files: list[pathlib.Path]) -> list[Film]:
    """The films in a file, or in pictures of one folder."""
    first = files[0]
    if not _is_picture(first):
        suffix = ".npz" if ".npz:" in first.name.lower() else first.suffix.lower()
        return _OPENERS.get(suffix, _one(Video))(first, first.stem)
    if animation.is_animation(first):
        return [animation.Animation(file, file.stem) for file in files]
    if len(files) == 1:
        return pictures.open_pictures(files, first, first.stem)
    return pictures.open_pictures(files, first.parent, first.resolve().parent.name)


def _open_folder(folder: pathlib.Path) -> list[Film]:
    """The films in a folder and in its folders.

    Raises:
      UserError: there are none.
    """
    films = list(_films_below(folder, folder.resolve().name, frozenset()))
    if not films:
        raise UserError(
            f"{shown(folder)}: no pictures or films in this folder (PNG, JPEG, MP4, ...)"
        )
    return films


def _films_below(folder: pathlib.Path, name: str, above: frozenset[pathlib.Path]) -> Iterator[Film]:
    """The films in a folder, then those in its folders; `name` is of its own pictures."""
    if folder.resolve() in above:
        return  # a link that leads back
    try:
        inside = sorted(folder.iterdir(), key=lambda path: names.natural(path.name))
    except OSError as error:
        raise UserError(f"{shown(folder)}: cannot be read ({error.strerror})") from error
    inside = [path for path in inside if not _is_hidden(path)]
    stills = [path for path in inside if _is_picture(path)]
    others = [p for p in inside if p.suffix.lower() in _OPENERS and p.is_file() and p not in stills]
    if stills and animation.is_animation(stills[0]):
        others, stills = [path for path in inside if path in {*others, *stills}], []
    if stills and others:  # a film's poster, or a preview of the frames: the many count
        left, stills, others = (
            (others, stills, []) if len(stills) > len(others) else (stills, [], others)
        )
        logging.warning(
            "%s: holds films and pictures: %s left out (%s, ...)",
            shown(folder),
            plural(len(left), "file"),
            left[0].name,
        )
    if stills:
        yield from pictures.open_pictures(stills, folder, name)
    for path in others:
        yield from _OPENERS[path.suffix.lower()](path, path.stem)
    for path in inside:
        if path.is_dir():
            inner = path.name if not above else f"{name}-{path.name}"
            for film in _films_below(path, inner, above | {folder.resolve()}):
                film.name = film.name if film.name.startswith(inner) else f"{inner}-{film.name}"
                yield film


def _rename(films: list[Film]) -> None:
    """Makes the names fit for files, and different: by -2, -3, ..."""
    taken: set[str] = set()
    for film in films:
        stem = re.sub(r"[^\w.-]", "_", film.name)[:_LONGEST] or "film"
        film.name, copy = stem, 1
        while film.name.casefold() in taken:
            copy += 1
            film.name = f"{stem}-{copy}"
        taken.add(film.name.casefold())
