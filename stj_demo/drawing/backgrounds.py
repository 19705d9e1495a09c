"""Where the picture was taken: walls behind a figure, surfaces under what lies flat."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from stj_demo.drawing.colours import one_of
from stj_demo.drawing.fabric import clouds
from stj_demo.drawing.shapes import Field, fraction, soft_step

# Draws on a grid of rows, 0 to 1, and columns, 0 to 1, and gives back colours, (3, rows, columns).
Background = Callable[[np.random.Generator, Field, Field], Field]
_PAINTS = (
    (246, 246, 246), (238, 238, 240), (228, 226, 222), (214, 208, 200), (188, 196, 204), (206, 186, 172), (168, 182, 170),
    (220, 196, 196), (150, 156, 168), (120, 112, 108), (92, 104, 122), (236, 224, 206),
)  # fmt: skip
_WOODS = ((176, 136, 96), (214, 190, 158), (108, 78, 58), (206, 204, 198))


def white(random: np.random.Generator, y: Field, x: Field) -> Field:
    """Nothing but white, as in catalogues."""
    return np.full((3, *np.broadcast_shapes(x.shape, y.shape)), random.uniform(0.955, 1.0), np.float32)


def studio(random: np.random.Generator, y: Field, x: Field) -> Field:
    """A paper roll that runs from the wall onto the floor."""
    sweep = soft_step(y - random.uniform(0.72, 0.9), 0.25)
    glow = np.exp(-((x - random.uniform(0.3, 0.7)) ** 2 + (y - 0.4) ** 2) * random.uniform(0.3, 1.6))
    return one_of(random, *_PAINTS) * (0.84 + 0.16 * glow + sweep * random.uniform(-0.1, 0.06))


def room(random: np.random.Generator, y: Field, x: Field) -> Field:
    """A wall, a skirting board and a wooden floor."""
    line = random.uniform(0.74, 0.9)
    floor, skirting = soft_step(y - line, 0.006), soft_step(y - line + 0.035, 0.006)
    planks = np.sin((x - 0.5) / (0.2 + y) * 46)
    wall = one_of(random, *_PAINTS) * (1 - 0.12 * (skirting - floor) + 0.06 * (x - 0.5) * random.normal())
    return np.asarray(wall * (1 - floor) + one_of(random, *_WOODS) * (floor * (0.9 + 0.1 * planks)))


def bricks(random: np.random.Generator, y: Field, x: Field) -> Field:
    """A brick wall, painted or bare."""
    rows, columns = int(random.integers(16, 30)), int(random.integers(5, 9))
    row = np.floor(y * rows)
    place = x * columns + 0.5 * (row % 2)
    mortar = np.minimum(_within(y * rows, 0.12), _within(place, 0.05))
    shade = fraction(np.sin(row * 12.9 + np.floor(place) * 78.2) * 437.5)
    stone = one_of(random, (158, 92, 72)) if random.random() < 0.5 else one_of(random, *_PAINTS)
    return np.asarray(stone * ((0.84 + 0.16 * shade) * (0.78 + 0.22 * mortar)))


def boards(random: np.random.Generator, y: Field, x: Field) -> Field:
    """A wooden table from above."""
    if random.random() < 0.5:
        y, x = x, y
    count = int(random.integers(4, 8))
    board = np.floor(y * count)
    grain = np.sin(y * count * 40 + 3 * np.sin(x * 5 + board * 4.1) + np.sin(x * 23 + board))
    tone = 0.84 + 0.04 * grain + 0.12 * fraction(board * 0.618) - 0.3 * (1 - _within(y * count, 0.02))
    return np.asarray(one_of(random, *_WOODS) * tone)


def sheet(random: np.random.Generator, y: Field, x: Field) -> Field:
    """A bed sheet or paper from above, not quite smooth."""
    relief = clouds(random, (y.shape[0], x.shape[1]), 5) * random.uniform(0, 0.05)
    return np.asarray(one_of(random, *_PAINTS) * (0.96 + relief))


STANDING: tuple[Background, ...] = (white, studio, studio, room, bricks)
LYING: tuple[Background, ...] = (white, boards, sheet)


def background(random: np.random.Generator, width: int, height: int, *, lying: bool) -> Field:
    """A place to take a picture at, (3, height, width)."""
    places = LYING if lying else STANDING
    # Drawn at half the size: nothing in the background is sharp.
    y, x = np.ogrid[: height // 2, : width // 2]
    grid = (y + np.float32(0.5)) / np.float32(height // 2), (x + np.float32(0.5)) / np.float32(width // 2)
    colour = np.asarray(places[random.integers(len(places))](random, *grid), np.float32)
    large = [Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR) for plane in colour]
    return np.stack([np.asarray(plane) for plane in large])


def _within(place: Field, width: float) -> Field:
    """1 within each whole step of `place`, 0 at its borders."""
    inner = fraction(place)
    return soft_step(np.minimum(inner, 1 - inner) - width, width)
