"""What trousers and jeans share: cuts, poses, two legs, and how cloth creases on them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from stj_demo.drawing.cloth import clouds, folds, roundness
from stj_demo.drawing.figure import CROTCH, HIP, KNEE, WAIST, Body, foot, stand, top
from stj_demo.drawing.layer import Field, Layer, Patch, Point, column, spline
from stj_demo.drawing.palette import Colour, mix, rgb, vary

# Half widths of a leg at thigh, knee and hem, in shares of the body's height.
CUTS = {
    "skinny": (0.053, 0.033, 0.025),
    "slim": (0.056, 0.038, 0.032),
    "straight": (0.059, 0.045, 0.043),
    "relaxed": (0.064, 0.052, 0.049),
    "bootcut": (0.056, 0.039, 0.058),
    "tapered": (0.065, 0.048, 0.030),
    "wide": (0.066, 0.066, 0.078),
}
_TABLE = 128
_SHOES = ((40, 36, 34), (96, 62, 42), (228, 226, 222), (64, 72, 84), (150, 60, 50))


@dataclass(frozen=True)
class Pose:
    """How the legs stand: the middles of both knees and hems, in shares of the body's height from its middle."""

    knees: tuple[float, float]
    hems: tuple[float, float]


@dataclass(frozen=True)
class Legs:
    """Two legs in one pose.

    Attributes:
        body: the figure, or where it would stand if somebody wore them.
        worn: whether somebody does.
        back: seen from behind.
        hip: half the hips' width in shares of the body's height.
        rise: where the waistband begins, in shares of the height.
        hem: where the legs end.
        outer: per leg, the outer edge at `ys`, in pixels.
        inner: per leg, the inner edge.
        ys: heights in pixels.
    """

    body: Body
    worn: bool
    back: bool
    rise: float
    hem: float
    ys: tuple[float, ...]
    outer: tuple[tuple[float, ...], tuple[float, ...]]
    inner: tuple[tuple[float, ...], tuple[float, ...]]

    def edge(self, leg: int, share: float, inset: float = 0.0, *, inner: bool = False) -> Point:
        """A place on a leg's edge at a height of the body, `inset` pixels towards the leg's middle."""
        y = self.body.y(share)
        place = min(max((y - self.ys[0]) / (self.ys[-1] - self.ys[0]), 0.0), 1.0) * _TABLE
        low = min(int(place), _TABLE - 1)
        table = self._tables[leg + 2 * inner]
        x = table[low] + (table[low + 1] - table[low]) * (place - low)
        return x + inset * (1 if (leg == 0) != inner else -1), y

    @cached_property
    def _tables(self) -> list[list[float]]:
        """The four edges at even distances: outer left, outer right, inner left, inner right."""
        at = np.linspace(self.ys[0], self.ys[-1], _TABLE + 1, dtype=np.float32)
        return [spline(at, self.ys, edge).tolist() for edge in (*self.outer, *self.inner)]

    def across(self, share_across: float, share: float) -> Point:
        """A place on the hips: -1 is the left side seam, 1 the right one, at a height of the body."""
        (left, y), (right, _) = self.edge(0, share), self.edge(1, share)
        return (left + right) / 2 + share_across * (right - left) / 2, y

    def outline(
        self, leg: int, inset: float, *, inner: bool = False, start: float | None = None, end: float | None = None
    ) -> list[Point]:
        """A line along a leg's edge."""
        shares = np.linspace(start or self.rise, end or self.hem, 24)
        return [self.edge(leg, float(share), inset, inner=inner) for share in shares]


def legs_for(
    random: np.random.Generator, body: Body, cut: str, *, worn: bool, back: bool, rise: float, hem: float
) -> Legs:
    """Stand two legs somewhere, or lay them down."""
    thigh, knee, bottom = CUTS[cut]
    pose = _pose(random, bottom, worn=worn)
    hip = random.uniform(0.083, 0.094)
    shares = (rise, HIP, CROTCH, (CROTCH + KNEE) / 2, KNEE, hem)
    outer, inner = [], []
    for leg, side in enumerate((-1, 1)):
        knee_x, hem_x = pose.knees[leg], pose.hems[leg]
        middle = side * 0.047 * 0.5 + knee_x * 0.5
        waist = 0.074 + 0.16 * (rise - WAIST + 0.0)
        outer.append(
            tuple(
                body.at(x, 0)[0]
                for x in (
                    side * waist,
                    side * hip,
                    side * max(hip, 0.042 + thigh * 0.86),
                    middle + side * (thigh + knee) * 0.5,
                    knee_x + side * knee,
                    hem_x + side * bottom,
                )
            )
        )
        inner.append(
            tuple(
                body.at(x, 0)[0]
                for x in (
                    -side * 0.002,
                    -side * 0.002,
                    -side * 0.001,
                    middle - side * (thigh + knee) * 0.46,
                    knee_x - side * knee,
                    hem_x - side * bottom,
                )
            )
        )
    ys = tuple(body.y(share) for share in shares)
    return Legs(body, worn, back, rise, hem, ys, (outer[0], outer[1]), (inner[0], inner[1]))


def _pose(random: np.random.Generator, bottom: float, *, worn: bool) -> Pose:
    apart = max(random.uniform(0.036, 0.062), bottom * 0.85 + 0.002)
    if not worn:
        swing = random.uniform(0.0, 0.07)
        return Pose((-apart - swing * 0.5, apart + swing * 0.5), (-apart - swing, apart + swing))
    shift, step = random.uniform(-0.02, 0.02), random.uniform(0, 0.035)
    turn = random.uniform(-0.018, 0.018)
    return Pose((-apart + shift, apart + shift), (-apart - step * 0.6 + turn, apart + step + turn))


def panels(layer: Layer, legs: Legs, random: np.random.Generator) -> list[Patch]:
    """Both legs as shapes, the one behind first."""
    order = (0, 1) if random.random() < 0.5 else (1, 0)
    shapes = [
        column(
            layer, legs.ys, *((legs.outer[leg], legs.inner[leg]) if leg == 0 else (legs.inner[leg], legs.outer[leg]))
        )
        for leg in (0, 1)
    ]
    return [shapes[leg] for leg in order]


def crease_tone(legs: Legs, patch: Patch, random: np.random.Generator, depth: float = 1.0) -> Field:
    """Light on a leg: round, with creases at crotch, knee and hem."""
    size, body = legs.body.size, legs.body
    wobble = clouds(random, patch.shape, 7)
    tone = roundness(patch, 0.36 if legs.worn else 0.14, body.light) * (1 + 0.035 * depth * wobble)
    slope = random.uniform(0.4, 1.2) * int(random.choice([-1, 1]))
    for share, width, strength, pitch in ((KNEE, 0.055, 0.07, 0.02), (legs.hem - 0.03, 0.04, 0.09, 0.017)):
        near = rows_near(patch, body.y(share), 2 * width * size)
        creases = folds(patch.y[near] / (pitch * size) + slope * patch.across[near] + 0.5 * wobble[near], random)
        tone[near] += strength * depth * np.exp(-(((patch.y[near] - body.y(share)) / (width * size)) ** 2)) * creases
    x, y = body.at(0, CROTCH - 0.01)
    near = rows_near(patch, y, 0.09 * size)
    dx, dy = (np.abs(patch.x - x) + 1) / size, (patch.y[near] - y) / size
    rays = folds(np.arctan2(dy, dx) * 1.7 + 0.5 * wobble[near], random)
    tone[near] += 0.07 * depth * np.exp(-((dx - 0.045) ** 2 + dy**2) / 0.0016) * rays
    return tone


def rows_near(patch: Patch, y: float, reach: float) -> slice:
    """The patch's rows within `reach` pixels of a height."""
    return slice(max(0, int(y - reach) - patch.top), max(0, int(y + reach) - patch.top))


def waistband(layer: Layer, legs: Legs, height: float) -> Patch:
    """The band at the top, `height` in shares of the body's height."""
    shares = (legs.rise, legs.rise + height)
    edges = [[legs.edge(leg, share, -0.6)[0] for share in shares] for leg in (0, 1)]
    return column(layer, [legs.body.y(share) for share in shares], edges[0], edges[1])


def opening(layer: Layer, legs: Legs, colour: Colour) -> None:
    """The dark inside of the waist of something that nobody wears."""
    shares = (legs.rise - 0.012, legs.rise, legs.rise + 0.006)
    edges = [[legs.edge(leg, legs.rise, inset)[0] for inset in (9, 1, 0)] for leg in (0, 1)]
    patch = column(layer, [legs.body.y(share) for share in shares], edges[0], edges[1])
    layer.paint(patch, mix(colour, rgb(20, 20, 24), 0.55))


Paint = Callable[[Layer, Legs, np.random.Generator], None]


def wear(layer: Layer, random: np.random.Generator, cut: str, paint: Paint, *, back: bool, low: bool = False) -> None:
    """Someone wears the garment: shoes below, the garment, and a top above.

    Args:
        layer: where to paint.
        random: the shot's own choices.
        cut: a key of `CUTS`.
        paint: paints the garment on legs.
        back: seen from behind.
        low: the waistband sits on the hips.
    """
    body = stand(random, layer.width, layer.height, crop=bool(random.random() < 0.75))
    hem = random.uniform(0.9, 0.955)
    legs = legs_for(random, body, cut, worn=True, back=back, rise=WAIST + (0.025 if low else 0.0), hem=hem)
    shoe = vary(rgb(*_SHOES[random.integers(len(_SHOES))]), random)
    for leg, side in enumerate((-1, 1)):
        (outer, y), (inner, _) = legs.edge(leg, hem), legs.edge(leg, hem, inner=True)
        ankle = ((outer + inner) / 2, max(y - 0.005 * body.size, body.y(0.935)))
        skin_part = column(
            layer, [y - 4, body.y(0.96)], [ankle[0] - 0.018 * body.size] * 2, [ankle[0] + 0.018 * body.size] * 2
        )
        layer.paint(skin_part, body.skin, roundness(skin_part, 0.3, body.light))
        foot(layer, body, ankle, side, shoe)
    tucked = bool(random.random() < 0.6)
    if tucked:
        top(layer, body, random, hem=legs.rise + 0.02, back=back)
    paint(layer, legs, random)
    if not tucked:
        top(layer, body, random, hem=legs.rise + random.uniform(0.015, 0.05), back=back)


def lay_down(layer: Layer, random: np.random.Generator, cut: str, paint: Paint, *, back: bool) -> None:
    """The garment lies flat, or hangs against a wall."""
    size = layer.height * random.uniform(1.42, 1.6)
    body = Body(
        layer.width * random.uniform(0.46, 0.54),
        -size * 0.4 + layer.height * random.uniform(0.07, 0.12),
        size,
        random.uniform(-0.9, 0.9),
        rgb(0, 0, 0),
        rgb(0, 0, 0),
    )
    legs = legs_for(random, body, cut, worn=False, back=back, rise=WAIST, hem=random.uniform(0.93, 0.96))
    paint(layer, legs, random)
