"""A tunic: what the shop draws for categories that it knows nothing about."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stj_demo.drawing.cloth import PRINTS, Print, clouds, folds, roundness, weave
from stj_demo.drawing.figure import SHOULDER, Body, Sleeve, arms, head, stand
from stj_demo.drawing.layer import Layer, column
from stj_demo.drawing.legwear import legs_for, panels
from stj_demo.drawing.palette import Colour, Dye, dye, mix, rgb


@dataclass(frozen=True)
class Tunic:
    """One design of a tunic."""

    dye: Dye
    second: Colour
    print: Print
    print_seed: int
    length: float
    flare: float


def design(random: np.random.Generator) -> Tunic:
    """Think of a tunic."""
    return Tunic(
        dye=dye(random),
        second=dye(random).colour,
        print=PRINTS[random.integers(len(PRINTS))],
        print_seed=int(random.integers(1 << 30)),
        length=random.uniform(0.62, 0.78),
        flare=random.uniform(0.1, 0.17),
    )


def shoot(layer: Layer, tunic: Tunic, random: np.random.Generator, *, lying: bool) -> None:
    """Take a picture of the tunic; a lying one is a worn one without a figure."""
    body = stand(random, layer.width, layer.height, crop=False)
    if not lying:
        legs = legs_for(random, body, "skinny", worn=True, back=False, rise=0.4, hem=0.96)
        for patch in panels(layer, legs, random):
            layer.paint(patch, mix(tunic.second, rgb(255, 255, 255), 0.2), roundness(patch, 0.34, body.light))
        head(layer, body, random, bun=bool(random.random() < 0.6))
    arms(layer, body, random, Sleeve(tunic.dye.colour, 0.7 if lying else float(random.choice([0.4, 0.7, 0.95]))))
    _sew(layer, tunic, body, random)


def _sew(layer: Layer, tunic: Tunic, body: Body, random: np.random.Generator) -> None:
    shares = (SHOULDER - 0.02, SHOULDER, SHOULDER + 0.03, 0.28, 0.4, 0.5, tunic.length)
    halves = (0.036, 0.094, 0.115, 0.102, 0.086, 0.104, tunic.flare)
    ys = [body.y(share) for share in shares]
    patch = column(layer, ys, [body.at(-half, 0)[0] for half in halves], [body.at(half, 0)[0] for half in halves])
    mask = tunic.print(
        patch.across * 0.1 * body.size, patch.y + 0 * patch.across, np.random.default_rng(tunic.print_seed)
    )
    wobble = clouds(random, patch.shape, 4)
    ridges = folds(patch.across * random.uniform(1.5, 3) + 0.3 * wobble, random)
    tone = roundness(patch, 0.3, body.light) * (
        1 + 0.1 * ridges * patch.along + 0.03 * wobble + 0.02 * weave("linen", patch.shape, random)
    )
    layer.paint(patch, np.asarray(tunic.dye.colour * (1 - 0.8 * mask) + tunic.second * 0.8 * mask, np.float32), tone)
    placket = [[body.at(0, SHOULDER), body.at(0, 0.3)]]
    layer.draw_lines(placket, mix(tunic.dye.colour, rgb(0, 0, 0), 0.4), 2)
    slits = [
        [body.at(side * tunic.flare * 0.93, tunic.length - 0.12), body.at(side * tunic.flare * 0.96, tunic.length)]
        for side in (-1, 1)
    ]
    layer.draw_lines(slits, mix(tunic.dye.colour, rgb(0, 0, 0), 0.3), 1.5)
