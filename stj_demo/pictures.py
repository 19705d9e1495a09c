"""The shop's image server: one address per picture, any size."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import lru_cache

from PIL import Image

from stj_core.picture_types import MEDIA_TYPES
from stj_demo.sources import Source, encode, flat

_MODIFIER = re.compile(r"(?P<kind>SL|UL|SX|UX|SY|UY|SS|US|SR|QL)(?P<first>\d+)(?:,(?P<second>\d+))?")
_TWIN = "41"
_TWIN_SIDE = 500


@dataclass(frozen=True)
class Picture:
    """One picture of the shop.

    Attributes:
        id: the part of the address before the size, such as ``71Kf0aB9cDL``.
        extension: what the bytes are, without a dot.
        source: where they come from.
        content_type: what the header says, when it is not what the bytes are.
        fixed: the same bytes in any size, because they are no whole picture.
        folder: the address's folder.
    """

    id: str
    extension: str
    source: Source
    content_type: str = ""
    fixed: bool = False
    folder: str = "/images/I/"

    def path(self, size: str = "") -> str:
        """The address of the picture in one size (``_AC_UL320_``), or of the original."""
        middle = f".{size}" if size else ""
        return f"{self.folder}{self.id}{middle}.{self.extension}"

    def twin_path(self, size: str = "") -> str:
        """The address of the picture's small twin: a picture of its own for the shop, 500 pixels at most."""
        return Picture(_TWIN + self.id[2:], self.extension, self.source).path(size)


@dataclass(frozen=True)
class Served:
    """What goes over the line."""

    content: bytes
    content_type: str


@dataclass(frozen=True)
class Box:
    """The largest width and height that a size modifier allows, in pixels."""

    width: int | None = None
    height: int | None = None
    quality: int = 85

    def fit(self, size: tuple[int, int]) -> tuple[int, int] | None:
        """The size to shrink to, or None where the picture is small enough."""
        limits = [limit / side for limit, side in zip((self.width, self.height), size, strict=True) if limit]
        scale = min(limits, default=1.0)
        if scale >= 1:
            return None
        return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def parse_modifiers(modifiers: str) -> Box:
    """Read ``_AC_UL320_``, ``_SX38_SY50_CR,0,0,38,50_`` and their like; what is unknown asks for nothing."""
    width: int | None = None
    height: int | None = None
    quality = 85
    for match in _MODIFIER.finditer(modifiers):
        first = int(match["first"])
        if match["kind"] == "QL":
            quality = min(95, max(1, first))
            continue
        second = int(match["second"] or first)
        if match["kind"][1] in "XLSR":
            width = min(first, width or first)
        if match["kind"][1] in "YLSR":
            height = min(second, height or second)
    return Box(width or None, height or None, quality)


class ImageServer:
    """Finds a picture by its address and serves it in the size that the address asks for."""

    def __init__(self, pictures: list[Picture]) -> None:
        self._pictures = {(picture.folder, picture.id): picture for picture in pictures}
        self._twins = {picture.id[2:]: picture for picture in pictures if not picture.fixed}
        self._sized = lru_cache(maxsize=256)(self._serve)

    def serve(self, path: str) -> Served | None:
        """The bytes for an address, or None where the shop has no such picture."""
        folder, _, name = path.rpartition("/")
        identity, _, rest = name.partition(".")
        modifiers, _, extension = rest.rpartition(".")
        picture, box = self._find(f"{folder}/", identity, modifiers)
        if picture is None or extension != picture.extension:
            return None
        return self._sized(picture, box)

    def _find(self, folder: str, identity: str, modifiers: str) -> tuple[Picture | None, Box]:
        box = parse_modifiers(modifiers)
        picture = self._pictures.get((folder, identity))
        if picture is None and identity.startswith(_TWIN):
            picture = self._twins.get(identity[2:])
            box = Box(min(box.width or _TWIN_SIDE, _TWIN_SIDE), min(box.height or _TWIN_SIDE, _TWIN_SIDE), box.quality)
        return picture, box

    @staticmethod
    def _serve(picture: Picture, box: Box) -> Served:
        content = picture.source.read()
        content_type = picture.content_type or MEDIA_TYPES[picture.extension]
        return Served(content if picture.fixed else shrink(content, box), content_type)


def shrink(content: bytes, box: Box) -> bytes:
    """The picture within `box` in its own format; the original bytes where it already fits."""
    with Image.open(io.BytesIO(content)) as picture:
        size = box.fit(picture.size)
        if size is None:
            return content
        kind = picture.format or "JPEG"
        picture.draft("RGB", size)
        return encode(flat(picture).resize(size, Image.Resampling.BICUBIC, reducing_gap=2.0), box.quality, kind)
