"""Draws garments."""

from __future__ import annotations

import numpy as np
from PIL import Image

KINDS = ("saree", "trousers", "jeans", "tunic")


def recipe() -> str:
    """The version of the drawings."""
    return "0"


def colour_name(kind: str, seed: int, index: int) -> str:
    """The name of the garment's colour."""
    return "Blue"


def draw(kind: str, seed: int, index: int, view: int = 0) -> Image.Image:
    """Draw one garment."""
    random = np.random.default_rng([seed, KINDS.index(kind), index, view])
    small = random.integers(0, 255, (16, 12, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((480, 640), Image.Resampling.BICUBIC)
