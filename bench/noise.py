"""Pictures that no two of which look alike, made quickly: coarse noise, enlarged, as JPEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def make_pictures(folder: Path, count: int, *, seed: int, size: tuple[int, int] = (480, 640)) -> None:
    """Write `count` pictures of some 30 KB.

    Args:
        folder: where; it is made.
        count: how many.
        seed: decides them all.
        size: width and height in pixels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dice = np.random.default_rng(seed)
    for number in range(count):
        coarse = Image.fromarray(dice.integers(0, 256, (12, 9, 3), dtype=np.uint8))
        grain = dice.integers(-12, 13, (size[1], size[0], 1), dtype=np.int16)
        pixels = np.clip(np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=np.int16) + grain, 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number:05d}.jpg", quality=60)
