"""sha256.json: the files of a folder that was written as one, and the SHA-256 of each.

A damaged file, or one of another time, is then told from the one that was written. It does not
prove who wrote them.
"""

from __future__ import annotations

import pathlib
from collections.abc import Collection

import msgspec

from lmvp_tf.errors import UserError
from lmvp_tf.files import write_json
from lmvp_tf.readers import SHA256, file_sha256, read_json, reading

FILE = "sha256.json"


class _Manifest(msgspec.Struct):
    sha256: dict[str, SHA256]  # by the file's path in the folder


def write(folder: pathlib.Path) -> None:
    """Writes down all the files of a folder.

    Raises:
      RunError: it cannot be written.
    """
    hashes = {name: file_sha256(folder / name) for name in sorted(files(folder))}
    write_json(folder / FILE, {"sha256": hashes})


def files(folder: pathlib.Path) -> set[str]:
    """The files of a folder and its folders, without the manifest."""
    found = {str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir()}
    return found - {FILE}


def listed(folder: pathlib.Path) -> set[str]:
    """The files that a folder's manifest names, and itself; none where it cannot be read."""
    try:
        return {*read_json(folder / FILE, _Manifest).sha256, FILE}
    except (OSError, UserError):
        return set()


def check(folder: pathlib.Path, names: Collection[str], advice: str = "") -> bool:
    """Checks that files are those that the manifest of their folder names.

    Args:
      folder: the folder.
      names: of the files, paths in it.
      advice: what to do where they are not, for the end of the message.

    Returns:
      Whether there is a manifest; without one nothing is checked.

    Raises:
      UserError: a file is another one, or the manifest does not name it, or cannot be read.
    """
    try:
        hashes = read_json(folder / FILE, _Manifest, advice).sha256
    except FileNotFoundError:
        return False
    for name in sorted(names):
        try:
            with reading(folder / name, advice):
                if file_sha256(folder / name) != hashes.get(name):
                    raise ValueError(f"its SHA-256 is not the one in {FILE}")
        except FileNotFoundError as error:
            raise UserError(f"{folder / name} is missing: {advice}") from error
    return True
