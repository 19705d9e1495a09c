"""Pictures for tests: drawn from a seed, each like no other, and written in whatever format is wanted."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image, ImageDraw


def draw(seed, size=(300, 400)):
    """A picture of a few soft waves and hard shapes on a light ground; another seed gives a quite different one."""
    rng = np.random.default_rng(seed)
    x, y = np.meshgrid(np.linspace(0, 1, 75), np.linspace(0, 1, 100))
    layers = []
    for _ in range(3):
        waves = sum(
            np.sin(rng.uniform(1, 9) * x + rng.uniform(1, 9) * y + rng.uniform(0, 6)) / (1 + n) for n in range(5)
        )
        layers.append(128 + 45 * waves)
    ground = np.stack(layers, axis=-1).clip(0, 255).astype(np.uint8)
    picture = Image.fromarray(ground).resize((300, 400), Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(8):
        left, top = (int(v) for v in rng.integers(0, 260, 2))
        box = (left, top, left + int(rng.integers(15, 120)), top + int(rng.integers(15, 140)))
        (pen.ellipse if rng.random() < 0.5 else pen.rectangle)(box, fill=tuple(rng.integers(0, 256, 3).tolist()))
    return picture.resize(size, Image.Resampling.LANCZOS)


def encode(picture, form="JPEG", **options):
    """A picture's bytes in a format."""
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def jpeg(seed, size=(300, 400), quality=90):
    """The bytes of a drawn JPEG."""
    return encode(draw(seed, size), quality=quality)
