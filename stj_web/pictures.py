"""Uploaded bytes checked before anything decodes them, and thumbnails that are made once."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

from PIL import Image, ImageOps

from stj_catalog.errors import CatalogError, PictureError, TooLargeError, TruncatedError
from stj_catalog.fingerprint import on_white, open_picture
from stj_web.pool import BoundedPool

SIZES = {"tile": 320, "large": 1024}
_SHA256 = re.compile(r"[0-9a-f]{64}")


def check_upload(data: bytes, *, max_bytes: int, max_pixels: int) -> None:
    """Refuse bytes that are no picture of a shop's format, or too much of one; reads the header only.

    Raises:
        PictureError: with the word for it.
    """
    if len(data) > max_bytes:
        raise TooLargeError(
            f"The file has {len(data) / 1e6:.1f} MB, more than {max_bytes / 1e6:.0f}: send a smaller one."
        )
    with open_picture(data) as picture:
        width, height = picture.size
    if width * height > max_pixels:
        raise TooLargeError(
            f"The picture has {width}×{height} pixels, over {max_pixels / 1e6:.0f} megapixels: send a smaller one."
        )


class Thumbnails:
    """Small JPEGs in the cache, named by the checksum of the original bytes."""

    def __init__(self, cache: Path, pool: BoundedPool) -> None:
        self._root = cache / "thumbnails"
        self._pool = pool

    def path(self, sha256: str, size: str, load: Callable[[], bytes]) -> Path:
        """The thumbnail's file; made now if it is not there.

        Args:
            sha256: of the original bytes, from the catalogue.
            size: a name in SIZES.
            load: reads the original bytes.

        Raises:
            PictureError: the bytes cannot be decoded.
            CatalogError: the cache cannot be written.
        """
        assert _SHA256.fullmatch(sha256), sha256
        target = self._root / size / sha256[:2] / f"{sha256}.jpg"
        if not target.is_file():
            self._pool.run(lambda: write_aside(target, partial(_save, shrink(load(), SIZES[size]))))
        return target


def shrink(data: bytes, side: int) -> Image.Image:
    """The picture upright, without transparency, at most `side` pixels wide and high.

    Raises:
        PictureError: the bytes cannot be decoded.
    """
    with open_picture(data) as picture:
        try:
            picture.draft("RGB", (2 * side, 2 * side))
            picture.load()
            small = on_white(ImageOps.exif_transpose(picture)).convert("RGB")
            small.thumbnail((side, side), Image.Resampling.LANCZOS)
        except PictureError:
            raise
        except Exception as error:
            raise TruncatedError(f"The picture's data is broken or ends too early: {error}.") from error
    return small


def write_aside(target: Path, write: Callable[[IO[bytes]], object]) -> None:
    """Write a file of the cache beside its place, then put it there whole.

    Raises:
        CatalogError: the cache cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, aside = tempfile.mkstemp(prefix=".part-", dir=target.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                write(file)
            Path(aside).replace(target)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CatalogError(
            f"Cannot write to {target.parent}: {error.strerror or error}. Set STJ_CACHE to another folder."
        ) from error


def _save(picture: Image.Image, file: IO[bytes]) -> None:
    picture.save(file, "JPEG", quality=82, optimize=True, progressive=True)
