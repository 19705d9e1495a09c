"""A run's report without the pictures that were forgotten since: what shows them is taken out, the figures stay."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser
from itertools import accumulate
from pathlib import PurePosixPath

from markupsafe import escape

from stj_core.cli import counted
from stj_core.text import shown_in_html
from stj_dataset.manifest import ManifestRow

_PARTS = frozenset({"figure", "article", "tr"})
"""What a report shows a picture, its title or its addresses in."""
_SHOWING = frozenset({"tile", "mistake"})
"""The classes of parts that show a picture; reports made before files were named in them say no more."""
_SHORTEST, _CUT = 6, 60
# The bytes of a thumbnail are no words, and a search through megabytes of them finds some by chance.
_BYTES = re.compile(r"data:image/[a-z]+;base64,[A-Za-z0-9+/=]*")


@dataclass
class _Part:
    start: int
    end: int
    tag: str
    file: str | None
    shows: bool


@dataclass
class _Parts(HTMLParser):
    """The parts of a page, each where it ends: those inside another one before it."""

    text: str
    found: list[_Part] = field(default_factory=list)
    _open: list[_Part] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=False)
        # The parser counts lines by \n alone.
        self._lines = [0, *accumulate(len(line) + 1 for line in self.text.split("\n"))]

    def read(self) -> list[_Part]:
        """Read the page."""
        self.feed(self.text)
        self.close()
        return self.found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where a part begins."""
        if tag in _PARTS:
            told = dict(attrs)
            shows = bool(_SHOWING & set((told.get("class") or "").split()))
            self._open.append(_Part(self._here(), len(self.text), tag, told.get("data-file"), shows))

    def handle_endtag(self, tag: str) -> None:
        """Note where a part ends, and those in it that have no end of their own."""
        if tag in _PARTS and any(one.tag == tag for one in self._open):
            while self._open:
                part = self._open.pop()
                part.end = self.text.find(">", self._here()) + 1
                self.found.append(part)
                if part.tag == tag:
                    return

    def _here(self) -> int:
        line, column = self.getpos()
        return self._lines[line - 1] + column


def without_forgotten(page: str, lost: Sequence[ManifestRow]) -> str | None:
    """A report without what shows some pictures, and with a sentence that says so; None where something of them would stay.

    A report that names no files, as older ones do, loses every picture.

    Args:
        page: the report.
        lost: the pictures of its run's dataset that were forgotten.
    """
    files = {PurePosixPath(row.file).name for row in lost}
    words = _words(lost)
    parts = _Parts(page).read()
    named = any(part.file is not None for part in parts)
    gone: list[_Part] = []
    for part in parts:
        shown = part.file in files if named else part.shows
        if shown or _holds(_left(page, part.start, part.end, gone), words):
            gone = [one for one in gone if not part.start <= one.start < part.end]
            gone.append(part)
    left = _left(page, 0, len(page), gone)
    if _holds(left, words):
        return None
    what = "what showed them is" if named else "this report does not say which of its pictures show them, so all are"
    note = (
        f'<p class="notice">{counted(len(lost), "picture")} of this run\'s dataset '
        f"{'was' if len(lost) == 1 else 'were'} forgotten since: {what} left out. The figures are as they were.</p>"
    )
    at = left.find("<main>")
    return left[: at + 6] + note + left[at + 6 :] if at >= 0 else note + left


def _left(page: str, start: int, end: int, gone: Sequence[_Part]) -> str:
    """The text between two places without the parts in it that are gone."""
    pieces = []
    for part in sorted((one for one in gone if start <= one.start < end), key=lambda one: one.start):
        pieces.append(page[start : part.start])
        start = part.end
    return "".join([*pieces, page[start:end]])


def _words(lost: Sequence[ManifestRow]) -> set[str]:
    """By what some pictures would be found: names, checksums, titles, addresses and product numbers, as a page writes them."""
    told = [
        (
            row.sha256,
            row.original_sha256,
            PurePosixPath(row.file).name,
            row.title,
            row.asin,
            row.image_url,
            row.product_url,
        )
        for row in lost
    ]
    found = {word for words in told for word in words if word and len(word) >= _SHORTEST}
    found |= {word.split("://", 1)[1] for word in found if "://" in word}
    # A report cuts long titles, between words.
    found |= {word[:_CUT] for word in found if len(word) > _CUT}
    return found | {str(escape(shown_in_html(word))) for word in found}


def _holds(text: str, words: Collection[str]) -> bool:
    plain = _BYTES.sub("", text)
    return any(word in plain for word in words)
