"""Pages for people: self-contained HTML with thumbnails inside, readable in light and dark and on a phone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from stj_core.errors import DatasetError
from stj_core.files import explained, write_text
from stj_core.text import shown_in_html

TEMPLATES = Path(__file__).with_name("templates")


@dataclass(frozen=True)
class Thumbnail:
    """A picture on a page.

    Attributes:
        picture: data URL.
        caption: words below it.
        hint: words for those who point at it, or cannot see it.
        link: where it leads; empty for nowhere.
        lines: more words below the caption.
        command: what to type about it.
        options: the end of the command, in which no line breaks: it would after the dash of an option.
    """

    picture: str
    caption: str
    hint: str
    link: str = ""
    lines: Sequence[str] = field(default_factory=tuple)
    command: str = ""
    options: str = ""


def render(template: str, **words: object) -> str:
    """A page from one of the templates; everything in `words` is escaped."""
    return _environment().get_template(template).render(**words)


def safe_link(address: str) -> str:
    """The address if it is one of the web, else nothing: what a shop wrote must not become a script."""
    return address if urlsplit(address).scheme in {"http", "https"} else ""


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, finalize=shown_in_html
    )
    environment.globals["style"] = Markup((TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704 - our own file
    environment.globals["picture"] = lambda one: Markup(environment.get_template("picture.html").render(one=one))  # noqa: S704 - escaped there
    return environment


def write_page(file: Path, page: str) -> None:
    """Write a page whole, or not at all.

    Raises:
        DatasetError: it cannot be written there.
    """
    with explained(DatasetError, f"the page {file}", "Free some space, or name another file."):
        write_text(file, page)
