"""Colours by name: one palette for every garment, so that no class has a colour of its own.

Denim is indigo, grey or black more often than other cloth, as in any shop; it comes in every other colour too.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Three planes of one pixel, (3, 1, 1): it multiplies a tone of (rows, columns) as it is.
Colour = NDArray[np.floating[Any]]

WHITE, BLACK = (np.array(value, np.float32).reshape(3, 1, 1) for value in ([1, 1, 1], [0.04, 0.03, 0.055]))

# Too easy if only jeans were blue.
_NAMED = {
    "Navy Blue": (28, 38, 78), "Indigo": (44, 54, 104), "Blue": (58, 92, 150), "Sky Blue": (136, 172, 208),
    "Ice Blue": (176, 196, 214), "Teal": (22, 104, 110), "Bottle Green": (24, 74, 54), "Olive": (98, 100, 56),
    "Mint": (160, 202, 178), "Mustard": (204, 156, 44), "Yellow": (232, 204, 92), "Rust": (172, 82, 40),
    "Peach": (234, 178, 150), "Red": (176, 30, 42), "Maroon": (104, 24, 40), "Wine": (90, 28, 62), "Pink": (216, 104, 142),
    "Magenta": (168, 34, 104), "Lavender": (168, 148, 198), "Purple": (92, 50, 122), "Beige": (206, 188, 158),
    "Khaki": (168, 146, 108), "Brown": (98, 66, 46), "Cream": (234, 224, 200), "White": (232, 232, 228),
    "Grey": (132, 136, 142), "Charcoal": (62, 66, 74), "Black": (34, 34, 40),
}  # fmt: skip
_WEIGHTS = {"Navy Blue": 2, "Charcoal": 2, "Black": 2, "Grey": 2}
_DENIM_WEIGHTS = {
    "Navy Blue": 6, "Indigo": 12, "Blue": 12, "Sky Blue": 7, "Ice Blue": 4, "Charcoal": 5, "Black": 4, "Grey": 3,
}  # fmt: skip


@dataclass(frozen=True)
class Dye:
    """A colour as a shop calls it, and as this one piece of cloth took it."""

    name: str
    colour: Colour


def rgb(red: float, green: float, blue: float) -> Colour:
    """A colour from values of 0 to 255."""
    return np.array([red, green, blue], np.float32).reshape(3, 1, 1) / 255


def dye(random: np.random.Generator, *, denim: bool = False) -> Dye:
    """A garment's colour; no two pieces of cloth take a dye alike."""
    names = list(_NAMED)
    usual = _DENIM_WEIGHTS if denim else _WEIGHTS
    weights = np.array([usual.get(name, 1) for name in names], dtype=float)
    name = names[int(random.choice(len(names), p=weights / weights.sum()))]
    return Dye(name, one_of(random, _NAMED[name]))


def one_of(random: np.random.Generator, *choices: tuple[int, int, int], amount: float = 1.0) -> Colour:
    """One of some colours of 0 to 255, by `amount` a little off in hue, saturation and lightness."""
    hue, lightness, saturation = colorsys.rgb_to_hls(*(value / 255 for value in choices[random.integers(len(choices))]))
    hue = (hue + random.normal(0, 0.012 * amount)) % 1
    lightness = float(np.clip(lightness * random.uniform(1 - 0.16 * amount, 1 + 0.16 * amount), 0.06, 0.97))
    saturation = float(np.clip(saturation * random.uniform(1 - 0.2 * amount, 1 + 0.2 * amount), 0, 1))
    return rgb(*(255 * value for value in colorsys.hls_to_rgb(hue, lightness, saturation)))


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of the other colour in the one."""
    return one * (1 - share) + other * share
