"""Shapes on a transparent layer: each shape knows its coverage and its own coordinates, across and along."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

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
        return Patch(self.top, self.left, self.cover * cover, self.across, self.along, self.x, self.y)

    def rows(self, rows: slice) -> Patch:
        """Some rows of the shape."""
        along = self.along[rows]
        return Patch(self.top + rows.start, self.left, self.cover[rows], self.across[rows], along, self.x, self.y[rows])


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
            tone: light that falls on it, per pixel of the patch.
        """
        rows, columns = patch.shape
        if not rows or not columns:
            return
        area = np.s_[patch.top : patch.top + rows, patch.left : patch.left + columns]
        ground = self.colour[:, *area]
        ground += patch.cover * (colour * tone - ground)
        self.alpha[area] += patch.cover * (1 - self.alpha[area])

    def draw_lines(
        self,
        lines: Sequence[Sequence[Point]],
        colour: Field,
        width: float = 1.0,
        dash: float = 0,
        strength: float = 1.0,
    ) -> None:
        """Draw thin lines on what is painted already.

        Args:
            lines: runs of points in pixels.
            colour: three values.
            width: in pixels.
            dash: length of stitches in pixels; 0 draws unbroken lines.
            strength: how much of the ground they hide.
        """
        places = np.concatenate([np.asarray(line) for line in lines])
        reach = width + 1
        left, top = (int(max(0, low - reach)) for low in places.min(0))
        right, bottom = (
            int(min(limit, high + reach + 1))
            for limit, high in zip((self.width, self.height), places.max(0), strict=True)
        )
        if right <= left or bottom <= top:
            return
        board = Image.new("L", ((right - left) * 2, (bottom - top) * 2))
        pen = ImageDraw.Draw(board)
        for line in lines:
            for run in stitches(line, dash) if dash else [line]:
                pen.line([(2 * (x - left), 2 * (y - top)) for x, y in run], fill=255, width=max(1, round(2 * width)))
        area = np.s_[top:bottom, left:right]
        cover = np.asarray(board.reduce(2), np.float32) * np.float32(strength / 255) * self.alpha[area]
        ground = self.colour[:, *area]
        ground += cover * (colour - ground)


def stitches(line: Sequence[Point], dash: float) -> list[list[Point]]:
    """Cut a line into stitches with gaps of half their length."""
    points = np.asarray(line, float)
    lengths = np.hypot(*np.diff(points, axis=0).T)
    reach = np.concatenate([[0], np.cumsum(lengths)])
    starts = np.arange(0, reach[-1], dash * 1.5)
    ends = np.minimum(starts + dash, reach[-1])
    xs, ys = ([np.interp(side, reach, points[:, axis]).tolist() for side in (starts, ends)] for axis in (0, 1))
    return [[(x0, y0), (x1, y1)] for x0, x1, y0, y1 in zip(*xs, *ys, strict=True)]


def planes(pixels: NDArray[np.uint8]) -> Field:
    """A picture's bytes, (rows, columns, n), as n planes of 0 to 1, (n, rows, columns)."""
    result: Field = np.ascontiguousarray(pixels.transpose(2, 0, 1)) * np.float32(1 / 255)
    return result


def fraction(value: Field) -> Field:
    """What is left of `value` above the next lower whole number; several times faster than ``%``."""
    return value - np.floor(value)


def distance(across: Field, down: Field) -> Field:
    """The length of the way; several times faster than `numpy.hypot`, which fears overflow."""
    return np.sqrt(across * across + down * down)


def spline(at: Field, xs: Sequence[float], ys: Sequence[float]) -> Field:
    """A smooth curve through points (cubic Hermite with the slopes of Catmull and Rom), straight on beyond the ends."""
    knots, values = np.asarray(xs, np.float32), np.asarray(ys, np.float32)
    slopes = np.gradient(values, knots)
    part = np.clip(np.searchsorted(knots, at, "right") - 1, 0, len(knots) - 2)
    step = np.diff(knots)[part]
    t = np.clip((at - knots[part]) / step, 0, 1)
    rise = values[part + 1] - values[part]
    bend = t * t * (3 - 2 * t)
    curve = values[part] + rise * bend + step * t * (1 - t) * ((1 - t) * slopes[part] - t * slopes[part + 1])
    return np.asarray(curve, np.float32)


def column(layer: Layer, ys: Sequence[float], lefts: Sequence[float], rights: Sequence[float]) -> Patch:
    """A shape with one left and one right edge in every row, smooth between the given heights.

    Args:
        layer: where it will be painted; what is outside is left out.
        ys: heights in pixels, growing.
        lefts: the left edge at each of them.
        rights: the right edge at each of them.
    """
    rows = np.arange(max(0, int(ys[0])), min(layer.height, int(np.ceil(ys[-1]))), dtype=np.float32)
    y = rows + 0.5
    left, right = (spline(y, ys, edge)[:, None] for edge in (lefts, rights))
    first = max(0, int(left.min(initial=layer.width)) - 1)
    last = max(first, min(layer.width, int(right.max(initial=0)) + 2))
    x = np.arange(first, last, dtype=np.float32)[None, :] + 0.5
    cover = np.clip(x - left + 0.5, 0, 1) * np.clip(right - x + 0.5, 0, 1)
    cover *= (np.clip(rows + 1 - ys[0], 0, 1) * np.clip(ys[-1] - rows, 0, 1))[:, None]
    across = np.clip((2 * x - left - right) / np.maximum(right - left, 1), -1.2, 1.2)
    along = np.clip((y - ys[0]) / (ys[-1] - ys[0]), 0, 1)[:, None]
    return Patch(
        int(rows[0]) if len(rows) else 0,
        first,
        cover.astype(np.float32),
        across.astype(np.float32),
        along.astype(np.float32),
        x,
        y[:, None],
    )


def band(
    layer: Layer, start: Point, end: Point, widths: tuple[float, float], bend: float = 0.0, *, round_ends: bool = True
) -> Patch:
    """A strip from one point to another: an arm, a sash.

    Args:
        layer: where it will be painted.
        start: where `along` is 0.
        end: where `along` is 1.
        widths: half the strip's width at both ends, in pixels.
        bend: how far the middle swings to the right of the way, in pixels.
        round_ends: whether it ends in half circles.
    """
    way = (end[0] - start[0], end[1] - start[1])
    length = math.hypot(*way) or 1.0
    reach = max(widths) + abs(bend) + 2
    low, high = np.minimum(start, end) - reach, np.maximum(start, end) + reach
    left, top = (max(0, int(value)) for value in low)
    right, bottom = max(left, min(layer.width, int(high[0]))), max(top, min(layer.height, int(high[1])))
    x = np.arange(left, right, dtype=np.float32)[None, :] + 0.5
    y = np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5
    forward = ((x - start[0]) * way[0] + (y - start[1]) * way[1]) / length
    sideways = ((x - start[0]) * -way[1] + (y - start[1]) * way[0]) / length
    along = np.clip(forward / length, 0, 1)
    half = widths[0] + (widths[1] - widths[0]) * along
    sideways = sideways - bend * 4 * along * (1 - along)
    over = forward - along * length
    away = distance(sideways, over) if round_ends else np.abs(sideways)
    cover = np.clip(half - away + 0.5, 0, 1)
    if not round_ends:
        cover = cover * np.clip(1.5 - np.abs(over), 0, 1)
    across = np.clip(sideways / np.maximum(half, 1), -1.2, 1.2)
    return Patch(top, left, cover.astype(np.float32), across.astype(np.float32), along.astype(np.float32), x, y)


def ellipse(layer: Layer, centre: Point, radii: Point) -> Patch:
    """An upright ellipse."""
    left, top = (max(0, int(c - r - 1)) for c, r in zip(centre, radii, strict=True))
    right = max(left, min(layer.width, int(centre[0] + radii[0] + 2)))
    bottom = max(top, min(layer.height, int(centre[1] + radii[1] + 2)))
    x = np.arange(left, right, dtype=np.float32)[None, :] + 0.5
    y = np.arange(top, bottom, dtype=np.float32)[:, None] + 0.5
    across, down = (x - centre[0]) / radii[0], (y - centre[1]) / radii[1]
    cover = np.clip((1 - distance(across, down)) * min(radii) + 0.5, 0, 1)
    return Patch(
        top,
        left,
        cover.astype(np.float32),
        np.broadcast_to(across, cover.shape).astype(np.float32),
        ((down + 1) / 2).astype(np.float32),
        x,
        y,
    )
