"""Jeans: twill with a grain, washed out where they are worn, topstitched, riveted and pocketed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stj_demo.drawing.cloth import clouds, folds, soft_step, weave
from stj_demo.drawing.figure import CROTCH, HIP, KNEE
from stj_demo.drawing.layer import Field, Layer, Patch, Point, band, ellipse
from stj_demo.drawing.legwear import Legs, crease_tone, lay_down, opening, panels, rows_near, waistband, wear
from stj_demo.drawing.palette import Colour, Dye, dye, mix, rgb, vary

_CUTS = ("skinny", "slim", "slim", "straight", "straight", "relaxed", "bootcut", "tapered", "wide")
_THREADS = ((206, 142, 70), (188, 120, 56), (222, 178, 112), (232, 226, 212))


@dataclass(frozen=True)
class Jeans:
    """One design of jeans."""

    dye: Dye
    cut: str
    wash: float
    whiskers: float
    thread: Colour
    rips: int
    cuffs: bool
    patch: Colour
    grain: float


def design(random: np.random.Generator) -> Jeans:
    """Think of a pair of jeans."""
    colour = dye(random, denim=True)
    own_thread = random.random() < 0.1
    return Jeans(
        dye=colour,
        cut=_CUTS[random.integers(len(_CUTS))],
        wash=float(random.choice([0.1, 0.2, 0.3, 0.45, 0.6])) + random.uniform(0, 0.1),
        whiskers=float(random.choice([0.0, 0.0, 0.12, 0.2])),
        thread=mix(colour.colour, rgb(255, 255, 255), 0.4)
        if own_thread
        else vary(rgb(*_THREADS[random.integers(len(_THREADS))]), random, 0.5),
        rips=int(random.choice([0, 0, 0, 0, 1, 2, 4])),
        cuffs=bool(random.random() < 0.2),
        patch=vary(rgb(*((150, 96, 56), (84, 58, 44), (196, 168, 132))[random.integers(3)]), random),
        grain=random.uniform(0.1, 0.15),
    )


def shoot(layer: Layer, jeans: Jeans, random: np.random.Generator, *, lying: bool) -> None:
    """Take a picture of the jeans."""
    back = bool(random.random() < 0.3)
    tailor = _Tailor(jeans)
    if lying:
        lay_down(layer, random, jeans.cut, tailor.sew, back=back)
    else:
        wear(layer, random, jeans.cut, tailor.sew, back=back, low=bool(random.random() < 0.4))


class _Tailor:
    """Sews one design onto legs."""

    def __init__(self, jeans: Jeans) -> None:
        self._jeans = jeans
        self._seam = mix(jeans.dye.colour, rgb(8, 8, 16), 0.5)

    def sew(self, layer: Layer, legs: Legs, random: np.random.Generator) -> None:
        """Paint the jeans on `legs`."""
        if not legs.worn:
            opening(layer, legs, self._jeans.dye.colour)
        for patch in panels(layer, legs, random):
            layer.paint(patch, self._denim(legs, patch, random), crease_tone(legs, patch, random))
            self._rips(layer, legs, patch, random)
        self._seams(layer, legs)
        if self._jeans.cuffs:
            self._cuffs(layer, legs, random)
        if legs.back:
            self._back(layer, legs, random)
        else:
            self._front(layer, legs)
        self._band(layer, legs, random)

    def _denim(self, legs: Legs, patch: Patch, random: np.random.Generator) -> Field:
        """Dyed twill that fades on thighs and knees, in whiskers, and along the seams."""
        jeans, size = self._jeans, legs.body.size
        middle = np.exp(-((patch.across / 0.62) ** 2))
        thigh, knee = (np.exp(-(((patch.y - legs.body.y(share)) / (0.09 * size)) ** 2)) for share in (0.6, KNEE))
        worn = middle * (0.35 + 0.65 * np.maximum(thigh, 0.8 * knee)) + 0.12 * clouds(random, patch.shape, 9)
        faded = jeans.wash * worn
        if jeans.whiskers and not legs.back:
            near = rows_near(patch, legs.body.y(CROTCH), 0.1 * size)
            y, across = patch.y[near], patch.across[near] * np.sign(patch.x - legs.body.centre)
            streaks = np.maximum(0, folds(y / (0.028 * size) + across * 0.8, random))
            faded[near] += jeans.whiskers * np.exp(-(((y - legs.body.y(CROTCH)) / (0.05 * size)) ** 2)) * streaks
        pucker = 0.1 * soft_step(np.abs(patch.across) - 0.9, 0.12) * folds(patch.y / 7.0, random)
        light = mix(jeans.dye.colour, rgb(226, 232, 238), 0.85)
        share = np.clip(faded, 0, 0.9)
        grain = 1 + jeans.grain * weave("denim", patch.shape, random) + pucker
        colour = (jeans.dye.colour * (1 - share) + light * share) * grain + 0.016 * grain
        return np.asarray(np.clip(colour, 0, 1), np.float32)

    def _seams(self, layer: Layer, legs: Legs) -> None:
        size = legs.body.size
        edge = 0.004 * size
        seams: list[Sequence[Point]] = [legs.outline(leg, edge, start=HIP - 0.04) for leg in (0, 1)]
        seams.append([legs.body.at(0, legs.rise), legs.body.at(0, CROTCH)])
        layer.draw_lines(seams, self._seam, 1.3, strength=0.7)
        inner = [legs.outline(leg, edge * 1.2, inner=True, start=CROTCH + 0.03) for leg in (0, 1)]
        hems = [
            [legs.edge(leg, legs.hem - rise, 1), legs.edge(leg, legs.hem - rise, 1, inner=True)]
            for leg in (0, 1)
            for rise in (0.008, 0.014)
        ]
        outer = [legs.outline(leg, edge * 1.8, start=HIP - 0.04, end=HIP + 0.06) for leg in (0, 1)]
        layer.draw_lines(
            [*inner, *outer, *([] if self._jeans.cuffs else hems)], self._jeans.thread, 1.0, dash=3.2, strength=0.85
        )

    def _front(self, layer: Layer, legs: Legs) -> None:
        """Scoop pockets with rivets, a coin pocket, and the fly."""
        for leg, side in ((0, -1), (1, 1)):
            scoop = [
                legs.across(side * x, legs.rise + y)
                for x, y in ((0.42, 0.03), (0.46, 0.05), (0.58, 0.068), (0.78, 0.076), (0.985, 0.074))
            ]
            smooth = _curve(scoop)
            layer.draw_lines([smooth], self._seam, 2.2, strength=0.75)
            layer.draw_lines(
                [_moved(smooth, 0, 2.5), _moved(smooth, 0, 5)], self._jeans.thread, 1.0, dash=3.2, strength=0.9
            )
            self._rivets(layer, legs, [scoop[0], scoop[-1]])
            if leg == 1:
                layer.draw_lines(
                    [[legs.across(0.62, legs.rise + 0.052), legs.across(0.86, legs.rise + 0.054)]],
                    self._jeans.thread,
                    1.0,
                    dash=3,
                    strength=0.8,
                )
        depth = CROTCH - legs.rise
        fly = [legs.across(x, legs.rise + y * depth) for x, y in ((0.2, 0.2), (0.2, 0.5), (0.16, 0.68), (0.02, 0.8))]
        layer.draw_lines([_curve(fly), _moved(_curve(fly), 2.5, 0)], self._jeans.thread, 1.0, dash=3.2, strength=0.9)

    def _back(self, layer: Layer, legs: Legs, random: np.random.Generator) -> None:
        """A yoke, and two patch pockets with their arcs."""
        yoke = [
            [legs.across(-1, legs.rise + 0.045), legs.across(0, legs.rise + 0.07), legs.across(1, legs.rise + 0.045)]
        ]
        layer.draw_lines(yoke, self._seam, 1.6, strength=0.7)
        layer.draw_lines(
            [_moved(yoke[0], 0, 2.5), _moved(yoke[0], 0, 5)], self._jeans.thread, 1.0, dash=3.2, strength=0.9
        )
        top = legs.rise + 0.078
        arc = random.uniform(-0.012, 0.02)
        for side in (-1, 1):
            corners = [
                legs.across(side * x, top + y)
                for x, y in ((0.24, 0), (0.8, -0.006), (0.78, 0.062), (0.5, 0.082), (0.26, 0.066), (0.24, 0))
            ]
            left, right = min(corners[0][0], corners[1][0]), max(corners[0][0], corners[1][0])
            pocket = band(
                layer,
                ((left + right) / 2, corners[0][1]),
                ((left + right) / 2, corners[3][1]),
                ((right - left) / 2, (right - left) / 2.3),
                round_ends=False,
            )
            layer.paint(
                pocket.only(np.float32(0.16) * np.ones(pocket.shape, np.float32)),
                mix(self._jeans.dye.colour, rgb(255, 255, 255), 0.3),
            )
            layer.draw_lines([corners], self._seam, 1.6, strength=0.7)
            inner = [
                ((x - corners[3][0]) * 0.9 + corners[3][0], (y - corners[0][1]) * 0.92 + corners[0][1] + 2.5)
                for x, y in corners
            ]
            arcs = _curve(
                [
                    legs.across(side * x, top + y)
                    for x, y in ((0.27, 0.03), (0.4, 0.03 + arc), (0.5, 0.045), (0.62, 0.03 + arc), (0.77, 0.028))
                ]
            )
            layer.draw_lines([inner, arcs, _moved(arcs, 0, 3)], self._jeans.thread, 1.0, dash=3.2, strength=0.9)

    def _band(self, layer: Layer, legs: Legs, random: np.random.Generator) -> None:
        """The waistband with loops, a button or a leather patch."""
        patch = waistband(layer, legs, 0.027)
        tone = 0.92 + self._jeans.grain * weave("denim", patch.shape, random) - 0.12 * patch.across**2
        layer.paint(patch, self._jeans.dye.colour, tone)
        low, high = legs.rise + 0.024, legs.rise + 0.004
        lines = [[legs.across(-0.99, share), legs.across(0.99, share)] for share in (low, high)]
        layer.draw_lines(lines, self._jeans.thread, 1.0, dash=3.2, strength=0.85)
        loops = (-0.72, -0.38, 0.38, 0.72) if not legs.back else (-0.8, 0.0, 0.8)
        for loop in loops:
            strip = band(
                layer,
                legs.across(loop, legs.rise - 0.002),
                legs.across(loop, legs.rise + 0.031),
                (0.0062 * legs.body.size,) * 2,
                round_ends=False,
            )
            layer.paint(strip, mix(self._jeans.dye.colour, rgb(255, 255, 255), 0.03), 1 - 0.3 * strip.across**2)
            edges = [
                _moved([legs.across(loop, legs.rise), legs.across(loop, legs.rise + 0.029)], shift, 0)
                for shift in (-2, 2)
            ]
            layer.draw_lines(edges, self._jeans.thread, 0.8, dash=2.6, strength=0.8)
        if legs.back:
            leather = band(
                layer,
                legs.across(0.42, legs.rise + 0.014),
                legs.across(0.66, legs.rise + 0.014),
                (0.0125 * legs.body.size,) * 2,
                round_ends=False,
            )
            layer.paint(leather, self._jeans.patch, 1 + 0.05 * weave("wool", leather.shape, random))
        else:
            button = ellipse(layer, legs.across(0.03, legs.rise + 0.014), (0.0085 * legs.body.size,) * 2)
            layer.paint(button, rgb(176, 140, 92), 1.15 - 0.5 * button.along)

    def _rivets(self, layer: Layer, legs: Legs, places: list[Point]) -> None:
        for place in places:
            rivet = ellipse(layer, place, (0.0035 * legs.body.size + 0.6,) * 2)
            layer.paint(rivet, rgb(186, 142, 88), 1.2 - 0.6 * rivet.along)

    def _rips(self, layer: Layer, legs: Legs, patch: Patch, random: np.random.Generator) -> None:
        """White threads across a hole."""
        for _ in range(self._jeans.rips):
            y, off = legs.body.y(random.uniform(0.58, 0.82)), random.uniform(-0.35, 0.35)
            reach, width = random.uniform(0.008, 0.022) * legs.body.size, random.uniform(0.4, 0.7)
            part = patch.rows(rows_near(patch, y, 1.5 * reach))
            near = 1 - ((part.across - off) / width) ** 2 - ((part.y - y) / reach) ** 2
            hole = soft_step(near + 0.15 * weave("plain", part.shape, random), 0.3)
            threads = 0.6 + 0.5 * np.sin(part.y * 2.1 + part.across) + 0.2 * weave("linen", part.shape, random)
            share = np.clip(threads, 0, 1)
            layer.paint(part.only(hole), self._seam * (1 - share) + rgb(236, 236, 234) * share)

    def _cuffs(self, layer: Layer, legs: Legs, random: np.random.Generator) -> None:
        """Rolled-up hems show the pale inside."""
        inside = mix(self._jeans.dye.colour, rgb(232, 234, 236), 0.6)
        for leg in (0, 1):
            (outer, low), (inner, _) = legs.edge(leg, legs.hem, -2), legs.edge(leg, legs.hem, -2, inner=True)
            middle, half = (outer + inner) / 2, abs(outer - inner) / 2
            cuff = band(layer, (middle, low - 0.032 * legs.body.size), (middle, low), (half, half), round_ends=False)
            layer.paint(cuff, inside, 0.94 - 0.25 * cuff.across**2 + 0.08 * weave("denim", cuff.shape, random))


def _curve(points: list[Point]) -> list[Point]:
    """A smooth line through points."""
    at = np.linspace(0, len(points) - 1, 8 * len(points))
    xs, ys = (np.interp(at, range(len(points)), values) for values in zip(*points, strict=True))
    kernel = np.ones(7) / 7
    padded = [np.convolve(np.pad(values, 3, "edge"), kernel, "valid") for values in (xs, ys)]
    return list(zip(*(values.tolist() for values in padded), strict=True))


def _moved(line: Sequence[Point], x: float, y: float) -> list[Point]:
    return [(px + x, py + y) for px, py in line]
