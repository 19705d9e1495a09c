"""Small pictures for the report: each as a data address, and all of one kind as a mosaic for `plots/`."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from stj_core.errors import PictureError
from stj_model.explain import tint
from stj_model.preprocess import open_picture

QUALITY = 80
WARMTH = 0.65
"""The strongest heat still lets the picture through."""
_TILE, _GAP = 132, 6
_GOOD, _BAD, _PAPER = (58, 125, 82), (190, 58, 46), (255, 255, 255)


class ReportThumbnails:
    """ReportThumbnails by file, each made once."""

    def __init__(self, side: int = 200) -> None:
        self.side = side
        self._made: dict[Path, Image.Image | None] = {}

    def address(self, path: Path) -> str:
        """The thumbnail as a `data:` address; empty where the picture cannot be read any more."""
        picture = self.picture(path)
        return "" if picture is None else _address(picture)

    def warm_address(self, path: Path, heat: Path) -> str:
        """The thumbnail with where the network looked laid over it (a grey picture); empty where either cannot be read."""
        picture = self.picture(path)
        if picture is None or not heat.is_file():
            return ""
        with Image.open(heat) as opened:
            warmth = np.asarray(opened.convert("L"), dtype=np.float64) / 255
        layer = tint(warmth, picture.size)
        layer.putalpha(layer.getchannel("A").point(lambda level: int(WARMTH * level)))
        return _address(Image.alpha_composite(picture.convert("RGBA"), layer).convert("RGB"))

    def picture(self, path: Path) -> Image.Image | None:
        """The thumbnail itself: RGB, at most `side` pixels wide and high."""
        if path not in self._made:
            try:
                picture = open_picture(path, draft=2 * self.side)
                picture.thumbnail((self.side, self.side), Image.Resampling.LANCZOS)
                self._made[path] = picture
            except PictureError:
                self._made[path] = None
        return self._made[path]

    def mosaic(self, tiles: Sequence[tuple[Path, bool | None]], columns: int) -> Image.Image:
        """Tiles side by side, each framed green or red where it is right or wrong.

        Args:
            tiles: file, and whether it was right (None: no frame).
            columns: tiles per line.
        """
        lines = max(1, -(-len(tiles) // columns))
        step = _TILE + _GAP
        sheet = Image.new("RGB", (columns * step + _GAP, lines * step + _GAP), _PAPER)
        for place, (path, right) in enumerate(tiles):
            corner = (_GAP + place % columns * step, _GAP + place // columns * step)
            frame = _PAPER if right is None else _GOOD if right else _BAD
            tile = Image.new("RGB", (_TILE, _TILE), frame)
            picture = self.picture(path)
            if picture is not None:
                inner = picture.copy()
                inner.thumbnail((_TILE - 8, _TILE - 8))
                tile.paste(inner, ((_TILE - inner.width) // 2, (_TILE - inner.height) // 2))
            sheet.paste(tile, corner)
        return sheet


def _address(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
