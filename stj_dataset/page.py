"""Pages for people: self-contained HTML with thumbnails inside, readable in light and dark and on a phone."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image, ImageOps

from stj_catalog.errors import DatasetError, PictureError
from stj_catalog.fingerprint import on_white, open_picture

TEMPLATES = Path(__file__).with_name("templates")
THUMBNAIL_PIXELS = 192


@dataclass(frozen=True)
class Thumbnail:
    """A picture on a page.

    Attributes:
        picture: data URL.
        caption: words below it.
        hint: words for those who point at it, or cannot see it.
        link: where it leads; empty for nowhere.
        lines: more words below the caption.
    """

    picture: str
    caption: str
    hint: str
    link: str = ""
    lines: Sequence[str] = field(default_factory=tuple)


def render(template: str, **words: object) -> str:
    """A page from one of the templates; everything in `words` is escaped."""
    return _environment().get_template(template).render(**words)


def write(file: Path, page: str) -> None:
    """Write a page aside, then put it in its place.

    Raises:
        DatasetError: it cannot be written there.
    """
    aside = file.with_name(f".{file.name}.part")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(page, encoding="utf-8", newline="\n")
        aside.replace(file)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise DatasetError(
            f"Cannot write the page {file}: {error.strerror or error}. Free some space, or name another file."
        ) from error


def thumbnail(data: bytes, side: int = THUMBNAIL_PIXELS) -> str:
    """A picture's bytes as a small JPEG in a data URL; a grey field where they are no picture."""
    try:
        with open_picture(data) as picture:
            picture.draft("RGB", (2 * side, 2 * side))
            small = on_white(ImageOps.exif_transpose(picture)).convert("RGB")
    except (PictureError, OSError, SyntaxError):
        small = Image.new("RGB", (3, 4), "grey")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    small.save(stream, "JPEG", quality=75)
    return f"data:image/jpeg;base64,{base64.b64encode(stream.getvalue()).decode()}"


def safe_link(address: str) -> str:
    """The address if it is one of the web, else nothing: what a shop wrote must not become a script."""
    return address if urlsplit(address).scheme in {"http", "https"} else ""


@cache
def _environment() -> Environment:
    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined)
    environment.globals["style"] = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    environment.globals["picture"] = lambda one: Markup(environment.get_template("picture.html").render(one=one))  # noqa: S704 - escaped there
    return environment
