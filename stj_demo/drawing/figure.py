"""The figure that wears the garment: a shop dummy with a head but no face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stj_demo.drawing.colours import Colour, one_of
from stj_demo.drawing.fabric import clouds, folds, roundness
from stj_demo.drawing.shapes import Layer, Outline, Point, band

# Heights of the body as shares of its whole height, from the crown to the sole.
SHOULDER, WAIST, HIP, CROTCH, KNEE = 0.18, 0.395, 0.485, 0.53, 0.735
_SKINS = ((236, 196, 166), (210, 164, 128), (180, 130, 96), (146, 100, 70), (112, 76, 54), (226, 222, 216))
_HAIRS = ((34, 28, 26), (58, 40, 30), (90, 84, 80))


@dataclass(frozen=True)
class Body:
    """Where a figure stands.

    Attributes:
        centre: its middle, in pixels from the left.
        top: its crown, in pixels from the upper edge; negative when the picture cuts it off.
        size: from crown to sole, in pixels.
        light: where the light comes from, -1 left to 1 right.
        skin: the colour of head and hands.
    """

    centre: float
    top: float
    size: float
    light: float
    skin: Colour

    def at(self, x: float, y: float) -> Point:
        """A place on the body in pixels; `x` from the middle and `y` from the crown, both in shares of the height."""
        return self.centre + x * self.size, self.top + y * self.size

    def outline(self, *rows: tuple[float, float, float]) -> Outline:
        """A shape from heights with their left and right edges, all in shares of the height."""
        ys = [self.at(0, y)[1] for y, _, _ in rows]
        return Outline(ys, *([self.at(row[side], 0)[0] for row in rows] for side in (1, 2)))


def stand(random: np.random.Generator, width: int, height: int, *, crop: bool) -> Body:
    """Put a figure into the picture: whole, or from the waist down."""
    size = height * (random.uniform(1.38, 1.62) if crop else random.uniform(0.86, 0.97))
    top = -size * random.uniform(0.33, 0.37) if crop else random.uniform(0.015, 0.985 - size / height) * height
    return Body(width * random.uniform(0.44, 0.56), top, size, random.uniform(-0.9, 0.9), one_of(random, *_SKINS))


def torso(layer: Layer, body: Body, random: np.random.Generator, colour: Colour, hem: float) -> None:
    """A close-fitting top without sleeves, from the shoulders down to `hem`, a height of the body."""
    rows = [(0.158, 0.034), (SHOULDER, 0.092), (0.21, 0.112), (0.27, 0.098), (hem, 0.076)]
    patch = body.outline(*((y, -half, half) for y, half in rows)).fill(layer)
    wrinkles = folds(patch.y / (0.045 * body.size) + 0.7 * patch.across + 0.3 * clouds(random, patch.shape, 4), random)
    layer.paint(patch, colour, roundness(patch, 0.3, body.light) * (1 + 0.035 * wrinkles * patch.along))


def upper_body(
    layer: Layer, body: Body, random: np.random.Generator, colour: Colour, *, hem: float, sleeve: float
) -> None:
    """Head, arms and top; `hem` is a height of the body, `sleeve` the share of the arms that is covered."""
    torso(layer, body, random, colour, hem)
    for side in (-1, 1):
        _arm(layer, body, side, random, colour, sleeve)
    tilt, hair = random.uniform(-0.008, 0.008), one_of(random, *_HAIRS)
    parts = (
        (hair, (tilt * 4, 0.035), (tilt * 4, 0.036), 0.035),
        (body.skin, (tilt, 0.1), (0.0, SHOULDER), 0.024),
        (hair, (tilt, 0.048), (tilt, 0.07), 0.045),
        (body.skin, (tilt, 0.06), (tilt, 0.09), 0.037),
    )
    for part_colour, start, end, half in parts:
        part = band(layer, body.at(*start), body.at(*end), (half * body.size,) * 2)
        layer.paint(part, part_colour, roundness(part, 0.24, -body.light))


def _arm(layer: Layer, body: Body, side: int, random: np.random.Generator, colour: Colour, sleeve: float) -> None:
    """An arm with its sleeve, hanging or on the hip; `side` is -1 for the left in the picture, 1 for the right."""
    bend, spread = (1.0, random.uniform(0.05, 0.08)) if random.random() < 0.3 else random.uniform(0, [0.25, 0.03])
    shoulder, elbow = body.at(side * 0.096, SHOULDER + 0.02), body.at(side * (0.125 + spread), 0.365 - 0.25 * spread)
    hand = body.at(
        side * (0.14 + 1.5 * spread - bend * (0.06 + 1.4 * spread)), 0.5 - 0.1 * bend - 0.6 * spread * (1 - bend)
    )
    joints = ((shoulder, elbow, 0.024, 0.021, 2 * sleeve), (elbow, hand, 0.02, 0.016, 2 * sleeve - 1))
    for start, end, thick, thin, covered in reversed(joints):
        for share, fill, wide in ((1.0, body.skin, 1.0), (min(1.0, covered), colour, 1.25)):
            if share > 0:
                tip = (start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share)
                limb = band(layer, start, tip, (thick * wide * body.size, thin * wide * body.size))
                layer.paint(limb, fill, roundness(limb, 0.3, -body.light))
