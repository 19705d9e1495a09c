"""From a file to pixels, in one function for training, evaluation, command line and web.

Loaders differ by as much as 19 grey levels on a hard picture, so every picture is decoded by `stj_images.decode` and resized
here. What comes out is RGB, 0 to 255; what the network wants (BGR minus the mean, or the notebook's 1/255) is inside its graph.
"""

from __future__ import annotations

import hashlib
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from stj_core.errors import NotAnImageError, PictureError, TooLargeError
from stj_core.picture_types import FORMATS
from stj_images.decode import MAX_BYTES, decode
from stj_model import standalone

Pixels = standalone.Pixels
Resample = Literal["nearest", "bilinear", "bicubic", "lanczos"]

VERSION = 2
"""Raised when the same file would give other pixels: cached features of older versions are then left alone."""


@dataclass(frozen=True)
class Preprocessing:
    """How a picture becomes the network's input: squashed to `size` × `size` pixels by `resample`."""

    size: int = 224
    resample: Resample = "bilinear"

    def describe(self) -> dict[str, Any]:
        """The settings as JSON, with the version of this code."""
        return {**asdict(self), "fit": "squash", "version": VERSION}


def read_pixels(source: Path | bytes, how: Preprocessing, formats: Sequence[str] = FORMATS) -> Pixels:
    """Decode a picture, turn it by its EXIF tag, put transparency on white and squash it to the input size.

    Args:
        source: a file, or its bytes.
        how: size and filter.
        formats: Pillow's names of the only formats to try.

    Returns:
        uint8 of shape (size, size, 3), RGB.

    Raises:
        PictureError: the bytes are no whole picture (`reason` says which way), or the file cannot be read.
    """
    return fit(open_picture(source, 2 * how.size, formats), how)


def fit(picture: Image.Image, how: Preprocessing) -> Pixels:
    """Squash an RGB picture to the input size: uint8 of shape (size, size, 3)."""
    return standalone.squash(picture, how.size, how.resample)


def open_picture(source: Path | bytes, draft: int | None = None, formats: Sequence[str] = FORMATS) -> Image.Image:
    """Decode a picture upright, in RGB, with transparency on white, as all of STJ does.

    Args:
        source: a file, or its bytes.
        draft: a JPEG much larger than this many pixels may be decoded at a half, a quarter or an eighth of its size.
        formats: Pillow's names of the only formats to try.

    Raises:
        PictureError: as in `read_pixels`.
    """
    if isinstance(source, bytes):
        return decode(source, draft, formats)
    data = read_file(source)
    try:
        return decode(data, draft, formats)
    except PictureError as error:
        raise type(error)(f"{source}: {error}") from error


def read_file(path: Path) -> bytes:
    """The bytes of a picture's file.

    Raises:
        PictureError: it is no regular file, cannot be read, or is larger than any picture that is taken.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise NotAnImageError(f"Cannot read {path}: it is no regular file.")
        if about.st_size > MAX_BYTES:
            raise TooLargeError(f"{path} has {about.st_size / 2**20:.1f} MiB, over {MAX_BYTES >> 20} MiB.")
        return path.read_bytes()
    except (OSError, ValueError) as error:  # a name with a NUL in it is a ValueError
        raise PictureError(f"Cannot read {path}: {getattr(error, 'strerror', None) or error}.") from error


def sha256_of(data: bytes) -> str:
    """The picture's name in every cache and list: the sha256 of its bytes, in hex."""
    return hashlib.sha256(data).hexdigest()
