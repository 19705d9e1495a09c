"""What two pictures have in common: where one lies in the other, and the pHash distance of the part that both show.

The keypoints only say where to look. Whether it is the same picture is said by the hashes of the common part, by the bits that
whole pictures are judged by: studio pictures with one background, or one pose in two garments, have many keypoints in common.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from stj_images.crops.keypoints import Keypoints, opencv
from stj_images.fingerprint import phashes

LEAST_SHARE = 0.5
_LEAST_MATCHES = 4
_RATIO = 0.8  # Lowe's: the nearest descriptor must be clearly nearer than the second
_WITHIN_PIXELS = 2.0
_LARGEST_SCALE = 3.3
_LARGEST_TURN = np.radians(3)

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Alignment:
    """Where the first picture lies in the second: a point (x, y) of it is at (scale · x + right, scale · y + down).

    Attributes:
        matches: keypoints that agree on it.
    """

    scale: float
    right: float
    down: float
    matches: int


@dataclass(frozen=True, slots=True)
class Overlap:
    """The part that two small pictures both show.

    Attributes:
        one: its left, top, right and bottom in the first.
        two: the same in the second.
        share: of the picture of which it is the larger part.
    """

    one: Box
    two: Box
    share: float


def align(one: Keypoints, two: Keypoints) -> Alignment | None:
    """Where the first lies in the second, or None where too few keypoints agree on one upright place."""
    mine, theirs = _matches(one.descriptors, two.descriptors)
    if len(mine) < _LEAST_MATCHES:
        return None
    here, there = one.places[mine], two.places[theirs]
    found, agree = opencv().estimateAffinePartial2D(here, there, ransacReprojThreshold=_WITHIN_PIXELS)
    if found is None or agree.sum() < _LEAST_MATCHES:
        return None
    scale, turn = float(np.hypot(found[0, 0], found[1, 0])), float(np.arctan2(found[1, 0], found[0, 0]))
    if not 1 / _LARGEST_SCALE < scale < _LARGEST_SCALE or abs(turn) > _LARGEST_TURN:
        return None
    return _upright(here[agree[:, 0] > 0].astype(np.float64), there[agree[:, 0] > 0].astype(np.float64))


def find_overlap(one: Keypoints, two: Keypoints) -> Overlap | None:
    """The part that both show, or None where it is less than half of each."""
    place = align(one, two)
    if place is None:
        return None
    left, top = max(0.0, place.right), max(0.0, place.down)
    right = min(float(two.width), place.scale * one.width + place.right)
    bottom = min(float(two.height), place.scale * one.height + place.down)
    if right <= left or bottom <= top:
        return None
    area = (right - left) * (bottom - top)
    share = area / min(two.width * two.height, place.scale**2 * one.width * one.height)
    if share < LEAST_SHARE:
        return None
    corners = np.array([left, top, right, bottom])
    back = (corners - [place.right, place.down, place.right, place.down]) / place.scale
    inside = np.clip(back, 0, [one.width, one.height, one.width, one.height])
    return Overlap((*inside.tolist(),), (left, top, right, bottom), min(1.0, share))


def overlap_distances(one: NDArray[np.uint8], two: NDArray[np.uint8], common: Overlap) -> tuple[int, int]:
    """Bits of pHash-64 and pHash-256 between what two small grey pictures show of their common part."""
    seen = ((Image.fromarray(one), common.one), (Image.fromarray(two), common.two))
    near, far = ([int(phashes(grey, side, box)[0], 16) for grey, box in seen] for side in (8, 16))
    return (near[0] ^ near[1]).bit_count(), (far[0] ^ far[1]).bit_count()


def _matches(one: NDArray[np.uint8], two: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places of descriptors that are each other's nearest, and clearly so."""
    if len(one) < _LEAST_MATCHES or len(two) < _LEAST_MATCHES:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    mine, theirs = one.astype(np.float32), two.astype(np.float32)
    far = np.square(mine).sum(axis=1)[:, None] + np.square(theirs).sum(axis=1)[None] - 2 * mine @ theirs.T
    nearest = far.argmin(axis=1)
    rows = np.arange(len(far))
    best, second = np.partition(far, 1, axis=1)[:, :2].T
    good = (far.argmin(axis=0)[nearest] == rows) & (best <= _RATIO**2 * second)
    return rows[good], nearest[good]


def _upright(here: NDArray[np.float64], there: NDArray[np.float64]) -> Alignment | None:
    """The scale and shift, without a turn, that least squares give for the points that agree."""
    middle, target = here.mean(axis=0), there.mean(axis=0)
    spread = np.square(here - middle).sum()
    if not spread:
        return None
    scale = float(((here - middle) * (there - target)).sum() / spread)
    if scale <= 0:
        return None
    right, down = (target - scale * middle).tolist()
    return Alignment(scale, right, down, len(here))
