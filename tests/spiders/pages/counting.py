"""A second opinion on saved pages, by other means than the parser's: html.parser's tokens, raw attributes, printed words.

Nothing here uses lxml, XPath or the package; sponsored cards are those that *print* the word, pictures are what the raw
`<img>` tag names, and titles are the characters between `<h2>` and `</h2>`.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from dataclasses import dataclass, field
from html.parser import HTMLParser

_ASIN = re.compile(r"[A-Z0-9]{10}")
_ADDRESS = re.compile(r"https://[^\s\"',]+/images/I/[^\s\"']+")
_PRODUCT_LINK = re.compile(r"(?:/|%2F)dp(?:/|%2F)([A-Z0-9]{10})")
_PRINTED_MARK = {"Sponsored", "推廣", "Gesponsert"}


@dataclass
class Tile:
    asin: str
    images: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    whole_title: str = ""
    words: list[str] = field(default_factory=list)

    @property
    def picture(self) -> str | None:
        """The first absolute address in the first picture's raw tag."""
        found = _ADDRESS.search(html.unescape(self.images[0])) if self.images else None
        return found[0] if found else None

    @property
    def title(self) -> str | None:
        """What stands between the tags; where the shop cut it short, the attribute that it was cut from."""
        printed = " ".join(self.titles[0].split()) if self.titles else None
        return (
            " ".join(self.whole_title.split()) if printed and printed.endswith("...") and self.whole_title else printed
        )

    @property
    def sponsored(self) -> bool:
        return any(word.strip() in _PRINTED_MARK for word in self.words)


class TileCounter(HTMLParser):
    """Walks the tokens; a tile ends where as many of its tags were closed as opened. Comments are not on the page."""

    def __init__(self, whole: bool) -> None:
        super().__init__(convert_charrefs=True)
        self.tiles: list[Tile] = [Tile("")] if whole else []
        self.tag, self.depth = ("", 1) if whole else ("", 0)
        self.in_title = self.unseen = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        if not self.depth:
            wanted = named.get("data-component-type") == "s-search-result" or (
                tag == "li" and named.get("id", "").startswith("result_")
            )
            if wanted and _ASIN.fullmatch(named.get("data-asin", "")):
                self.tiles.append(Tile(named["data-asin"]))
                self.tag, self.depth = tag, 1
            return
        self.depth += tag == self.tag
        tile = self.tiles[-1]
        if tag == "img" and {"s-image", "s-access-image"} & set(named.get("class", "").split()):
            tile.images.append(self.get_starttag_text() or "")
        if tag == "h2":
            tile.titles.append("")
            tile.whole_title = tile.whole_title or named.get("data-attribute", "")
            self.in_title = True
        self.unseen = tag == "span" and named.get("class") == "a-offscreen"

    def handle_endtag(self, tag: str) -> None:
        self.unseen = False
        if self.depth and tag == self.tag:
            self.depth -= 1
        if tag == "h2":
            self.in_title = False

    def handle_data(self, data: str) -> None:
        if self.depth:
            self.tiles[-1].words.append(data)
            if self.in_title and not self.unseen:
                self.tiles[-1].titles[-1] += data


def count_tiles(text: str) -> list[Tile]:
    """The cards of a saved listing page, or the one card of a file that holds nothing else."""
    whole = "s-search-result" not in text and "result_0" not in text
    counter = TileCounter(whole)
    counter.feed(text)
    counter.close()
    if whole:
        counter.tiles[0].asin = Counter(_PRODUCT_LINK.findall(text)).most_common(1)[0][0]
    return counter.tiles


@dataclass
class Detail:
    title: str
    parent: str
    price: float
    crumbs: int
    pictures: list[str]
    entries: int


def count_detail(text: str) -> Detail:
    """A saved product page by plain regular expressions over its raw text."""
    start = text.index("'colorImages': { 'initial': ")
    gallery = text[start : text.index("'colorToAsin'", start)]
    pairs = re.findall(r'"hiRes":(?:"([^"]*)"|null),"thumb":"[^"]*","large":"([^"]*)"', gallery)
    title = re.search(r'<span id="productTitle"[^>]*>([^<]*)</span>', text)
    parent = re.search(r'"currentAsin" : "[^"]*",(?:\s*"landingAsin": "[^"]*",)?\s*"parentAsin" : "(\w{10})"', text)
    price = re.search(r'id="twister-plus-price-data-price"[^>]*value="([\d.]+)"', text) or re.search(
        r'value="([\d.]+)"[^>]*id="twister-plus-price-data-price"', text
    )
    assert title is not None
    assert parent is not None
    assert price is not None
    return Detail(
        title=" ".join(html.unescape(title[1]).split()),
        parent=parent[1],
        price=float(price[1]),
        crumbs=len(re.findall(r"ref=dp_bc_\d+", text)),
        pictures=[high or large for high, large in pairs],
        entries=gallery.count('"thumb":'),
    )
