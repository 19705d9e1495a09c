"""Pictures for the tests of this room: smooth, coloured, the same for the same number."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image


def photo(seed: int, size: tuple[int, int] = (150, 200)) -> Image.Image:
    """A smooth colour picture that compresses as photographs do."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (12, 9, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def encode(picture: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """The bytes of a file."""
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()
