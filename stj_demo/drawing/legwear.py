"""Trousers and jeans: one silhouette of two legs, two cloths, and the seams that tell them apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stj_demo.drawing.colours import BLACK, WHITE, Colour, Dye, dye, mix, one_of, rgb
from stj_demo.drawing.fabric import clouds, folds, roundness, weave
from stj_demo.drawing.figure import CROTCH, HIP, KNEE, WAIST, Body, stand, upper_body
from stj_demo.drawing.shapes import Field, Layer, Outline, Patch, Point, band, soft_step

# Half widths of a leg at thigh, knee and hem, in shares of the body's height.
_CUTS = ((0.056, 0.036, 0.029), (0.061, 0.048, 0.046), (0.065, 0.048, 0.030), (0.066, 0.066, 0.078))
_CLOTHS = (("wool", 0.03), ("linen", 0.05), ("silk", 0.02), ("cotton", 0.015))
_THREADS = ((206, 142, 70), (188, 120, 56), (222, 178, 112), (232, 226, 212))
_LEATHERS = ((52, 38, 32), (112, 72, 44), (30, 30, 32), (150, 96, 56))
_SHOES = ((40, 36, 34), (96, 62, 42), (228, 226, 222), (64, 72, 84), (150, 60, 50))
_BAND = 0.027
# Seams on the hips, by denim and back: places as in `Legs.line`, but `y` from the waist; mirrored on the other side.
_SEAMS: dict[tuple[bool, bool], tuple[tuple[Point, ...], ...]] = {
    (True, False): (((0.42, 0.03), (0.46, 0.05), (0.58, 0.068), (0.78, 0.076), (0.985, 0.074)),),
    (True, True): (
        ((0.24, 0.078), (0.8, 0.072), (0.78, 0.14), (0.5, 0.16), (0.26, 0.144), (0.24, 0.078)),
        ((0.27, 0.108), (0.4, 0.112), (0.5, 0.123), (0.62, 0.112), (0.77, 0.106)),
        ((0, 0.07), (1, 0.045)),
    ),
    (False, False): (((0.66, 0.028), (0.985, 0.115)),),
    (False, True): (((0.3, 0.078), (0.76, 0.074)), ((0.3, 0.084), (0.76, 0.08))),
}
_FLY = ((0.2, 0.03), (0.2, 0.07), (0.16, 0.09), (0.02, 0.11))


@dataclass(frozen=True)
class Legwear:
    """One design of trousers or jeans.

    Attributes:
        dye: the cloth's colour.
        denim: jeans, washed and topstitched; else trousers, ironed.
        cut: half widths, of `_CUTS`.
        cloth: the weave's name, and how strongly it shows.
        lines: how strong stripes along and across are, 0 to 1 each.
        fade: how far jeans are washed out, or how sharp the ironed line of trousers is.
        thread: of the seams that are meant to be seen.
        leather: the belt of trousers, if they have one; the label on jeans.
    """

    dye: Dye
    denim: bool
    cut: tuple[float, float, float]
    cloth: tuple[str, float]
    lines: tuple[float, float]
    fade: float
    thread: Colour
    leather: Colour | None


def design_trousers(random: np.random.Generator) -> Legwear:
    """Think of a pair of trousers: smooth cloth with an ironed line."""
    colour, cut, cloth = dye(random), _CUTS[random.integers(len(_CUTS))], _CLOTHS[random.integers(len(_CLOTHS))]
    lines = ((0, 0), (0, 0), (0, 0), (0, 0), (1, 0), (0.6, 0.6))[random.integers(6)]
    belt = one_of(random, *_LEATHERS) if random.random() < 0.35 else None
    return Legwear(colour, False, cut, cloth, lines, random.uniform(0.08, 0.28), mix(colour.colour, BLACK, 0.45), belt)


def design_jeans(random: np.random.Generator) -> Legwear:
    """Think of a pair of jeans: twill with a grain, washed out where it is worn."""
    colour, cut = dye(random, denim=True), _CUTS[random.integers(len(_CUTS))]
    thread = mix(colour.colour, WHITE, 0.4) if random.random() < 0.1 else one_of(random, *_THREADS, amount=0.5)
    cloth, fade = ("denim", random.uniform(0.1, 0.15)), random.uniform(0.1, 0.7)
    return Legwear(colour, True, cut, cloth, (0, 0), fade, thread, one_of(random, *_LEATHERS))


class Legs:
    """Two legs in one pose.

    Attributes:
        body: the figure, or where it would stand if somebody wore them.
        worn: whether somebody does.
        outlines: the left and the right leg.
        hem: where they end, a height of the body.
    """

    def __init__(self, body: Body, cut: tuple[float, float, float], random: np.random.Generator, *, worn: bool) -> None:
        self.body, self.worn, self.hem = body, worn, random.uniform(0.9, 0.955)
        thigh, knee, hem = cut
        apart, step = max(random.uniform(0.036, 0.062), hem * 0.85 + 0.002), random.uniform(0, 0.035 if worn else 0.07)
        hip, shift = random.uniform(0.083, 0.094), random.uniform(-0.02, 0.02) * worn
        self.outlines: list[Outline] = []
        for side in (-1, 1):
            at_knee, at_hem = side * (apart + step * 0.4) + shift, side * (apart + step)
            middle = side * 0.024 + at_knee * 0.5
            rows = (
                (WAIST, side * 0.074, 0.0),
                (HIP, side * hip, 0.0),
                (CROTCH, side * max(hip, 0.042 + thigh * 0.86), 0.0),
                ((CROTCH + KNEE) / 2, middle + side * (thigh + knee) * 0.5, middle - side * (thigh + knee) * 0.46),
                (KNEE, at_knee + side * knee, at_knee - side * knee),
                (self.hem, at_hem + side * hem, at_hem - side * hem),
            )
            self.outlines.append(body.outline(*((y, min(edges), max(edges)) for y, *edges in rows)))

    def line(self, *places: Point) -> list[Point]:
        """A smooth line over the hips: -1 is the left side seam, 1 the right one; heights in shares of the body's."""
        at = np.linspace(0, len(places) - 1, 8 * len(places))
        curves = [np.interp(at, range(len(places)), values) for values in zip(*places, strict=True)]
        share, y = (np.convolve(np.pad(values, 2, "edge"), np.ones(5) / 5, "valid") for values in curves)
        ys = self.body.top + y * self.body.size
        left, right = self.outlines[0].edges(ys)[0], self.outlines[1].edges(ys)[1]
        return list(zip(((left + right + share * (right - left)) / 2).tolist(), ys.tolist(), strict=True))

    def edge(self, leg: int, start: float, end: float, inset: float, *, outer: bool = False) -> list[Point]:
        """A line along a leg's inner or outer edge, `inset` pixels within it."""
        ys = self.body.top + np.linspace(start, end, 24) * self.body.size
        left = (leg == 0) == outer
        edge = self.outlines[leg].edges(ys)[0 if left else 1] + (inset if left else -inset)
        return list(zip(edge.tolist(), ys.tolist(), strict=True))


def shoot(layer: Layer, design: Legwear, random: np.random.Generator, *, lying: bool) -> None:
    """Take a picture: somebody wears the garment, or it lies flat."""
    body = stand(random, layer.width, layer.height, crop=lying or bool(random.random() < 0.75))
    legs = Legs(body, design.cut, random, worn=not lying)
    top, sleeve, hem = dye(random).colour, float(random.choice([0.36, 0.95])), WAIST + random.uniform(0.015, 0.05)
    back, tucked = random.random(2) < (0.3, 0.6)
    if not lying:
        _feet(layer, legs, random)
    if tucked and not lying:
        upper_body(layer, body, random, top, hem=hem, sleeve=sleeve)
    for leg in random.permutation(2):
        patch = legs.outlines[leg].fill(layer)
        layer.paint(patch, *_cloth(design, legs, patch, random))
    _seams(layer, design, legs, back=bool(back))
    _waistband(layer, design, legs, random, back=bool(back))
    if not tucked and not lying:
        upper_body(layer, body, random, top, hem=hem, sleeve=sleeve)


def _feet(layer: Layer, legs: Legs, random: np.random.Generator) -> None:
    shoe, size, bottom = one_of(random, *_SHOES), legs.body.size, legs.body.at(0, legs.hem)[1]
    for outline, side in zip(legs.outlines, (-1, 1), strict=True):
        middle = float(np.mean(outline.edges(bottom)))
        foot = band(layer, (middle, bottom), (middle + 0.024 * side * size, bottom + 0.034 * size), (0.02 * size,) * 2)
        layer.paint(foot, shoe, roundness(foot, 0.3, legs.body.light))


def _cloth(design: Legwear, legs: Legs, patch: Patch, random: np.random.Generator) -> tuple[Field, Field]:
    """The colour of each pixel of a leg, and the light on it."""
    wobble = clouds(random, patch.shape, 7)
    height = (patch.y - legs.body.top) / legs.body.size
    grain = 1 + design.cloth[1] * weave(design.cloth[0], patch.shape, random) + 0.012 * wobble
    light = roundness(patch, 0.36 if legs.worn else 0.14, legs.body.light) * (1 + 0.03 * wobble)
    slope = random.uniform(-1.2, 1.2)
    for share, width, depth in ((CROTCH, 0.03, 0.05), (KNEE, 0.055, 0.06), (legs.hem - 0.03, 0.04, 0.08)):
        creases = folds(height / 0.02 + slope * patch.across + 0.5 * wobble, random, 0.6)
        light = light + depth * np.exp(-(((height - share) / width) ** 2)) * creases
    if design.denim:
        thigh, knee = (np.exp(-(((height - share) / 0.09) ** 2)) for share in (0.6, KNEE))
        worn = np.exp(-((patch.across / 0.62) ** 2)) * (0.35 + 0.65 * np.maximum(thigh, 0.8 * knee)) + 0.12 * wobble
        share = np.clip(design.fade * worn, 0, 0.9)
        colour = design.dye.colour * (1 - share) + mix(design.dye.colour, rgb(226, 232, 238), 0.85) * share
        pucker = 0.1 * soft_step(np.abs(patch.across) - 0.9, 0.12) * folds(patch.y / 7.0, random)
        return np.asarray(colour * (grain + pucker) + 0.016 * grain), light
    across, down = (
        np.cos(place * random.uniform(0.4, 0.9)) for place in (patch.across * patch.shape[1] / 3.2, patch.y)
    )
    lines = design.lines[0] * soft_step(across - 0.9, 0.15) + design.lines[1] * soft_step(down - 0.9, 0.15)
    grain = grain + (-0.18 if design.dye.colour.mean() > 0.45 else 0.28) * lines
    ironed = patch.across / 0.16
    turn = np.sign(legs.body.light) * soft_step(height - CROTCH, 0.12) * ironed * np.exp(-(ironed**2))
    return design.dye.colour * grain, np.asarray(light + 1.6 * design.fade * turn)


def _seams(layer: Layer, design: Legwear, legs: Legs, *, back: bool) -> None:
    """Draw the shade in the seams, and the threads along them that jeans have."""
    shapes = [[(side * x, WAIST + y) for x, y in seam] for seam in _SEAMS[design.denim, back] for side in (-1, 1)]
    shapes += [] if back else [[(x, WAIST + y) for x, y in _FLY]]
    dark = [legs.line(*shape) for shape in shapes] + [legs.line((0, WAIST), (0, CROTCH))]
    dark += [legs.edge(leg, CROTCH + 0.02, legs.hem, 1) for leg in (0, 1)]
    if design.denim:
        dark += [legs.edge(leg, HIP - 0.04, legs.hem, 2, outer=True) for leg in (0, 1)]
    layer.draw_lines(dark, mix(design.dye.colour, BLACK, 0.45), 1.5, 0.7)
    if design.denim:
        threads = [legs.line(*((x, y + below) for x, y in shape)) for shape in shapes for below in (0.004, 0.008)]
        for leg in (0, 1):
            threads += [
                legs.edge(leg, CROTCH + 0.03, legs.hem, 4),
                legs.edge(leg, HIP - 0.04, HIP + 0.06, 5, outer=True),
            ]
            for hem in (legs.hem - 0.008, legs.hem - 0.014):
                threads.append([legs.edge(leg, hem, hem, 0, outer=outer)[0] for outer in (False, True)])
        layer.draw_lines(threads, design.thread, 1.0, 0.9, stitched=True)


def _waistband(layer: Layer, design: Legwear, legs: Legs, random: np.random.Generator, *, back: bool) -> None:
    """The band at the top with its loops; a belt, a button or a leather label."""
    size, middle = legs.body.size, WAIST + _BAND / 2

    def strip(left: float, right: float, half: float) -> Patch:
        ends = legs.line((left, middle), (right, middle))
        return band(layer, ends[0], ends[-1], (half * size, half * size), round_ends=False)

    cloth = strip(-1, 1, _BAND / 2)
    tone = 0.95 - 0.5 * (cloth.along - 0.5) ** 2 + design.cloth[1] * weave(design.cloth[0], cloth.shape, random)
    layer.paint(cloth, design.dye.colour, tone)
    edges = [legs.line((-0.99, WAIST + y), (0.99, WAIST + y)) for y in (0.003, _BAND - 0.003)]
    layer.draw_lines(edges, design.thread, 1.0, 0.8, stitched=design.denim)
    if design.leather is not None and (back or not design.denim):
        leather = strip(0.42, 0.66, 0.0125) if design.denim else strip(-1, 1, 0.0095)
        layer.paint(leather, design.leather, 1.1 - 0.3 * np.abs(2 * leather.along - 1))
    half = 0.06 if design.denim else 0.035
    for place in (-0.72, -0.36, 0.36, 0.72):
        loop = strip(place - half, place + half, _BAND / 2)
        layer.paint(loop, design.dye.colour, 1.06 - 1.6 * (loop.along - 0.5) ** 2)
    if not back:
        layer.paint(strip(0.0, 0.09, 0.006), rgb(176, 140, 92) if design.denim else mix(design.dye.colour, BLACK, 0.45))
