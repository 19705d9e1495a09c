"""Where a picture's bytes come from: a file, the drawing board, or another picture that was copied, cut or replaced."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from PIL import Image, ImageDraw, ImageOps

from stj_core.files import write_bytes
from stj_core.picture_types import EXTENSIONS
from stj_demo.drawing import draw, recipe


class Source(Protocol):
    """Gives the same bytes whenever it is asked."""

    def read(self) -> bytes:
        """The original bytes."""
        ...


@dataclass(frozen=True)
class File:
    """A picture of the folder that the shop sells."""

    path: Path

    def read(self) -> bytes:
        """The file as it is."""
        return self.path.read_bytes()

    @property
    def extension(self) -> str:
        """What the bytes are, whatever the file is called."""
        with Image.open(self.path) as picture:
            return EXTENSIONS.get(picture.format or "", "jpg")

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels."""
        with Image.open(self.path) as picture:
            return picture.size


@dataclass(frozen=True)
class Drawn:
    """A garment that is drawn when somebody wants to see it, and kept in `cache` if there is one."""

    kind: str
    seed: int
    index: int
    view: int = 0
    cache: Path | None = None

    def read(self) -> bytes:
        """The drawing as JPEG."""
        if self.cache is None:
            return self._draw()
        kept = self.cache / f"{recipe()}-{self.seed}" / self.kind / f"{self.index}-{self.view}.jpg"
        if not kept.exists():
            write_bytes(kept, self._draw())
        return kept.read_bytes()

    def _draw(self) -> bytes:
        return encode(draw(self.kind, self.seed, self.index, self.view), quality=86)


@dataclass(frozen=True)
class Resized:
    """Another source's picture, scaled and compressed anew."""

    of: Source
    scale: float
    quality: int

    def read(self) -> bytes:
        """The copy as JPEG."""
        with Image.open(io.BytesIO(self.of.read())) as opened:
            picture = flat(opened)
        size = (max(1, round(picture.width * self.scale)), max(1, round(picture.height * self.scale)))
        return encode(picture.resize(size, Image.Resampling.LANCZOS), self.quality)


@dataclass(frozen=True)
class CutOff:
    """Another source's bytes that end too early."""

    of: Source
    share: float = 0.6

    def read(self) -> bytes:
        """The first `share` of the bytes."""
        whole = self.of.read()
        return whole[: int(len(whole) * self.share)]


@dataclass(frozen=True)
class Text:
    """Words where a picture was promised."""

    text: str

    def read(self) -> bytes:
        """The words in UTF-8."""
        return self.text.encode()


@dataclass(frozen=True)
class Placeholder:
    """The small moving picture that a shop shows while it has none."""

    side: int = 60

    def read(self) -> bytes:
        """An animated GIF."""
        frames = [self._frame(step) for step in range(4)]
        buffer = io.BytesIO()
        frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=250, loop=0)
        return buffer.getvalue()

    def _frame(self, step: int) -> Image.Image:
        frame = Image.new("L", (self.side, self.side), 245)
        third = self.side / 3
        ImageDraw.Draw(frame).arc((third, third, 2 * third, 2 * third), 90 * step, 90 * step + 270, fill=140, width=3)
        return frame


def flat(picture: Image.Image) -> Image.Image:
    """The picture turned as its camera says, in RGB, what was transparent on white."""
    turned = ImageOps.exif_transpose(picture)
    if turned.mode in {"RGBA", "LA", "PA"} or "transparency" in turned.info:
        clear = turned.convert("RGBA")
        turned = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
    return turned.convert("RGB")


def encode(picture: Image.Image, quality: int = 86, kind: str = "JPEG") -> bytes:
    """The picture's bytes in one format; the same picture gives the same bytes."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **({} if kind == "PNG" else {"quality": quality}))
    return buffer.getvalue()
