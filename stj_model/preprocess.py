"""From a file to pixels, in one function for training, evaluation, command line and web.

Loaders differ by as much as 19 grey levels on a hard picture, so no other code of this room opens one. What comes out is
RGB, 0 to 255; what the network wants (BGR minus the mean, or the notebook's 1/255) is inside its graph.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from stj_core.errors import NotAnImageError, PictureError, TooLargeError, TruncatedError
from stj_model import standalone

Pixels = standalone.Pixels
Resample = Literal["nearest", "bilinear", "bicubic", "lanczos"]

VERSION = 1
"""Raised when the same file would give other pixels: cached features of older versions are then left alone."""
MAX_PIXELS = 100_000_000


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the network's input: squashed to `size` × `size` pixels by `resample`."""

    size: int = 224
    resample: Resample = "bilinear"

    def describe(self) -> dict[str, Any]:
        """The settings as JSON, with the version of this code."""
        return {**asdict(self), "fit": "squash", "version": VERSION}


def read_pixels(source: Path | bytes, how: Preprocessing, formats: Sequence[str] | None = None) -> Pixels:
    """Decode a picture, turn it by its EXIF tag, put transparency on white and squash it to the input size.

    Args:
        source: a file, or its bytes.
        how: size and filter.
        formats: Pillow's names of the only formats to try; None tries all.

    Returns:
        uint8 of shape (size, size, 3), RGB.

    Raises:
        PictureError: the bytes are no whole picture (`reason` says which way), or the file cannot be read.
    """
    return fit(open_picture(source, 2 * how.size, formats), how)


def fit(picture: Image.Image, how: Preprocessing) -> Pixels:
    """Squash an RGB picture to the input size: uint8 of shape (size, size, 3)."""
    return standalone.squash(picture, how.size, how.resample)


def open_picture(source: Path | bytes, draft: int | None = None, formats: Sequence[str] | None = None) -> Image.Image:
    """Decode a picture upright, in RGB, with transparency on white.

    Args:
        source: a file, or its bytes.
        draft: a JPEG much larger than this many pixels may be decoded at a half, a quarter or an eighth of its size.
        formats: Pillow's names of the only formats to try; None tries all.

    Raises:
        PictureError: as in `read_pixels`.
    """
    name = "these bytes" if isinstance(source, bytes) else str(source)
    try:
        data = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise PictureError(f"Cannot read {name}: {error.strerror or error}.") from error
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a doubtful tag is no reason to refuse a picture
        return _decode(data, name, draft, formats)


def _decode(data: bytes, name: str, draft: int | None, formats: Sequence[str] | None) -> Image.Image:
    try:
        picture = Image.open(io.BytesIO(data), formats=None if formats is None else tuple(formats))
    except Exception as error:  # whatever a format's reader stumbles over in hostile bytes
        raise NotAnImageError(f"{name} is no picture ({len(data):,} bytes).") from error
    if picture.width * picture.height > MAX_PIXELS:
        raise TooLargeError(f"{name} has {picture.width}×{picture.height} pixels: more than a photograph has.")
    try:
        if draft:
            picture.draft("RGB", (draft, draft))
        picture.load()
        return standalone.upright(picture)
    except Exception as error:  # decoders of damaged data raise anything: AVIF's a RuntimeError, others IndexError
        raise TruncatedError(f"{name} is broken or cut short: {error}.") from error


def sha256_of(data: bytes) -> str:
    """The picture's name in every cache and list: the sha256 of its bytes, in hex."""
    return hashlib.sha256(data).hexdigest()
