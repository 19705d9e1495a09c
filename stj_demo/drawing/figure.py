"""The figure that wears the garment: a shop dummy with a head but no face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stj_demo.drawing.cloth import clouds, folds, roundness, weave
from stj_demo.drawing.layer import Layer, Point, band, column, ellipse
from stj_demo.drawing.palette import Colour, dye, mix, rgb, skin, vary

# Heights of the body as shares of its whole height, from the crown to the sole.
CHIN, SHOULDER, BUST, WAIST, HIP, CROTCH, KNEE, ANKLE = 0.125, 0.18, 0.27, 0.395, 0.485, 0.53, 0.735, 0.95


@dataclass(frozen=True)
class Body:
    """Where a figure stands.

    Attributes:
        centre: its middle, in pixels from the left.
        top: its crown, in pixels from the upper edge; negative when the picture cuts it off.
        size: from crown to sole, in pixels.
        light: where the light comes from, -1 left to 1 right.
        skin: the colour of head and hands.
        hair: the colour of the hair.
    """

    centre: float
    top: float
    size: float
    light: float
    skin: Colour
    hair: Colour

    def at(self, x: float, y: float) -> Point:
        """A place on the body in pixels; `x` from the middle and `y` from the crown, both in shares of the height."""
        return self.centre + x * self.size, self.top + y * self.size

    def y(self, share: float) -> float:
        """A height of the body in pixels."""
        return self.top + share * self.size


def stand(random: np.random.Generator, width: int, height: int, *, crop: bool) -> Body:
    """Put a figure into the picture: whole, or from the waist down."""
    size = height * (random.uniform(1.38, 1.62) if crop else random.uniform(0.86, 0.97))
    top = -size * random.uniform(0.33, 0.37) if crop else height * random.uniform(0.015, 0.97 - size / height + 0.015)
    centre = width * random.uniform(0.44, 0.56)
    hair = vary(rgb(*((34, 28, 26), (58, 40, 30), (24, 24, 28), (90, 84, 80))[random.integers(4)]), random)
    return Body(centre, top, size, random.uniform(-0.9, 0.9), skin(random), hair)


def head(layer: Layer, body: Body, random: np.random.Generator, *, bun: bool, back: bool = False) -> None:
    """A head with hair, seen from the front or from behind."""
    tilt = random.uniform(-0.008, 0.008)
    if bun:
        side = int(random.choice([-1, 1])) * random.uniform(0.0, 0.035)
        layer.paint(ellipse(layer, body.at(tilt + side, 0.03), (0.036 * body.size, 0.034 * body.size)), body.hair)
    neck = band(layer, body.at(tilt, 0.1), body.at(0, SHOULDER + 0.01), (0.022 * body.size, 0.028 * body.size))
    layer.paint(neck, body.skin, 0.86 * roundness(neck, 0.3, body.light))
    hair = ellipse(layer, body.at(tilt, 0.06), (0.046 * body.size, 0.06 * body.size))
    layer.paint(hair, body.hair, roundness(hair, 0.3, body.light))
    if not back:
        face = ellipse(layer, body.at(tilt, 0.073), (0.037 * body.size, 0.053 * body.size))
        layer.paint(face, body.skin, roundness(face, 0.22, body.light) * (1.02 - 0.08 * face.along))


@dataclass(frozen=True)
class Sleeve:
    """What covers an arm, and how much of it, 0 to 1."""

    colour: Colour
    length: float


@dataclass(frozen=True)
class ArmPose:
    """How an arm is held.

    Attributes:
        bend: how far the hand comes back in, 0 hanging to 1 on the hip.
        spread: how far the elbow is away from the body, in shares of the height.
    """

    bend: float
    spread: float


def arm(layer: Layer, body: Body, side: int, sleeve: Sleeve, pose: ArmPose) -> None:
    """An arm with its sleeve; `side` is -1 for the left in the picture, 1 for the right."""
    bend, spread = pose.bend, pose.spread
    shoulder = body.at(side * 0.096, SHOULDER + 0.02)
    elbow = body.at(side * (0.125 + spread), 0.365 - 0.25 * spread)
    hand = body.at(
        side * (0.14 + 1.5 * spread - bend * (0.06 + 1.4 * spread)), 0.5 - 0.1 * bend - 0.6 * spread * (1 - bend)
    )
    thick, thin, wrist = (share * body.size for share in (0.026, 0.022, 0.015))
    for start, end, widths in ((elbow, hand, (thin * 0.92, wrist)), (shoulder, elbow, (thick * 0.9, thin))):
        limb = band(layer, start, end, widths)
        layer.paint(limb, body.skin, roundness(limb, 0.34, body.light))
    palm = ellipse(layer, hand, (0.018 * body.size, 0.024 * body.size))
    layer.paint(palm, body.skin, 0.95)
    upper, lower = min(1.0, sleeve.length * 2), max(0.0, sleeve.length * 2 - 1)
    if lower:
        cuff = _between(elbow, hand, lower)
        part = band(layer, elbow, cuff, (thin * 1.2, thin * 1.2 + (wrist * 1.35 - thin * 1.2) * lower))
        layer.paint(part, sleeve.colour, roundness(part, 0.24, body.light))
    if upper:
        part = band(
            layer, shoulder, _between(shoulder, elbow, upper), (thick * 1.12, thick + (thin * 1.2 - thick) * upper)
        )
        layer.paint(part, sleeve.colour, roundness(part, 0.24, body.light))


def torso(
    layer: Layer, body: Body, colour: Colour, random: np.random.Generator, hem: float, waist: float = 0.074
) -> None:
    """A close-fitting top from the shoulders to `hem`, a height of the body."""
    shares = (SHOULDER - 0.022, SHOULDER, SHOULDER + 0.03, BUST, 0.34, WAIST, hem)
    halves = (0.034, 0.092, 0.112, 0.098, 0.08, waist, waist + 0.35 * max(0.0, hem - WAIST))
    keep = [index for index, share in enumerate(shares) if share <= hem and (index == 0 or share > shares[index - 1])]
    ys = [body.y(shares[index]) for index in keep]
    patch = column(
        layer, ys, [body.at(-halves[index], 0)[0] for index in keep], [body.at(halves[index], 0)[0] for index in keep]
    )
    wrinkles = folds(patch.y / (0.045 * body.size) + 0.7 * patch.across + 0.3 * clouds(random, patch.shape, 4), random)
    tone = roundness(patch, 0.3, body.light) * (
        1 + 0.035 * wrinkles * patch.along + 0.02 * weave("wool", patch.shape, random)
    )
    layer.paint(patch, colour, tone)


def top(layer: Layer, body: Body, random: np.random.Generator, *, hem: float, back: bool = False) -> None:
    """A shirt or T-shirt with both arms, and the head on top."""
    colour = dye(random).colour
    length = float(random.choice([0.36, 0.42, 0.95, 0.95]))
    torso(layer, body, colour, random, hem)
    if length > 0.9 and not back:
        layer.draw_lines(
            [[body.at(0.001, SHOULDER + 0.01), body.at(0.003, hem - 0.01)]], mix(colour, rgb(0, 0, 0), 0.35), 1.2
        )
        buttons = [[body.at(0.006, share), body.at(0.008, share)] for share in np.arange(0.22, hem - 0.02, 0.045)]
        layer.draw_lines(buttons, mix(colour, rgb(255, 255, 255), 0.5), 2)
    arms(layer, body, random, Sleeve(colour, length))
    head(layer, body, random, bun=bool(random.random() < 0.3), back=back)


def arms(layer: Layer, body: Body, random: np.random.Generator, sleeve: Sleeve) -> None:
    """Both arms, each in a pose of its own."""
    for side in (-1, 1):
        on_hip = ArmPose(1.0, random.uniform(0.05, 0.08))
        hanging = ArmPose(random.uniform(0, 0.25), random.uniform(0, 0.03))
        arm(layer, body, side, sleeve, on_hip if random.random() < 0.3 else hanging)


def foot(layer: Layer, body: Body, ankle: Point, side: int, colour: Colour) -> None:
    """A shoe below a trouser leg, pointing a little outwards."""
    size = body.size
    toe = (ankle[0] + side * 0.028 * size, ankle[1] + 0.034 * size)
    shoe = band(layer, (ankle[0] - side * 0.004 * size, ankle[1] + 0.012 * size), toe, (0.024 * size, 0.021 * size))
    layer.paint(shoe, colour, roundness(shoe, 0.25, body.light))
    sole = band(
        layer,
        (ankle[0] - side * 0.014 * size, toe[1] + 0.013 * size),
        (toe[0] + side * 0.006 * size, toe[1] + 0.015 * size),
        (0.006 * size, 0.006 * size),
    )
    layer.paint(sole, mix(colour, rgb(120, 116, 112), 0.5), 0.9)


def _between(start: Point, end: Point, share: float) -> Point:
    return start[0] + (end[0] - start[0]) * share, start[1] + (end[1] - start[1]) * share
