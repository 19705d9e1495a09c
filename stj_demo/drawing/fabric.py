"""What fabric looks like from near: a bank of weaves, prints as functions of a place, and light on folds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image
from scipy.ndimage import uniform_filter

from stj_demo.drawing.shapes import Field, Patch, fraction, soft_step

_TILE = 768
_TURN = np.float32(2 * np.pi)
# Over how many rows and columns noise is averaged to become a weave; denim gets a diagonal on top.
_SMEARED = {"cotton": (1, 1), "wool": (3, 3), "silk": (25, 1), "linen": (1, 15), "denim": (7, 1)}


def clouds(random: np.random.Generator, shape: tuple[int, int], cells: float = 6) -> Field:
    """Smooth noise around 0 with a deviation near 1, of `shape` (rows, columns); `cells` blots fit into the longer side."""
    scale = cells / max(shape)
    coarse = random.standard_normal([max(2, round(side * scale)) + 1 for side in shape]).astype(np.float32)
    return np.asarray(Image.fromarray(coarse).resize(shape[::-1], Image.Resampling.BICUBIC), np.float32)


def weave(name: str, shape: tuple[int, int], random: np.random.Generator) -> Field:
    """A piece of a weave, around 0 with a deviation of 1, cut out of its tile at random; 768 pixels a side at most."""
    tile = _tile(name)
    top, left = random.integers(0, [_TILE - side + 1 for side in shape])
    return tile[top : top + shape[0], left : left + shape[1]]


@cache
def _tile(name: str) -> Field:
    noise = np.random.default_rng(list(name.encode())).standard_normal((_TILE, _TILE)).astype(np.float32)
    down, across = _SMEARED[name]
    tile = _even(uniform_filter(noise, (down, across), mode="wrap"))
    if name == "linen":
        tile = tile + _even(uniform_filter(noise[::-1], (across, down), mode="wrap")) + 0.25 * noise
    if name == "denim":
        y, x = np.mgrid[:_TILE, :_TILE].astype(np.float32)
        tile = 0.55 * tile + np.sin((x + y) * _TURN / 3.4) + 0.6 * noise
    return _even(tile)


def _even(field: Field) -> Field:
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def roundness(patch: Patch, depth: float, light: float) -> Field:
    """Light on something round: darker by `depth` towards the edges, and away from `light`, -1 left to 1 right."""
    return np.asarray(1 - depth * patch.across**2 + 0.5 * depth * light * patch.across, np.float32)


def folds(place: Field, random: np.random.Generator, sharpness: float = 0.9) -> Field:
    """Light on folds, one for each whole number of `place`; around 0, within ±1."""
    phase = place * _TURN + np.float32(random.uniform(0, 6.28))
    return np.asarray(np.sin(phase + sharpness * np.sin(phase)), np.float32)


# A print: how much of the second colour there is, 0 to 1, at places of the cloth in pixels.
Print = Callable[[Field, Field, np.random.Generator], Field]


def plain(x: Field, y: Field, random: np.random.Generator) -> Field:  # noqa: ARG001 - one signature for all prints
    """Nothing at all."""
    return np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)


def stripes(x: Field, y: Field, random: np.random.Generator) -> Field:
    """Stripes along the cloth or across it."""
    place, pitch = (x, random.uniform(9, 26)) if random.random() < 0.5 else (y, random.uniform(12, 40))
    return soft_step(np.cos(place * _TURN / pitch) - random.uniform(0.2, 0.85), 0.3)


def waves(x: Field, y: Field, random: np.random.Generator) -> Field:
    """Diagonal waves of tie and dye: leheriya."""
    pitch, slope = random.uniform(16, 36), float(random.choice([-1.0, 1.0])) * random.uniform(0.6, 1.4)
    place = x + slope * y + 4 * np.sin(y * _TURN / 60)
    return soft_step(np.cos(place * _TURN / pitch) - random.uniform(0.0, 0.5), 0.3)


def lozenges(x: Field, y: Field, random: np.random.Generator) -> Field:
    """Lozenges with frayed edges: ikat."""
    pitch = random.uniform(28, 60)
    frayed = x + 2.5 * np.sin(y * 1.7 + np.sin(x * 0.4))
    lozenge = np.abs(fraction(frayed / pitch) - 0.5) + np.abs(fraction(y / (pitch * 1.4)) - 0.5)
    return soft_step(np.cos(lozenge * _TURN * int(random.integers(1, 4))) - 0.2, 0.5)


def flowers(x: Field, y: Field, random: np.random.Generator) -> Field:
    """Flowers with three to six petals, woven or printed, in a brick pattern."""
    pitch, petals = random.uniform(24, 70), int(random.integers(3, 7))
    row = np.floor(y / pitch)
    across, down = fraction(x / pitch + 0.5 * (row % 2)) - 0.5, y / pitch - row - 0.5
    edge, away = 0.22 + 0.1 * np.cos(np.arctan2(down, across) * petals), np.hypot(across, down)
    return soft_step(edge - away, 3 / pitch) * (1 - 0.7 * soft_step(0.07 - away, 2 / pitch))


PRINTS: tuple[Print, ...] = (plain, stripes, waves, lozenges, flowers)
