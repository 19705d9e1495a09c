"""Sarees: pleats, the pallu over a shoulder, a border along every edge; and dresses, for categories nobody can draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stj_demo.drawing.colours import BLACK, WHITE, Colour, Dye, dye, mix, one_of, rgb
from stj_demo.drawing.fabric import PRINTS, Print, clouds, folds, roundness, weave
from stj_demo.drawing.figure import SHOULDER, Body, stand, torso, upper_body
from stj_demo.drawing.shapes import Field, Layer, Outline, Patch, band, fraction, soft_step

_METALS = ((206, 164, 74), (186, 142, 62), (222, 190, 110), (176, 176, 182))


@dataclass(frozen=True)
class Saree:
    """One design of a saree.

    Attributes:
        dye: the ground's colour.
        second: of the print and the border.
        zari: the gold or silver thread of the border.
        blouse: what is worn under it.
        print: what the ground shows, the same in every view by `print_seed`.
        motif: which pattern stands in the border.
        border: the border's width in shares of the body's height.
    """

    dye: Dye
    second: Colour
    zari: Colour
    blouse: Colour
    print: Print
    print_seed: int
    motif: int
    border: float


def design(random: np.random.Generator) -> Saree:
    """Think of a saree."""
    ground, zari = dye(random), one_of(random, *_METALS, amount=0.5)
    second = zari if random.random() < 0.4 else dye(random).colour
    if abs(second.mean() - ground.colour.mean()) < 0.12:
        second = mix(second, WHITE if ground.colour.mean() < 0.5 else BLACK, 0.45)
    return Saree(
        dye=ground,
        second=second,
        zari=zari,
        blouse=second if random.random() < 0.5 else dye(random).colour,
        print=PRINTS[random.integers(len(PRINTS))],
        print_seed=int(random.integers(1 << 30)),
        motif=int(random.integers(3)),
        border=random.uniform(0.028, 0.07),
    )


def shoot(layer: Layer, saree: Saree, random: np.random.Generator, *, lying: bool) -> None:
    """Take a picture: somebody wears the saree, it is folded, or it hangs over a rod."""
    shot = _Shot(layer, saree, random)
    pose = (shot.fold, shot.hang)[random.integers(2)] if lying else shot.wear
    pose()


def shoot_dress(layer: Layer, saree: Saree, random: np.random.Generator, *, lying: bool) -> None:  # noqa: ARG001 - like all
    """Take a picture of a dress: the blouse and the skirt alone, on a figure that stands or lies."""
    body = stand(random, layer.width, layer.height, crop=False)
    upper_body(layer, body, random, saree.dye.colour, hem=0.43, sleeve=random.uniform(0.2, 0.95))
    _Shot(layer, saree, random).skirt(body, random.uniform(0.75, 0.96))


def _motif(kind: int, place: Field, depth: Field) -> Field:
    """The border's pattern: two lines, and temples, lozenges or more lines between; `depth` is 0 at the cloth's edge."""
    saw = np.abs(fraction(place) - 0.5) * 2
    between = (
        soft_step(0.25 + 0.55 * saw - depth, 0.12) * soft_step(depth - 0.2, 0.08),
        soft_step(0.32 - np.abs(depth - 0.5) - 0.5 * np.abs(saw - 0.5), 0.1),
        soft_step(np.cos(depth * 22) - 0.1, 0.5),
    )[kind]
    return np.asarray(np.clip(between + soft_step(0.05 - np.abs(np.abs(depth - 0.5) - 0.38), 0.05), 0, 1))


class _Shot:
    """One picture of a saree: each method lays a part of it over what is there."""

    def __init__(self, layer: Layer, saree: Saree, random: np.random.Generator) -> None:
        self._layer, self._saree, self._random = layer, saree, random

    def wear(self) -> None:
        """From the back to the front: the pallu's loose end, the figure in its blouse, the skirt, the pallu in front."""
        layer, random = self._layer, self._random
        body = stand(random, layer.width, layer.height, crop=False)
        reach, end = random.uniform((0.15, 0.62), (0.34, 0.86))
        fall = body.outline(
            (0.178, 0.055, 0.1), (0.24, 0.05, 0.135), (0.4, 0.06, 0.6 * reach + 0.05), (end, 0.075, reach)
        )
        self._drop(fall, body.size)
        torso(layer, body, random, body.skin, 0.43)
        blouse, sleeve = random.uniform((0.3, 0.2), (0.34, 0.48))
        upper_body(layer, body, random, self._saree.blouse, hem=blouse, sleeve=sleeve)
        self.skirt(body, 0.965)
        self._sash(body)

    def skirt(self, body: Body, end: float) -> None:
        """Down to `end`, a height of the body: a fan of pleats in front; around it the cloth sweeps to one side."""
        random, (flare, sway) = self._random, self._random.uniform((0.125, -0.02), (0.19, 0.02))
        rows = ((0.385, 0.072), (0.45, 0.094), (0.55, 0.105), (end, flare))
        patch = body.outline(*((y, sway * y - half, sway * y + half) for y, half in rows)).fill(self._layer)
        hem = body.at(0, end)[1] - patch.y - (4 + 6 * patch.across**2) - 1.5 * np.sin(patch.across * 14)
        wobble = clouds(random, patch.shape, 4)
        fan = (patch.across - random.uniform(-0.25, 0.25) * (1 - 0.4 * patch.along)) / (0.16 + 0.3 * patch.along)
        front = soft_step(1 - np.abs(fan), 0.12)
        pleats = folds(fan * random.uniform(2.2, 3.4), random)
        sweep = folds(patch.across * 1.1 + patch.along * random.uniform(-2.6, 2.6) + 0.3 * wobble, random)
        tone = 1 + 0.17 * pleats * front + 0.09 * sweep * (1 - front) + 0.04 * wobble
        place = (patch.across * 0.12 * body.size + 7 * pleats * front, patch.y + 4 * sweep * (1 - front))
        self._paint(patch, place, roundness(patch, 0.34, body.light) * tone, None, hem, 0.6 * body.size)

    def _sash(self, body: Body) -> None:
        """The pallu across the chest, from the hip to the opposite shoulder."""
        random, (low, wide, narrow) = self._random, self._random.uniform((0.42, 0.07, 0.028), (0.46, 0.1, 0.05))
        widths = (wide * body.size, narrow * body.size)
        patch = band(self._layer, body.at(-0.075, low), body.at(0.082, SHOULDER), widths, round_ends=False)
        wobble = clouds(random, patch.shape, 3)
        ridges = folds(patch.across * random.uniform(1.2, 2.6) + 0.25 * wobble, random)
        side = (1 - np.abs(patch.across)) * (widths[0] * (1 - patch.along) + widths[1] * patch.along)
        place = (patch.across * widths[0], patch.along * 0.32 * body.size)
        self._paint(patch, place, 0.98 + 0.12 * ridges - 0.08 * patch.across**2, side, None, body.size)

    def hang(self) -> None:
        """Over a rod, in two lengths."""
        layer, (high, at) = self._layer, self._random.uniform((0.05, 0.4), (0.12, 0.6))
        rod, middle = layer.height * high, layer.width * at
        pole = band(layer, (-20, rod), (layer.width + 20, rod), (5, 5))
        layer.paint(pole, rgb(120, 92, 70), roundness(pole, 0.5, -0.5))
        for share, end in self._random.uniform([[0.3, 0.86], [0.17, 0.6]], [[0.38, 0.95], [0.27, 0.8]]):
            low, half = end * layer.height, share * layer.width
            lefts, rights = ([middle + side * half * wide for wide in (0.9, 0.93, 1)] for side in (-1, 1))
            self._drop(Outline([rod - 6, (rod + low) / 2, low], lefts, rights), 1.2 * layer.height)

    def fold(self) -> None:
        """Folded into a packet, its end turned over on top."""
        layer, random = self._layer, self._random
        width, height = random.uniform((0.55, 0.5), (0.78, 0.78)) * (layer.width, layer.height)
        left, top = random.uniform((0.3, 0.3), (0.7, 0.7)) * (layer.width - width, layer.height - height)
        sheets, lift = int(random.integers(3, 7)), random.uniform(3.0, 4.5)
        for sheet in range(sheets + 1):
            x, y = left + 0.35 * lift * (sheets - sheet), top + lift * (sheets - sheet)
            patch = Outline([y, y + height], [x, x], [x + width, x + width]).fill(layer)
            end = y + height - patch.y + 0 * patch.x
            tone = 0.88 + 0.14 * sheet / sheets + 0.02 * clouds(random, patch.shape, 4)
            if sheet == sheets:
                end = end - random.uniform(0.45, 0.7) * height + random.uniform(-0.5, 0.5) * patch.across * width / 2
                layer.paint(patch.only(0.5 * np.exp(-np.maximum(-end, 0) / 7) * (end < 0)), BLACK)
                patch = patch.only(np.clip(end, 0, 1))
            self._paint(patch, (patch.x, patch.y), tone, None, end, 1.3 * layer.height)

    def _drop(self, outline: Outline, size: float) -> None:
        """Cloth that hangs down, folded lengthwise, and not quite level at its end."""
        random, patch = self._random, outline.fill(self._layer)
        wobble = clouds(random, patch.shape, 3)
        ridges = folds(patch.across * random.uniform(1.4, 3.6) + 0.3 * wobble + 0.3 * patch.along, random)
        half = (outline.rights[-1] - outline.lefts[-1]) / 2
        end = (
            outline.ys[-1] - patch.y - random.uniform(0, 12) * (1 + random.choice([-1, 1]) * patch.across) - 2 * ridges
        )
        tone = 0.95 + 0.15 * ridges * (0.5 + 0.5 * patch.along) + 0.04 * wobble
        place, side = (patch.across * half + 5 * ridges, patch.y), (1 - np.abs(patch.across)) * half
        self._paint(patch.only(np.clip(end, 0, 1)), place, tone, side, end, size)

    def _paint(
        self, patch: Patch, place: tuple[Field, Field], tone: Field, side: Field | None, end: Field | None, size: float
    ) -> None:
        """Paint a piece of the saree.

        Args:
            patch: the shape that the piece has now.
            place: where on the cloth each pixel is, in pixels: across and along it.
            tone: the light on it.
            side: how far the nearer long edge is, in pixels; None is out of sight.
            end: how far the short edge is.
            size: of which the border's width is a share, in pixels.
        """
        saree, (across, run) = self._saree, np.broadcast_arrays(*place)
        mask = saree.print(across, run, np.random.default_rng(saree.print_seed)) * 0.85
        colour = saree.dye.colour * (1 - mask) + saree.second * mask
        ground = mix(saree.dye.colour, BLACK, 0.35) if np.array_equal(saree.second, saree.zari) else saree.second
        width = saree.border * size
        for along, depth, rows in ((run, side, 1), (across, end, 2)):
            if depth is not None:
                pattern = _motif(saree.motif, along / (width * 0.45), fraction(depth / width))
                inside = soft_step(rows * width - depth, 1.5)
                colour = colour * (1 - inside) + (ground * (1 - pattern) + saree.zari * pattern) * inside
        grain = 1 + 0.03 * weave("silk", patch.shape, self._random)
        self._layer.paint(patch, np.asarray(colour * grain, np.float32), np.asarray(1.3 * tone - 0.3))
