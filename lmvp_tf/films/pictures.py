"""Folders of frames: one picture a file, in the order that their names tell."""

from __future__ import annotations

import collections
import functools
import pathlib
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from absl import logging

from lmvp_tf.errors import UserError
from lmvp_tf.films import names, picture
from lmvp_tf.films.film import Film, Timeline, plural, shown
from lmvp_tf.films.options import FrameOptions


class Pictures(Film):
    """A film of one file a frame. All of its pictures are of one size."""

    def __init__(self, path: pathlib.Path, name: str, files: list[pathlib.Path]) -> None:
        super().__init__(path, name)
        self._given = files

    @functools.cached_property
    def _order(self) -> names.Order:
        order = names.arrange([file.stem for file in self._given])
        if order.remark:
            self._warn(order.remark)
        return order

    @functools.cached_property
    def _files(self) -> list[pathlib.Path]:
        return [self._given[i] for i in self._order.indices]

    @functools.cached_property
    def _first(self) -> picture.Picture:
        """The first picture that can be read."""
        fault = None
        for file in self._files:
            try:
                return picture.read(file)
            except UserError as error:
                fault = fault or error
        raise fault or UserError(f"{shown(self.path)}: no pictures")

    @property
    def width(self) -> int:
        return self._first.pixels.shape[1]

    @property
    def height(self) -> int:
        return self._first.pixels.shape[0]

    @property
    def channels(self) -> int:
        return self._first.pixels.shape[2]

    @property
    def timeline(self) -> Timeline:
        return self._order.timeline

    def _notes(self) -> list[str]:
        return [picture.OVER] if self._first.transparent else []

    def _decode(
        self, positions: npt.NDArray[np.int64], options: FrameOptions
    ) -> Iterator[tuple[int, npt.NDArray[np.uint8]]]:
        for position in positions.tolist():
            file = self._files[position]
            try:
                pixels = picture.read(file).pixels
            except UserError as error:
                self._complain(str(error))
                continue
            if pixels.shape[:2] != self._first.pixels.shape[:2]:
                raise UserError(
                    f"{shown(file)}: is {pixels.shape[1]}x{pixels.shape[0]}, the first frame is "
                    f"{self.width}x{self.height}: frames of a film are of one size"
                )
            yield position, picture.fit(pixels, options, shown(file))


def open_pictures(files: list[pathlib.Path], path: pathlib.Path, name: str) -> list[Film]:
    """The films that pictures in a folder make: one for each pattern of their names.

    Args:
      files: the pictures.
      path: what to call them in messages.
      name: of the film, or how the films' names begin.

    Raises:
      UserError: two files are the same frame.
    """
    groups = collections.defaultdict(list)
    for file in dict.fromkeys(files):
        groups[names.pattern(file.stem)].append(file)
    for group in groups.values():
        _refuse_copies(group)
    films = {key: group for key, group in groups.items() if len(group) > 1}
    if not films:
        if len(files) > 1:
            logging.warning(
                "%s: the names of the pictures have no pattern: taken in natural order, from %s",
                shown(path),
                min(files, key=lambda file: names.natural(file.name)).name,
            )
        return [Pictures(path, name, files)]
    single = [group[0].name for group in groups.values() if len(group) == 1]
    if single:
        logging.warning(
            "%s: %s of other names left out (%s)",
            shown(path),
            plural(len(single), "picture"),
            ", ".join(single[:3]),
        )
    if len(films) == 1:
        return [Pictures(path, name, *films.values())]
    parts = {key: re.sub(r"[#@\W_]+", "-", key).strip("-") or "frames" for key in films}
    return [
        Pictures(path, f"{name}-{parts[key]}", films[key])
        for key in sorted(films, key=names.natural)
    ]


def _refuse_copies(files: list[pathlib.Path]) -> None:
    """Two files of one number, as 1.png and 01.png, or 1.png and 1.jpg, cannot both be a frame."""
    seen: dict[tuple[int, ...], pathlib.Path] = {}
    for file in files:
        numbers = tuple(map(int, re.findall(r"[0-9]+", file.stem)))
        if numbers in seen and numbers:
            raise UserError(f"{shown(file)} and {seen[numbers].name} are both the same frame")
        seen[numbers] = file
