"""Shapes on a transparent layer: each shape knows its coverage and its own coordinates, across and along."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.interpolate import PchipInterpolator

Field = NDArray[np.floating[Any]]
Point = tuple[float, float]


@dataclass(frozen=True)
class Patch:
    """A shape within the layer.

    Attributes:
        top: first row.
        left: first column.
        cover: how much of each pixel belongs to the shape, 0 to 1, of shape (rows, columns).
        across: -1 at the shape's left edge, 1 at its right one, of the same shape.
        along: 0 at the shape's beginning, 1 at its end, of a shape that broadcasts to the same.
        x: columns' centres in pixels, (1, columns).
        y: rows' centres in pixels, (rows, 1).
    """

    top: int
    left: int
    cover: Field
    across: Field
    along: Field
    x: Field
    y: Field

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.cover.shape[0], self.cover.shape[1]

    def only(self, cover: Field) -> Patch:
        """The part of the shape that `cover` leaves."""
        return replace(self, cover=self.cover * cover)


class Layer:
    """Colours, (3, height, width), and their coverage, (height, width); shapes are painted one over the other."""

    def __init__(self, width: int, height: int) -> None:
        self.width, self.height = width, height
        self.colour: Field = np.zeros((3, height, width), np.float32)
        self.alpha: Field = np.zeros((height, width), np.float32)

    def paint(self, patch: Patch, colour: Field, tone: Field | float = 1.0) -> None:
        """Lay a shape over what is there.

        Args:
            patch: the shape.
            colour: one colour, (3, 1, 1), or one per pixel of the patch, (3, rows, columns).
            tone: the light on it, which multiplies the colour, per pixel of the patch.
        """
        rows, columns = patch.shape
        area = np.s_[patch.top : patch.top + rows, patch.left : patch.left + columns]
        below = self.colour[:, *area]
        below += patch.cover * (np.clip(colour * tone, 0, 1) - below)
        self.alpha[area] += patch.cover * (1 - self.alpha[area])

    def draw_lines(
        self, lines: Sequence[Sequence[Point]], colour: Field, width: float, strength: float, *, stitched: bool = False
    ) -> None:
        """Draw lines, runs of points in pixels, on what is painted already; `strength` is their opacity, 0 to 1."""
        # Drawn at twice the size and reduced: Pillow's own lines are jagged.
        board = Image.new("L", (self.width * 2, self.height * 2))
        pen = ImageDraw.Draw(board)
        for line in lines:
            for run in _stitches(line) if stitched else [line]:
                pen.line([(2 * x, 2 * y) for x, y in run], fill=255, width=max(1, round(2 * width)))
        cover = np.asarray(board.reduce(2), np.float32) * np.float32(strength / 255) * self.alpha
        self.colour += cover * (colour - self.colour)

    def turned(self, degrees: float) -> Layer:
        """The layer turned around its middle; corners that leave it are cut off."""
        result = Layer(self.width, self.height)
        for source, target in ((self.alpha, result.alpha), *zip(self.colour, result.colour, strict=True)):
            target[:] = Image.fromarray(source).rotate(degrees, Image.Resampling.BILINEAR)
        return result


@dataclass(frozen=True)
class Outline:
    """A shape with one left and one right edge in every row, smooth between the given heights; all in pixels.

    Attributes:
        ys: heights, growing.
        lefts: the left edge at each of them.
        rights: the right edge at each of them.
    """

    ys: Sequence[float]
    lefts: Sequence[float]
    rights: Sequence[float]

    @cached_property
    def _curves(self) -> list[PchipInterpolator]:
        return [PchipInterpolator(self.ys, edge) for edge in (self.lefts, self.rights)]

    def edges(self, y: Field | float) -> tuple[Field, Field]:
        """The left and the right edge at some heights."""
        left, right = (curve(np.clip(y, self.ys[0], self.ys[-1])).astype(np.float32) for curve in self._curves)
        return left, right

    def fill(self, layer: Layer) -> Patch:
        """The shape on a layer; what is outside is left out."""
        top = min(max(0, int(self.ys[0])), layer.height - 1)
        y = np.arange(top, max(top + 1, min(layer.height, math.ceil(self.ys[-1]))), dtype=np.float32)[:, None] + 0.5
        left, right = self.edges(y)
        first = min(max(0, int(left.min()) - 1), layer.width - 1)
        x = np.arange(first, max(first + 1, min(layer.width, int(right.max()) + 2)), dtype=np.float32)[None, :] + 0.5
        cover = np.clip(x - left + 0.5, 0, 1) * np.clip(right - x + 0.5, 0, 1)
        cover = cover * np.clip(y + 0.5 - self.ys[0], 0, 1) * np.clip(self.ys[-1] - y + 0.5, 0, 1)
        across = np.clip((2 * x - left - right) / np.maximum(right - left, 1), -1.2, 1.2)
        along = np.clip((y - self.ys[0]) / (self.ys[-1] - self.ys[0]), 0, 1)
        return Patch(top, first, cover, across, along, x, y)


def band(layer: Layer, start: Point, end: Point, widths: Point, *, round_ends: bool = True) -> Patch:
    """A strip from one point to another: an arm, a belt, or an ellipse of sorts where the points are close.

    Args:
        layer: where it will be painted.
        start: where `along` is 0.
        end: where `along` is 1.
        widths: half the strip's width at both ends, in pixels.
        round_ends: whether it ends in half circles.
    """
    way = (end[0] - start[0], end[1] - start[1])
    length = math.hypot(*way) or 1.0
    reach = max(widths) + 2
    low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
    left, top = (
        min(max(0, int(value)), side - 1) for value, side in zip(low, (layer.width, layer.height), strict=True)
    )
    x = np.arange(left, max(left + 1, min(layer.width, int(high[0]))), dtype=np.float32)[None, :] + 0.5
    y = np.arange(top, max(top + 1, min(layer.height, int(high[1]))), dtype=np.float32)[:, None] + 0.5
    forward = ((x - start[0]) * way[0] + (y - start[1]) * way[1]) / length
    sideways = ((x - start[0]) * -way[1] + (y - start[1]) * way[0]) / length
    along = np.clip(forward / length, 0, 1)
    half = widths[0] + (widths[1] - widths[0]) * along
    over = forward - along * length
    away = np.hypot(sideways, over) if round_ends else np.maximum(np.abs(sideways), np.abs(over) + half - 1)
    cover = np.clip(half - away + 0.5, 0, 1)
    return Patch(top, left, cover, np.clip(sideways / np.maximum(half, 1), -1.2, 1.2), along, x, y)


def fraction(value: Field) -> Field:
    """What is left of `value` above the next lower whole number; several times faster than ``%``."""
    return value - np.floor(value)


def soft_step(value: Field, softness: float) -> Field:
    """0 below zero, 1 above, with a slope of width `softness` between."""
    step: Field = np.clip(value / softness + 0.5, 0, 1)
    return step


def _stitches(line: Sequence[Point], length: float = 3.2) -> list[list[Point]]:
    """Cut a line into stitches of so many pixels with gaps of half of that."""
    points = np.asarray(line, float)
    reach = np.concatenate([[0], np.cumsum(np.hypot(*np.diff(points, axis=0).T))])
    starts = np.arange(0, reach[-1], length * 1.5)
    ends = np.minimum(starts + length, reach[-1])
    xs, ys = ([np.interp(side, reach, points[:, axis]).tolist() for side in (starts, ends)] for axis in (0, 1))
    return [[(x0, y0), (x1, y1)] for x0, x1, y0, y1 in zip(*xs, *ys, strict=True)]
