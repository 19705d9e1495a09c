"""Pillow's Lanczos resizing of grey pictures as products of matrices: the same bytes at a third of the cost.

A pHash looks at 32×32 and 64×64 pixels, and making these out of a drafted picture was the dearest part of a fingerprint. Pillow
resizes with whole numbers: weights of 22 bits, a pass along the lines and one down the columns, each rounded to a byte. Such
sums stay far below 2⁵³, so that double precision gives them exactly, in whatever order a matrix product takes.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Pillow's PRECISION_BITS: what is left of 32 bits for a weight, beside a byte and two bits of head room.
_BITS = 22
_LOBES = 3
# Outputs that share a product: their windows overlap, and few zeros are multiplied.
_TOGETHER = 8
# A drafted JPEG is seldom longer; the weights of all lengths would be too many to keep.
_LONGEST = 512


class _Window(NamedTuple):
    """The weights (last - first, outputs) of neighbouring outputs over the inputs that they see."""

    outputs: slice
    first: int
    last: int
    weights: NDArray[np.float64]


def shrunk(grey: Image.Image, sides: tuple[int, ...]) -> list[NDArray[np.float64]]:
    """What ``grey.resize((side, side), Image.Resampling.LANCZOS)`` gives, pixel for pixel, for each of some sides.

    Args:
        grey: a picture in mode L.
        sides: pixels across and down of each result.

    Returns:
        For each side an array (side, side) of whole numbers from 0 to 255.
    """
    # Of a tall picture Pillow takes the columns first.
    if max(grey.size) > _LONGEST or grey.height > 2 * grey.width - max(sides):
        resized = (grey.resize((side, side), Image.Resampling.LANCZOS) for side in sides)
        return [np.asarray(one, dtype=np.float64) for one in resized]
    levels = np.asarray(grey).astype(np.float64)
    return [_pass(_pass(levels, side).T, side).T for side in sides]


def _pass(lines: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """Each line (lines, length) resized to (lines, side), rounded and cut to a byte as Pillow does after a pass."""
    sums = np.empty((len(lines), side))
    for one in _windows(lines.shape[1], side):
        np.matmul(lines[:, one.first : one.last], one.weights, out=sums[:, one.outputs])
    sums += 0.5
    np.floor(sums, out=sums)
    return np.clip(sums, 0, 255, out=sums)


@lru_cache(maxsize=512)
def _windows(length: int, side: int) -> tuple[_Window, ...]:
    """The weights by which `length` pixels become `side`, some outputs at a time, as multiples of 2⁻²².

    They are made by Pillow's own operations in Pillow's order, since the last bit of a weight is at stake.
    """
    scale = length / side
    stretch = max(scale, 1.0)
    centres = (np.arange(side) + 0.5) * scale
    firsts = np.maximum((centres - _LOBES * stretch + 0.5).astype(int), 0)
    lasts = np.minimum((centres + _LOBES * stretch + 0.5).astype(int), length)
    places = np.arange(length)[:, None]
    seen = _lanczos((places - centres + 0.5) * (1.0 / stretch)) * ((places >= firsts) & (places < lasts))
    seen /= np.cumsum(seen, axis=0)[-1]
    weights = np.trunc(seen * (1 << _BITS) + np.copysign(0.5, seen)) / (1 << _BITS)
    windows = []
    for start in range(0, side, _TOGETHER):
        outputs = slice(start, min(start + _TOGETHER, side))
        first, last = int(firsts[start]), int(lasts[outputs.stop - 1])
        windows.append(_Window(outputs, first, last, weights[first:last, outputs].copy()))
    return tuple(windows)


def _lanczos(places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Lanczos' kernel of three lobes: sinc(x) · sinc(x / 3) for -3 ≤ x < 3 (Duchon 1979)."""
    inside = (places >= -_LOBES) & (places < _LOBES)
    return np.where(inside, _sinc(places) * _sinc(places / _LOBES), 0.0)


def _sinc(places: NDArray[np.float64]) -> NDArray[np.float64]:
    angles = places * np.pi
    return np.divide(np.sin(angles), angles, out=np.ones_like(angles), where=places != 0)
