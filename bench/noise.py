"""Pictures that no two of which look alike, made quickly: coarse noise, enlarged, as JPEG."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image


def make_pictures(
    folder: Path, count: int, *, seed: int, size: tuple[int, int] = (480, 640), bordered: bool = False
) -> None:
    """Write `count` pictures of some 30 KB, or of some 75 KB with a white border, as shops photograph garments.

    Args:
        folder: where; it is made.
        count: how many.
        seed: decides them all.
        size: width and height in pixels.
        bordered: lay them on white, smaller than the picture, at quality 85 and 4:2:0.
    """
    folder.mkdir(parents=True, exist_ok=True)
    dice = np.random.default_rng(seed)
    for number in range(count):
        coarse = Image.fromarray(dice.integers(0, 256, (12, 9, 3), dtype=np.uint8))
        grain = dice.integers(-12, 13, (size[1], size[0], 1), dtype=np.int16)
        pixels = np.clip(np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=np.int16) + grain, 0, 255)
        picture = Image.fromarray(pixels.astype(np.uint8))
        if bordered:
            laid = Image.new("RGB", size, "white")
            left, top, right, bottom = (int(side) for side in dice.integers(20, 90, 4))
            laid.paste(picture.crop((left, top, size[0] - right, size[1] - bottom)), (left, top))
            picture = laid
        options = {"quality": 85, "subsampling": "4:2:0"} if bordered else {"quality": 60}
        picture.save(folder / f"{number:05d}.jpg", **options)
