"""Small pictures for the report and its sheets, each made once."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from stj_core.errors import PictureError
from stj_model.explain import tint
from stj_model.preprocess import open_picture

QUALITY = 80
WARMTH = 0.65
"""The strongest heat still lets the picture through."""


class ReportThumbnails:
    """Thumbnails by file, each made once."""

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


def _address(picture: Image.Image) -> str:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=QUALITY, optimize=True, progressive=True)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
