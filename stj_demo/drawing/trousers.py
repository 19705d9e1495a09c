"""Trousers: smooth cloth with a crease, slanted pockets, and no stitch to be seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stj_demo.drawing.cloth import clouds, soft_step, weave
from stj_demo.drawing.figure import CROTCH
from stj_demo.drawing.layer import Field, Layer, Patch, band, ellipse
from stj_demo.drawing.legwear import Legs, crease_tone, lay_down, opening, panels, waistband, wear
from stj_demo.drawing.palette import Colour, Dye, dye, luminance, mix, rgb, vary

_CUTS = ("slim", "slim", "straight", "straight", "relaxed", "tapered", "wide", "bootcut")
_LEATHER = ((52, 38, 32), (112, 72, 44), (30, 30, 32))


@dataclass(frozen=True)
class Trousers:
    """One design of trousers."""

    dye: Dye
    cut: str
    weave: str
    roughness: float
    print: str
    pitch: float
    crease: float
    pleats: bool
    belt: Colour | None
    turn_ups: bool


def design(random: np.random.Generator) -> Trousers:
    """Think of a pair of trousers."""
    weave_name, roughness = (("wool", 0.03), ("linen", 0.05), ("silk", 0.02), ("plain", 0.015))[random.integers(4)]
    belt = vary(rgb(*_LEATHER[random.integers(len(_LEATHER))]), random) if random.random() < 0.35 else None
    return Trousers(
        dye=dye(random),
        cut=_CUTS[random.integers(len(_CUTS))],
        weave=weave_name,
        roughness=roughness * random.uniform(0.7, 1.3),
        print=("plain", "plain", "plain", "plain", "pinstripe", "check")[random.integers(6)],
        pitch=random.uniform(7, 16),
        crease=float(random.choice([0.08, 0.14, 0.2, 0.24, 0.28])),
        pleats=bool(random.random() < 0.3),
        belt=belt,
        turn_ups=bool(random.random() < 0.15),
    )


def shoot(layer: Layer, trousers: Trousers, random: np.random.Generator, *, lying: bool) -> None:
    """Take a picture of the trousers."""
    back = bool(random.random() < 0.25)
    tailor = _Tailor(trousers)
    if lying:
        lay_down(layer, random, trousers.cut, tailor.sew, back=back)
    else:
        wear(layer, random, trousers.cut, tailor.sew, back=back)


class _Tailor:
    """Sews one design onto legs."""

    def __init__(self, trousers: Trousers) -> None:
        self._trousers = trousers
        self._seam = mix(trousers.dye.colour, rgb(0, 0, 0), 0.42)

    def sew(self, layer: Layer, legs: Legs, random: np.random.Generator) -> None:
        """Paint the trousers on `legs`."""
        if not legs.worn:
            opening(layer, legs, self._trousers.dye.colour)
        for patch in panels(layer, legs, random):
            tone = crease_tone(legs, patch, random, 0.75) + self._crease(legs, patch)
            layer.paint(patch, self._cloth(patch, random), tone)
        self._seams(layer, legs)
        if legs.back:
            self._back(layer, legs)
        else:
            self._front(layer, legs)
        self._band(layer, legs, random)

    def _cloth(self, patch: Patch, random: np.random.Generator) -> Field:
        trousers = self._trousers
        tone = (
            1 + trousers.roughness * weave(trousers.weave, patch.shape, random) + 0.012 * clouds(random, patch.shape, 5)
        )
        contrast = -0.25 if luminance(trousers.dye.colour) > 0.45 else 0.4
        if trousers.print != "plain":
            place = (patch.across * 0.5 + 0.5) * (patch.shape[1] / 1.6)
            lines = soft_step(np.cos(place * 2 * np.pi / trousers.pitch) - 0.9, 0.15)
            if trousers.print == "check":
                lines = 0.6 * lines + 0.6 * soft_step(np.cos(patch.y * 2 * np.pi / (1.5 * trousers.pitch)) - 0.9, 0.15)
            tone = tone + contrast * 0.7 * lines
        return np.asarray(np.clip(trousers.dye.colour * tone + 0.01 * (tone - 1), 0, 1), np.float32)

    def _crease(self, legs: Legs, patch: Patch) -> Field:
        """The ironed line: light on one side, shade on the other."""
        place = patch.across / 0.16
        fades_in = soft_step(patch.y - legs.body.y(CROTCH), 0.12 * legs.body.size)
        turn = 1 if legs.body.light > 0 else -1
        return np.asarray(self._trousers.crease * fades_in * turn * place * np.exp(-(place**2)) * 1.6, np.float32)

    def _seams(self, layer: Layer, legs: Legs) -> None:
        middle = [legs.body.at(0, legs.rise), legs.body.at(0, CROTCH)]
        layer.draw_lines([middle], self._seam, 1.0, strength=0.6)
        inner = [legs.outline(leg, 0.5, inner=True, start=CROTCH + 0.01) for leg in (0, 1)]
        layer.draw_lines(inner, self._seam, 1.0, strength=0.4)
        if self._trousers.turn_ups:
            hems = [[legs.edge(leg, legs.hem - 0.022), legs.edge(leg, legs.hem - 0.022, inner=True)] for leg in (0, 1)]
            layer.draw_lines(hems, self._seam, 1.6, strength=0.6)

    def _front(self, layer: Layer, legs: Legs) -> None:
        """Slanted pockets, the covered fly, and sometimes pleats."""
        lines = [
            [legs.across(side * 0.66, legs.rise + 0.028), legs.across(side * 0.985, legs.rise + 0.115)]
            for side in (-1, 1)
        ]
        layer.draw_lines(lines, self._seam, 1.5, strength=0.75)
        layer.draw_lines(
            [[(x + 1.5, y + 1) for x, y in line] for line in lines],
            mix(self._trousers.dye.colour, rgb(255, 255, 255), 0.3),
            1.0,
            strength=0.4,
        )
        depth = CROTCH - legs.rise
        fly = [legs.across(x, legs.rise + y * depth) for x, y in ((0.12, 0.2), (0.12, 0.6), (0.1, 0.72), (0.02, 0.84))]
        layer.draw_lines([fly], self._seam, 1.0, strength=0.35)
        if self._trousers.pleats:
            pleats = [
                [legs.across(side * x, legs.rise + 0.028), legs.across(side * (x + 0.02), legs.rise + 0.1)]
                for side in (-1, 1)
                for x in (0.34, 0.48)
            ]
            layer.draw_lines(pleats, self._seam, 1.8, strength=0.55)

    def _back(self, layer: Layer, legs: Legs) -> None:
        """Two welted pockets, one with a button, and darts above them."""
        for side in (-1, 1):
            welt = [legs.across(side * 0.3, legs.rise + 0.078), legs.across(side * 0.76, legs.rise + 0.074)]
            layer.draw_lines([welt, [(x, y + 3.2) for x, y in welt]], self._seam, 1.3, strength=0.8)
            dart = [legs.across(side * 0.52, legs.rise + 0.028), legs.across(side * 0.53, legs.rise + 0.07)]
            layer.draw_lines([dart], self._seam, 1.0, strength=0.5)
            button = ellipse(layer, legs.across(side * 0.53, legs.rise + 0.088), (2.0, 2.0))
            layer.paint(button, mix(self._seam, rgb(255, 255, 255), 0.3))

    def _band(self, layer: Layer, legs: Legs, random: np.random.Generator) -> None:
        trousers, size = self._trousers, legs.body.size
        patch = waistband(layer, legs, 0.026)
        tone = 0.97 - 0.14 * patch.across**2 + trousers.roughness * weave(trousers.weave, patch.shape, random)
        layer.paint(patch, trousers.dye.colour, tone)
        layer.draw_lines(
            [[legs.across(-1, legs.rise + 0.026), legs.across(1, legs.rise + 0.026)]], self._seam, 1.2, strength=0.6
        )
        if trousers.belt is not None:
            belt = band(
                layer,
                legs.across(-1, legs.rise + 0.013),
                legs.across(1, legs.rise + 0.013),
                (0.0095 * size,) * 2,
                round_ends=False,
            )
            layer.paint(belt, trousers.belt, 1.1 - 0.3 * np.abs(2 * belt.along - 1))
            if not legs.back:
                buckle = [
                    legs.across(x, legs.rise + y)
                    for x, y in ((-0.09, 0.003), (0.09, 0.003), (0.09, 0.024), (-0.09, 0.024), (-0.09, 0.003))
                ]
                layer.draw_lines([buckle], rgb(200, 190, 160), 2.0)
        elif not legs.back:
            layer.draw_lines(
                [[legs.across(0.13, legs.rise), legs.across(0.13, legs.rise + 0.026)]], self._seam, 1.0, strength=0.7
            )
        for loop in (-0.68, -0.34, 0.34, 0.68):
            strip = band(
                layer,
                legs.across(loop, legs.rise - 0.001),
                legs.across(loop, legs.rise + 0.028),
                (0.0038 * size,) * 2,
                round_ends=False,
            )
            layer.paint(strip, trousers.dye.colour, 1.08 - 0.4 * strip.across**2)
