"""The colours of pictures, and of systems in them."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

from lmvp_tf.evaluation.labels import LABELS

INK, FAINT, RULE, ACCENT = "#22252a", "#858b94", "#d7dade", "#d1382c"
_COLORS = {
    "truth": INK,
    "input": INK,
    "lmvp": ACCENT,
    "dfn": "#2866b0",
    "conv_lstm": "#2d8a5f",
    "fpm": "#8a56ac",
    "simvp": "#2aa3c4",
    "predrnn": "#c2571a",
    "mcnet": "#7d7a1c",
    "flow": "#d98a1f",
    "last_frame": "#5d636b",
    "zeros": "#a3a9b1",
    "mean_image": "#8f7f6b",
}
_KEYS = {label: key for key, label in LABELS.items()}
SPARE_COLORS = ("#0f8b9d", "#b83b7e", "#6f8f1d", "#4b4fc4", "#a65a2a", "#5aa0d8")


def system_colors(names: Iterable[str]) -> dict[str, str]:
    """Gives each system its colour: a fixed one if it is known, else one in order of appearance.

    Known are the keys of `LABELS`, the labels, and the first name that goes on from a label: "LMVP
    small" is in LMVP's colour.
    """
    colors: dict[str, str] = {}
    spare = itertools.cycle(SPARE_COLORS)
    for name in names:
        keys = (key for label, key in _KEYS.items() if f"{name} ".startswith(f"{label} "))
        color = _COLORS.get(next(keys, name))
        known = color not in colors.values()
        colors[name] = color if color and known else next(spare)
    return colors
