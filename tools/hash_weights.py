"""Adds the SHA-256 of the weights to the trained.json of folders that were published without.

python tools/hash_weights.py results/*/*
"""

from __future__ import annotations

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from lmvp_tf.training import weights


def main() -> None:
    for folder in map(pathlib.Path, sys.argv[1:]):
        if weights.are_in(folder):
            weights.add_hashes(folder)


if __name__ == "__main__":
    main()
