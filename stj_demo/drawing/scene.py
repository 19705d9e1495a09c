"""Where the picture was taken: studios, rooms and gardens behind a figure, and surfaces under what lies flat."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from stj_demo.drawing.cloth import clouds, soft_step
from stj_demo.drawing.layer import Field, fraction, planes
from stj_demo.drawing.palette import Colour, mix, rgb, vary

Background = Callable[[np.random.Generator, int, int], Field]
_PI2 = 2 * np.pi
_PAINTS = (
    (246, 246, 246), (238, 238, 240), (228, 226, 222), (214, 208, 200), (188, 196, 204), (206, 186, 172), (168, 182, 170),
    (220, 196, 196), (150, 156, 168), (120, 112, 108), (92, 104, 122), (236, 224, 206),
)  # fmt: skip


def studio(random: np.random.Generator, width: int, height: int) -> Field:
    """A paper roll that runs from the wall onto the floor."""
    paper = _paint(random)
    y, x = _grid(width, height)
    sweep = soft_step(y - random.uniform(0.72, 0.9), 0.25)
    glow = np.exp(-((x - random.uniform(0.3, 0.7)) ** 2 + (y - 0.4) ** 2) * random.uniform(0.3, 1.6))
    tone = 0.84 + 0.16 * glow + sweep * random.uniform(-0.1, 0.06)
    return _large(paper * tone, width, height)


def white(random: np.random.Generator, width: int, height: int) -> Field:
    """Nothing but white, as in catalogues."""
    return np.full((3, height, width), random.uniform(0.955, 1.0), np.float32)


def room(random: np.random.Generator, width: int, height: int) -> Field:
    """A wall, a skirting board and a wooden floor."""
    y, x = _grid(width, height, 2)
    line = random.uniform(0.74, 0.9)
    wall, wood = _paint(random), vary(rgb(150, 112, 78), random, 2)
    boards = np.sin((x - 0.5) / (0.2 + y) * 46) * soft_step(y - line, 0.01)
    floor = soft_step(y - line, 0.006)
    skirting = soft_step(y - line + 0.035, 0.006) - floor
    colour = wall * (1 - floor) + wood * (floor * (0.9 + 0.1 * boards))
    colour = colour * (1 - 0.12 * skirting + 0.02 * clouds(random, y.shape, 7))
    return _large(_window(colour, x, y, random), width, height)


def garden(random: np.random.Generator, width: int, height: int) -> Field:
    """Leaves out of focus, and a path."""
    y, x = _grid(width, height)
    leaf, light = vary(rgb(84, 116, 66), random, 2), vary(rgb(206, 214, 160), random, 1)
    blots = clouds(random, y.shape, 7) + 0.7 * clouds(random, y.shape, 18)
    share = np.clip(0.4 + 0.3 * blots + 0.3 * (0.5 - y), 0, 1)
    colour = leaf * (1 - share) + light * share
    path = soft_step(y - random.uniform(0.76, 0.9), 0.12)
    return _large(colour * (1 - path) + vary(rgb(186, 172, 150), random) * path * (0.95 + 0.05 * x), width, height)


def bricks(random: np.random.Generator, width: int, height: int) -> Field:
    """A brick wall, painted or bare."""
    rows, columns = int(random.integers(16, 30)), int(random.integers(5, 9))
    y, x = _grid(width, height, 2)
    row = np.floor(y * rows)
    left = x * columns + 0.5 * (row % 2)
    mortar = np.minimum(_edge(y * rows, 0.12), _edge(left, 0.05))
    stone = vary(rgb(158, 92, 72), random, 2) if random.random() < 0.5 else _paint(random)
    shade = 0.92 + 0.16 * (fraction(np.sin(row * 12.9 + np.floor(left) * 78.2) * 437.5)) - 0.08
    colour = stone * (shade * (0.78 + 0.22 * mortar))
    return _large(colour, width, height)


def street(random: np.random.Generator, width: int, height: int) -> Field:
    """Houses and sky, far away and blurred."""
    y, x = _grid(width, height)
    line = random.uniform(0.66, 0.84)
    tones = random.uniform(0.45, 0.95, (3, 1, 7)).astype(np.float32) * 0.22 + 0.52
    houses = _large(tones, x.shape[1], x.shape[0])
    ground = soft_step(y - line, 0.08)
    sky = soft_step(random.uniform(0.05, 0.3) - y, 0.25)
    colour = houses * (1 - ground) + vary(rgb(150, 148, 146), random) * ground
    return _large(colour * (1 - sky) + rgb(214, 226, 236) * sky, width, height)


def curtain(random: np.random.Generator, width: int, height: int) -> Field:
    """Cloth in even folds over the whole wall."""
    y, x = _grid(width, height, 4)
    waves = np.sin(x * random.uniform(30, 70) + 0.8 * np.sin(y * 3) + clouds(random, y.shape, 3))
    return _large(_paint(random) * (0.9 + 0.1 * waves), width, height)


def boards(random: np.random.Generator, width: int, height: int) -> Field:
    """A wooden table from above."""
    y, x = _grid(width, height, 2)
    if random.random() < 0.5:
        y, x = x, y
    count = int(random.integers(4, 8))
    board = np.floor(y * count)
    grain = np.sin(y * count * 40 + 3 * np.sin(x * 5 + board * 4.1) + np.sin(x * 23 + board))
    tone = 0.9 + 0.04 * grain + 0.12 * (fraction(board * 0.618) - 0.5) - 0.3 * (1 - _edge(y * count, 0.02))
    wood = vary(rgb(*((176, 136, 96), (214, 190, 158), (108, 78, 58), (206, 204, 198))[random.integers(4)]), random)
    return _large(wood * tone, width, height)


def sheet(random: np.random.Generator, width: int, height: int) -> Field:
    """A bed sheet or paper from above, not quite smooth."""
    rows, columns = height // 4, width // 4
    relief = clouds(random, (rows, columns), 4) * random.uniform(0, 0.04) + clouds(random, (rows, columns), 11) * 0.012
    return _large(_paint(random) * (0.96 + relief), width, height)


def marble(random: np.random.Generator, width: int, height: int) -> Field:
    """Stone with veins."""
    rows, columns = height // 3, width // 3
    veins = np.abs(clouds(random, (rows, columns), 3) + 0.35 * clouds(random, (rows, columns), 12))
    tone = (
        1
        - 0.16 * np.exp(-veins * 9) * np.clip(clouds(random, (rows, columns), 4), 0, 1)
        + 0.02 * clouds(random, (rows, columns), 6)
    )
    stone = vary(rgb(*((238, 236, 232), (72, 74, 80), (204, 196, 184))[random.integers(3)]), random, 0.5)
    return _large(stone * tone, width, height)


STANDING: tuple[Background, ...] = (white, studio, studio, room, room, garden, bricks, street, curtain)
LYING: tuple[Background, ...] = (white, boards, boards, sheet, sheet, marble)


def _paint(random: np.random.Generator) -> Colour:
    return vary(rgb(*_PAINTS[random.integers(len(_PAINTS))]), random, 0.8)


def _window(colour: Field, x: Field, y: Field, random: np.random.Generator) -> Field:
    """Sometimes the sun throws a window onto the wall."""
    if random.random() < 0.5:
        return colour
    slant = x + random.uniform(-0.6, 0.6) * y + random.uniform(-0.4, 0.1)
    pane = _edge(slant * random.uniform(2, 4), 0.1) * soft_step(0.3 - np.abs(slant - 0.3), 0.05)
    return colour * (1 + 0.14 * pane) * mix(rgb(255, 255, 255), rgb(255, 244, 224), 0.7)


def _edge(place: Field, width: float) -> Field:
    """1 within each whole step of `place`, 0 at its borders."""
    inner = fraction(place)
    return soft_step(np.minimum(inner, 1 - inner) - width, width)


def _grid(width: int, height: int, coarse: int = 8) -> tuple[Field, Field]:
    """Rows from 0 to 1 and columns from 0 to 1, on a grid that is `coarse` times smaller."""
    y, x = np.mgrid[: height // coarse, : width // coarse].astype(np.float32)
    return (y + 0.5) / y.shape[0], (x + 0.5) / x.shape[1]


def _large(colour: Field, width: int, height: int) -> Field:
    """A coarse picture at full size."""
    pixels = np.clip(colour * 255, 0, 255).astype(np.uint8).transpose(1, 2, 0)
    large = Image.fromarray(np.ascontiguousarray(pixels)).resize((width, height), Image.Resampling.BICUBIC)
    return planes(np.asarray(large))
