"""What cloth looks like from near: weaves as tiles, prints as functions of a place, and how light falls on folds."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

from stj_demo.drawing.layer import Field, Patch, distance, fraction

_TILE = 768
_PI2 = np.float32(2 * np.pi)


def clouds(random: np.random.Generator, shape: tuple[int, ...], cells: float = 6) -> Field:
    """Smooth noise around 0 with a deviation near 1, of `shape` (rows, columns); `cells` blots fit into the longer side."""
    rows, columns = shape
    if not rows or not columns:
        return np.zeros((rows, columns), np.float32)
    scale = cells / max(rows, columns)
    coarse = random.standard_normal((max(2, round(rows * scale)) + 1, max(2, round(columns * scale)) + 1)).astype(
        np.float32
    )
    return np.asarray(Image.fromarray(coarse).resize((columns, rows), Image.Resampling.BICUBIC), np.float32)


def soft_step(value: Field, softness: float) -> Field:
    """0 below zero, 1 above, with a slope of width `softness` between."""
    step: Field = np.clip(value / softness + 0.5, 0, 1)
    return step


def weave(name: str, shape: tuple[int, ...], random: np.random.Generator) -> Field:
    """A piece of a weave, around 0 with values near ±1, cut out at random."""
    tile: Field = _tile(name)
    top, left = random.integers(0, [_TILE - min(shape[0], _TILE) + 1, _TILE - min(shape[1], _TILE) + 1])
    return tile[top : top + shape[0], left : left + shape[1]]


@cache
def _tile(name: str) -> Field:
    random = np.random.default_rng(list(name.encode()))
    noise = random.standard_normal((_TILE, _TILE)).astype(np.float32)
    y, x = np.mgrid[:_TILE, :_TILE].astype(np.float32)
    if name == "denim":
        twill = np.sin((x + y) * _PI2 / 3.4)
        return _even(1.0 * twill + 0.55 * _smeared(noise, 0, 3) + 0.6 * noise)
    if name == "linen":
        return _even(_smeared(noise, 7, 0) + _smeared(noise[::-1, ::-1].T, 0, 7) + 0.25 * noise)
    if name == "wool":
        return _even(_smeared(noise, 1, 1))
    if name == "silk":
        return _even(_smeared(noise, 0, 12))
    return _even(noise)


def _smeared(noise: Field, across: int, down: int) -> Field:
    """Noise averaged over a few pixels in either direction, back at a deviation of 1."""
    smeared = sum(np.roll(noise, (i, j), (0, 1)) for i in range(-down, down + 1) for j in range(-across, across + 1))
    return _even(np.asarray(smeared, np.float32))


def _even(field: Field) -> Field:
    return np.asarray((field - field.mean()) / field.std(), np.float32)


def roundness(patch: Patch, depth: float, light: float) -> Field:
    """Light on something round: darker towards the edges, and on the side away from the light.

    Args:
        patch: the shape.
        depth: how dark the edges are, 0 to 1.
        light: where the light comes from, -1 left to 1 right.
    """
    return np.asarray(1 - depth * patch.across**2 + 0.5 * depth * light * patch.across, np.float32)


def folds(place: Field, random: np.random.Generator, sharpness: float = 0.6) -> Field:
    """Light on folds that run along `place` being constant, a phase in turns; around 0, within ±1."""
    phase = place * _PI2 + np.float32(random.uniform(0, 6.28))
    return np.asarray(np.sin(phase + sharpness * np.sin(phase)), np.float32)


def blurred(field: Field, radius: float, shift: tuple[int, int]) -> Field:
    """The field seen without glasses, moved by `shift` to the right and down; `radius` and `shift` in pixels."""
    picture = Image.fromarray((field * 255).astype(np.uint8))
    moved = Image.new("L", picture.size)
    moved.paste(picture, shift)
    small = moved.reduce(8).filter(ImageFilter.GaussianBlur(radius / 8))
    return np.asarray(small.resize(picture.size, Image.Resampling.BILINEAR), np.float32) / 255


Print = Callable[[Field, Field, np.random.Generator], Field]


def stripes(x: Field, y: Field, random: np.random.Generator) -> Field:
    """Stripes along the cloth or across it."""
    place, pitch = (x, random.uniform(9, 26)) if random.random() < 0.5 else (y, random.uniform(12, 40))
    return soft_step(np.cos(place * _PI2 / pitch) - random.uniform(0.2, 0.85), 0.3)


def checks(x: Field, y: Field, random: np.random.Generator) -> Field:
    """Two sets of stripes that cross."""
    pitch, width = random.uniform(16, 44), random.uniform(0.6, 0.92)
    upright, level = (soft_step(np.cos(place * _PI2 / pitch) - width, 0.15) for place in (x, y))
    return np.maximum(upright, level) * 0.6 + upright * level * 0.4


def buttas(x: Field, y: Field, random: np.random.Generator) -> Field:
    """Small woven drops, row against row."""
    pitch, size = random.uniform(18, 40), random.uniform(0.16, 0.3)
    row = np.floor(y / pitch)
    left = x / pitch + 0.5 * (row % 2)
    dx, dy = fraction(left) - 0.5, y / pitch - row - 0.5
    return soft_step(size - distance(dx * (1.5 + dy * 1.6), dy), 3 / pitch)


def bandhani(x: Field, y: Field, random: np.random.Generator) -> Field:
    """Rings of tie and dye."""
    pitch = random.uniform(10, 18)
    row = np.floor(y / pitch)
    left = x / pitch + 0.5 * (row % 2)
    away = distance(fraction(left) - 0.5, y / pitch - row - 0.5)
    return soft_step(0.1 - np.abs(away - 0.24), 2 / pitch)


def leheriya(x: Field, y: Field, random: np.random.Generator) -> Field:
    """Diagonal waves."""
    pitch, slope = random.uniform(16, 36), float(random.choice([-1.0, 1.0])) * random.uniform(0.6, 1.4)
    place = x + slope * y + 4 * np.sin(y * _PI2 / 60)
    return soft_step(np.cos(place * _PI2 / pitch) - random.uniform(0.0, 0.5), 0.3)


def ikat(x: Field, y: Field, random: np.random.Generator) -> Field:
    """Lozenges with frayed edges."""
    pitch = random.uniform(28, 60)
    frayed = x + 2.5 * np.sin(y * 1.7 + np.sin(x * 0.4))
    lozenge = np.abs(fraction(frayed / pitch) - 0.5) + np.abs(fraction(y / (pitch * 1.4)) - 0.5)
    return soft_step(np.cos(lozenge * _PI2 * int(random.integers(1, 4))) - 0.2, 0.5)


def flowers(x: Field, y: Field, random: np.random.Generator) -> Field:
    """Printed flowers with five or six petals."""
    pitch, petals = random.uniform(34, 70), int(random.integers(5, 7))
    row = np.floor(y / pitch)
    left = x / pitch + 0.5 * (row % 2)
    dx, dy = fraction(left) - 0.5, y / pitch - row - 0.5
    angle, away = np.arctan2(dy, dx), distance(dx, dy)
    edge = 0.22 + 0.1 * np.cos(angle * petals + row)
    return soft_step(edge - away, 3 / pitch) * (1 - 0.7 * soft_step(0.07 - away, 2 / pitch))


def plain(x: Field, y: Field, random: np.random.Generator) -> Field:  # noqa: ARG001 - one signature for all prints
    """Nothing at all."""
    return np.zeros(np.broadcast_shapes(x.shape, y.shape), np.float32)


PRINTS: tuple[Print, ...] = (plain, stripes, checks, buttas, bandhani, leheriya, ikat, flowers)
