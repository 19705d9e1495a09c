"""Uploaded bytes checked before anything decodes them, and thumbnails that are made once."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from stj_core.errors import CatalogError, TooLargeError
from stj_core.files import atomic_writer, explained
from stj_images.decode import open_picture, shrink
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
            self._pool.run(lambda: _save(shrink(load(), SIZES[size]), target))
        return target


def _save(picture: Image.Image, target: Path) -> None:
    with (
        explained(CatalogError, f"to {target.parent}", "Set STJ_CACHE to another folder."),
        atomic_writer(target) as file,
    ):
        picture.save(file, "JPEG", quality=82, optimize=True, progressive=True)
