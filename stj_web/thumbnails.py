"""Thumbnails that are made once and kept in the cache."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from stj_core.errors import CatalogError
from stj_core.files import atomic_writer, explained
from stj_images.decode import shrink
from stj_web.pool import BoundedPool

SIZES = {"tile": 320, "large": 1024}
_SHA256 = re.compile(r"[0-9a-f]{64}")


class ThumbnailCache:
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
            CatalogError: the cache cannot be written, or the catalogue's checksum is none.
        """
        if not _SHA256.fullmatch(sha256):
            raise CatalogError(
                f"The catalogue says {sha256[:80]!r} where a checksum belongs: stj-dataset verify says more."
            )
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
