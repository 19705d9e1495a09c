"""Sarees: pleats below, the pallu over a shoulder, a woven border along every edge; worn, hanging, folded or fanned out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stj_demo.drawing.cloth import PRINTS, Print, clouds, folds, roundness, soft_step, weave
from stj_demo.drawing.figure import SHOULDER, WAIST, ArmPose, Body, Sleeve, arm, arms, head, stand, torso
from stj_demo.drawing.layer import Field, Layer, Patch, band, column, distance, fraction
from stj_demo.drawing.palette import Colour, Dye, dye, luminance, metal, mix, rgb

_PI2 = 2 * np.pi
# What stands between a border's two lines, from the place along it, a saw of that, and the depth from 0 to 1.
_MOTIFS: dict[str, Callable[[Field, Field, Field], Field]] = {
    "temple": lambda _, saw, depth: soft_step(0.25 + 0.55 * saw - depth, 0.12) * soft_step(depth - 0.2, 0.08),
    "lozenges": lambda _, saw, depth: soft_step(0.32 - np.abs(depth - 0.5) - 0.5 * np.abs(saw - 0.5), 0.1),
    "waves": lambda place, _, depth: soft_step(0.11 - np.abs(depth - 0.5 - 0.16 * np.sin(place * _PI2)), 0.08),
    "lines": lambda _, saw, depth: soft_step(np.cos(depth * 22) - 0.1, 0.5) + 0 * saw,
    "dots": lambda place, _, depth: soft_step(0.3 - distance(fraction(place) - 0.5, (depth - 0.5) * 1.2), 0.12),
}


@dataclass(frozen=True)
class Saree:
    """One design of a saree."""

    dye: Dye
    second: Colour
    zari: Colour
    blouse: Colour
    print: Print
    print_seed: int
    print_strength: float
    motif: str
    border: float
    weave: str
    sheen: float
    ombre: float


def design(random: np.random.Generator) -> Saree:
    """Think of a saree."""
    ground, zari = dye(random), metal(random)
    second = zari if random.random() < 0.4 else dye(random).colour
    if abs(luminance(second) - luminance(ground.colour)) < 0.12:
        second = mix(second, rgb(255, 255, 255) if luminance(ground.colour) < 0.5 else rgb(30, 20, 30), 0.45)
    return Saree(
        dye=ground,
        second=second,
        zari=zari,
        blouse=second if random.random() < 0.5 else dye(random).colour,
        print=PRINTS[random.integers(len(PRINTS))],
        print_seed=int(random.integers(1 << 30)),
        print_strength=random.uniform(0.5, 0.95),
        motif=tuple(_MOTIFS)[random.integers(len(_MOTIFS))],
        border=random.uniform(0.028, 0.07),
        weave=str(random.choice(["silk", "linen", "plain"])),
        sheen=random.uniform(0.03, 0.16),
        ombre=float(random.choice([0, 0, 0, 0.6, 0.9])),
    )


def shoot(layer: Layer, saree: Saree, random: np.random.Generator, *, lying: bool) -> None:
    """Take a picture of the saree."""
    weaver = _Weaver(saree)
    if not lying:
        _Draper(weaver, layer, stand(random, layer.width, layer.height, crop=False), random).wear()
        return
    (_fold, _fan, _hang)[random.integers(3)](layer, weaver, random)


class _Weaver:
    """Gives cloth of one design its colours."""

    def __init__(self, saree: Saree) -> None:
        self.saree = saree

    def ground(self, x: Field, y: Field, fade: Field | float, random: np.random.Generator) -> Field:
        """The body of the saree at places of the cloth, in pixels; `fade` 0 to 1 is how far an ombré has come."""
        saree = self.saree
        x, y = np.broadcast_arrays(x, y)
        mask = saree.print(x, y, np.random.default_rng(saree.print_seed)) * saree.print_strength
        share = np.clip(np.asarray(fade, np.float32) * saree.ombre, 0, 1)
        base = saree.dye.colour * (1 - share) + saree.second * share if saree.ombre else saree.dye.colour
        colour = base * (1 - mask) + saree.second * mask
        return np.asarray(colour * (1 + 0.03 * weave(saree.weave, mask.shape, random)), np.float32)

    def trim(self, colour: Field, run: Field, depth: Field, width: float) -> Field:
        """Weave a border into `colour`, and give it back.

        Args:
            colour: the cloth so far.
            run: how far along the border, in pixels.
            depth: how far from the edge, in pixels.
            width: the border's width in pixels.
        """
        saree = self.saree
        run, depth = np.broadcast_arrays(run, depth)
        area = _extent(depth < width + 1)
        run, depth = run[area], depth[area]
        inside = soft_step(width - depth, 1.5)
        pattern = self.motif(run, depth / width, width)
        woven = saree.second * (1 - pattern) + saree.zari * pattern
        if np.array_equal(saree.second, saree.zari):
            woven = mix(saree.dye.colour, rgb(20, 10, 20), 0.35) * (1 - pattern) + saree.zari * pattern
        ground = colour[:, *area]
        ground += inside * (woven - ground)
        return colour

    def motif(self, run: Field, depth: Field, width: float) -> Field:
        """The border's pattern; `depth` is 0 at the edge of the cloth and 1 where the border ends."""
        place = run / (width * 0.55)
        saw = np.abs(fraction(place) - 0.5) * 2
        lines = soft_step(0.05 - np.abs(np.abs(depth - 0.5) - 0.38), 0.05)
        return np.asarray(np.clip(lines + _MOTIFS[self.saree.motif](place, saw, depth), 0, 1), np.float32)

    def end_piece(self, colour: Field, run: Field, left: Field, width: float) -> Field:
        """The pallu's rich end: bands of zari, `left` pixels before the cloth ends."""
        run, left = np.broadcast_arrays(run, left)
        area = _extent(left < width * 2.4 + 1)
        run, left = run[area], left[area]
        bands = soft_step(np.cos(left * _PI2 / (width * 0.62)) - 0.15, 0.3)
        rich = self.motif(run, fraction(left / width), width)
        share = np.clip(0.75 * bands + 0.5 * rich, 0, 1) * soft_step(width * 2.4 - left, 2)
        ground = colour[:, *area]
        ground += share * (self.saree.zari - ground)
        return colour


class _Draper:
    """Drapes a saree around a figure."""

    def __init__(self, weaver: _Weaver, layer: Layer, body: Body, random: np.random.Generator) -> None:
        self._weaver, self._layer, self._body, self._random = weaver, layer, body, random
        self._border = weaver.saree.border * body.size

    def wear(self) -> None:
        """From the back to the front: pallu behind, blouse, skirt, pallu in front."""
        layer, body, random = self._layer, self._body, self._random
        style = random.choice(["shoulder", "open", "front"], p=[0.5, 0.3, 0.2])
        blouse = self._weaver.saree.blouse
        sleeve = Sleeve(blouse, float(random.choice([0.2, 0.32, 0.48])))
        if style != "front":
            self._fall(open_wide=style == "open")
        torso(layer, body, body.skin, random, WAIST + 0.03, 0.07)
        torso(layer, body, blouse, random, random.uniform(0.3, 0.34), 0.07)
        if style == "open":
            arm(layer, body, -1, sleeve, ArmPose(random.uniform(0, 0.9), random.uniform(0, 0.05)))
            arm(layer, body, 1, sleeve, ArmPose(0.0, random.uniform(0.06, 0.11)))
        else:
            arms(layer, body, random, sleeve)
        head(layer, body, random, bun=bool(random.random() < 0.7))
        self._skirt()
        if style == "front":
            self._front_pallu()
        else:
            self._sash()

    def _skirt(self) -> None:
        body, random = self._body, self._random
        flare, sway = random.uniform(0.125, 0.19), random.uniform(-0.02, 0.02)
        halves = (0.072, 0.094, 0.105, 0.5 * (0.105 + flare), flare)
        ys = [body.y(share) for share in (0.385, 0.45, 0.55, 0.75, 0.965)]
        lefts, rights = (
            [body.at(side * half + sway * rank / 4, 0)[0] for rank, half in enumerate(halves)] for side in (-1, 1)
        )
        patch = column(self._layer, ys, lefts, rights)
        hem = body.y(0.965) - patch.y - (4 + 6 * patch.across**2) - 1.5 * np.sin(patch.across * 14)
        patch = patch.only(np.clip(hem, 0, 1))
        wobble = clouds(random, patch.shape, 4)
        start = random.uniform(-0.25, 0.25)
        fan = (patch.across - start * (1 - 0.4 * patch.along)) / (0.16 + 0.3 * patch.along)
        front = soft_step(1 - np.abs(fan), 0.12)
        pleats = folds(fan * random.uniform(2.2, 3.4), random, 0.9)
        sweep = folds(
            patch.across * 1.1 + int(random.choice([-1, 1])) * patch.along * random.uniform(1.2, 2.6) + 0.3 * wobble,
            random,
        )
        tone = roundness(patch, 0.34, body.light) * (
            1 + 0.17 * pleats * front + 0.09 * sweep * (1 - front) + 0.04 * wobble
        )
        across = patch.across * 0.12 * body.size + 7 * pleats * front
        colour = self._weaver.ground(across, patch.y + 4 * sweep * (1 - front), patch.along, random)
        colour = self._weaver.trim(colour, across, hem, self._border)
        self._paint(patch, colour, tone)

    def _sash(self) -> None:
        """The pallu across the chest, from the hip to the opposite shoulder."""
        body, random, size = self._body, self._random, self._body.size
        start, end = body.at(-0.075, random.uniform(0.42, 0.46)), body.at(0.082, SHOULDER + 0.004)
        widths = (random.uniform(0.07, 0.1) * size, random.uniform(0.028, 0.05) * size)
        patch = band(self._layer, start, end, widths, random.uniform(-0.03, 0.01) * size, round_ends=False)
        wobble = clouds(random, patch.shape, 3)
        ridges = folds(patch.across * random.uniform(1.2, 2.6) + 0.25 * wobble, random, 0.9)
        run = patch.along * 0.32 * size
        colour = self._weaver.ground(patch.across * widths[0], run, 0.5, random)
        for side in (-1, 1):
            colour = self._weaver.trim(
                colour,
                run,
                (1 - side * patch.across) * (widths[0] * (1 - patch.along) + widths[1] * patch.along),
                self._border * 0.8,
            )
        self._paint(patch, colour, 0.98 + 0.12 * ridges + 0.04 * wobble - 0.08 * patch.across**2)

    def _fall(self, *, open_wide: bool) -> None:
        """The pallu behind the shoulder, down to the knee."""
        body, random, size = self._body, self._random, self._body.size
        end = random.uniform(0.62, 0.86)
        reach = random.uniform(0.27, 0.34) if open_wide else random.uniform(0.15, 0.21)
        shares = (SHOULDER - 0.002, 0.24, 0.4, end)
        ys = [body.y(share) for share in shares]
        patch = column(
            self._layer,
            ys,
            [body.at(x, 0)[0] for x in (0.055, 0.05, 0.06, 0.075)],
            [body.at(x, 0)[0] for x in (0.1, 0.135, 0.6 * reach + 0.05, reach)],
        )
        slant = patch.only(np.clip(body.y(end) - patch.y - (1 - patch.across) * random.uniform(0, 18), 0, 1))
        self._loose_end(slant, 0.5 * reach * size, random.uniform(1.6, 3.2), body.y(end))

    def _front_pallu(self) -> None:
        """The pallu from behind, over a shoulder and open across the front."""
        body, random = self._body, self._random
        end = random.uniform(0.58, 0.74)
        ys = [body.y(share) for share in (SHOULDER - 0.004, 0.27, 0.42, end)]
        patch = column(
            self._layer,
            ys,
            [body.at(x, 0)[0] for x in (-0.105, -0.085, -0.075, -0.07)],
            [body.at(x, 0)[0] for x in (-0.03, 0.06, 0.115, 0.15)],
        )
        slant = patch.only(np.clip(body.y(end) - patch.y - (1 + patch.across) * random.uniform(0, 20), 0, 1))
        self._loose_end(slant, 0.1 * body.size, random.uniform(1.4, 2.4), body.y(end))

    def _loose_end(self, patch: Patch, half: float, pitch: float, end: float) -> None:
        random = self._random
        wobble = clouds(random, patch.shape, 3)
        ridges = folds(patch.across * pitch + 0.3 * wobble + 0.3 * patch.along, random, 0.9)
        across = patch.across * half + 5 * ridges
        colour = self._weaver.ground(across, patch.y, 1 - patch.along, random)
        colour = self._weaver.end_piece(colour, across, end - patch.y, self._border)
        for side in (-1, 1):
            colour = self._weaver.trim(colour, patch.y, (1 - side * patch.across) * half, self._border * 0.7)
        self._paint(patch, colour, 0.95 + 0.15 * ridges + 0.04 * wobble)

    def _paint(self, patch: Patch, colour: Field, tone: Field) -> None:
        shine = 1 + self._weaver.saree.sheen * np.maximum(0, tone - 1) * 4
        self._layer.paint(patch, np.asarray(np.clip(colour * shine, 0, 1), np.float32), np.asarray(tone, np.float32))


def _whole(layer: Layer) -> tuple[Field, Field]:
    """Columns' and rows' centres of the whole layer."""
    x = np.arange(layer.width, dtype=np.float32)[None, :] + 0.5
    y = np.arange(layer.height, dtype=np.float32)[:, None] + 0.5
    return x, y


def _patch(x: Field, y: Field, cover: Field) -> Patch:
    empty = np.zeros_like(cover)
    return Patch(0, 0, np.asarray(cover, np.float32), empty, empty, x, y)


def _fold(layer: Layer, weaver: _Weaver, random: np.random.Generator) -> None:
    """Folded into a packet, its end piece turned over on top."""
    x, y = _whole(layer)
    width, height = layer.width * random.uniform(0.55, 0.78), layer.height * random.uniform(0.5, 0.78)
    left, top = (
        (layer.width - width) / 2 + random.uniform(-12, 12),
        (layer.height - height) / 2 + random.uniform(-16, 16),
    )
    sheets = int(random.integers(3, 7))
    border = weaver.saree.border * layer.height * 1.3
    for sheet in range(sheets):
        lift = (sheets - 1 - sheet) * random.uniform(3.0, 4.5)
        dx, dy = x - left - lift * 0.35, y - top - lift
        cover = _box(dx, dy, width, height)
        tone = (
            0.86
            + 0.14 * sheet / sheets
            + 0.02 * clouds(random, layer.alpha.shape, 4)
            - 0.25 * np.exp(-(height - dy) / 5) * (sheet < sheets - 1)
        )
        colour = weaver.trim(weaver.ground(dx, dy, 0.0, random), dx, height - dy, border)
        layer.paint(_patch(x, y, cover), colour, np.asarray(tone, np.float32))
    share = random.uniform(0.3, 0.55)
    slope = random.uniform(-0.5, 0.5)
    dx, dy = x - left, y - top
    edge = share * height + slope * (dx - width / 2) - dy
    flap = _box(dx, dy, width, height) * np.clip(edge, 0, 1)
    colour = weaver.end_piece(weaver.ground(dx, dy, 1.0, random), dx, edge, border)
    shade = _box(dx, dy, width, height) * np.exp(-np.maximum(-edge, 0) / 7) * (edge < 0) * 0.5
    layer.paint(_patch(x, y, shade), rgb(16, 12, 16))
    layer.paint(_patch(x, y, flap), colour, np.asarray(1.02 + 0.03 * clouds(random, layer.alpha.shape, 3), np.float32))


def _fan(layer: Layer, weaver: _Weaver, random: np.random.Generator) -> None:
    """Pleated and spread out like a fan."""
    x, y = _whole(layer)
    foot_x, foot_y = layer.width * random.uniform(0.35, 0.65), layer.height * random.uniform(0.9, 1.02)
    dx, dy = x - foot_x, foot_y - y
    away, angle = distance(dx, dy), np.arctan2(dx, np.maximum(dy, 1))
    reach, spread = layer.height * random.uniform(0.72, 0.86), random.uniform(0.42, 0.66)
    count = int(random.integers(7, 15))
    phase = angle / spread * count / 2
    tip = reach + 5 * np.cos(phase * _PI2)
    cover = (
        np.clip(tip - away, 0, 1)
        * np.clip((spread - np.abs(angle)) * away + 0.5, 0, 1)
        * np.clip(away - reach * 0.1, 0, 1)
    )
    ridges = folds(phase, random, 0.9)
    run = angle * reach
    colour = weaver.ground(run, away, 1 - away / reach, random)
    colour = weaver.trim(colour, run, tip - away, weaver.saree.border * layer.height * 1.4)
    tone = 0.94 + 0.17 * ridges + 0.03 * clouds(random, layer.alpha.shape, 5)
    layer.paint(_patch(x, y, cover), colour, np.asarray(tone, np.float32))
    knot = band(
        layer,
        (foot_x - 0.07 * layer.width, foot_y - reach * 0.13),
        (foot_x + 0.07 * layer.width, foot_y - reach * 0.13),
        (9, 9),
    )
    layer.paint(knot, weaver.saree.zari, roundness(knot, 0.4, 0.3))


def _hang(layer: Layer, weaver: _Weaver, random: np.random.Generator) -> None:
    """Over a rod, in two lengths."""
    rod = layer.height * random.uniform(0.05, 0.12)
    border = weaver.saree.border * layer.height * 1.2
    pole = band(layer, (-20, rod), (layer.width + 20, rod), (5, 5))
    layer.paint(pole, rgb(120, 92, 70), roundness(pole, 0.5, -0.5))
    middle = layer.width * random.uniform(0.46, 0.54)
    for share, end in (
        (random.uniform(0.3, 0.38), random.uniform(0.86, 0.95)),
        (random.uniform(0.17, 0.27), random.uniform(0.6, 0.8)),
    ):
        half, low = share * layer.width, end * layer.height
        drift = random.uniform(-0.08, 0.08) * layer.width
        ys = [rod - 6, rod + 30, (rod + low) / 2, low]
        patch = column(
            layer,
            ys,
            [middle + drift - half * k for k in (0.9, 0.88, 0.95, 1)],
            [middle + drift + half * k for k in (0.9, 0.88, 0.95, 1)],
        )
        wobble = clouds(random, patch.shape, 3)
        ridges = folds(patch.across * random.uniform(2, 4.5) + 0.3 * wobble, random, 0.9)
        hem = low - patch.y - 4 - 3 * ridges
        across = patch.across * half + 6 * ridges
        colour = weaver.end_piece(weaver.ground(across, patch.y, 1 - patch.along, random), across, hem, border)
        for side in (-1, 1):
            colour = weaver.trim(colour, patch.y, (1 - side * patch.across) * half, border * 0.7)
        tone = (
            0.93
            + 0.16 * ridges * (0.4 + 0.6 * patch.along)
            + 0.04 * wobble
            + 0.1 * np.exp(-((patch.y - rod) ** 2) / 60)
        )
        layer.paint(patch.only(np.clip(hem, 0, 1)), colour, np.asarray(tone, np.float32))


def _extent(mask: NDArray[np.bool_]) -> tuple[slice, slice]:
    """The smallest rectangle around what is true."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return np.s_[:0, :0]
    return np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _box(x: Field, y: Field, width: float, height: float) -> Field:
    """Coverage of a rectangle whose corner is at 0, 0."""
    across, down = np.minimum(x, width - x), np.minimum(y, height - y)
    return np.asarray(np.clip(across + 0.5, 0, 1) * np.clip(down + 0.5, 0, 1), np.float32)
