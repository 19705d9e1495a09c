"""A listing page as data: its cards, the page after it, and what kind of answer it is.

Pure: text in, frozen values out; no network, no clock, no catalogue. Any text whatever gives an answer, in time linear
in its size.
"""

from __future__ import annotations

import re

from lxml.etree import _Element as Element

from stj_spiders.shops.amazon.card import read_card
from stj_spiders.shops.amazon.pictures import absolute
from stj_spiders.shops.amazon.tiles import find_tiles
from stj_spiders.shops.amazon.values import read_total
from stj_spiders.shops.amazon.verdict import judge_tree
from stj_spiders.shops.html import elements, read_tree, strings, text_of
from stj_spiders.shops.pages import READ, Card, Listing

__all__ = ["Card", "Listing", "parse_listing"]

# The layouts since 2019, newest first.
_NEXT = (
    strings(
        '//a[contains(concat(" ", @class, " "), " s-pagination-next ")][not(contains(@class, "s-pagination-disabled"))]/@href'
    ),
    strings(
        '//ul[contains(@class, "a-pagination")]/li[contains(@class, "a-last")][not(contains(@class, "a-disabled"))]/a/@href'
    ),
    strings('//a[@id="pagnNextLink"]/@href'),
    strings('//li[contains(@class, "a-last")][not(contains(@class, "a-disabled"))]/a[contains(@href, "page")]/@href'),
)
_TOTAL = re.compile(r'"totalResultCount"\s*:\s*(\d{1,12})')
_TOTAL_TEXT = elements(
    '//*[@id="s-result-count"] | //*[@data-component-type="s-result-info-bar"]//*[self::span or self::h2][not(*)]'
)


def parse_listing(text: str, url: str, status: int = 200) -> Listing:
    """Read a listing page.

    Args:
        text: the decoded body: a whole page, a fragment of one, or anything else.
        url: its address; links are read from there.
        status: its HTTP status, for a page whose content does not say what it is.
    """
    root = read_tree(text)
    tiles = find_tiles(root, text)
    cards = tuple(read_card(asin, tile, position, url) for position, (asin, tile) in enumerate(tiles, start=1))
    verdict = judge_tree(root, url, status, has_content=bool(cards))
    if verdict not in READ:
        return Listing(verdict, None, None, ())
    return Listing(verdict, _next_url(root, url), _total(root, text), cards)


def _next_url(root: Element, url: str) -> str | None:
    for layout in _NEXT:
        for link in layout(root):
            address = absolute(link, url)
            if address:
                return address
    return None


def _total(root: Element, text: str) -> int | None:
    """The number that the page's script was given, else the one that it prints."""
    counted = _TOTAL.search(text)
    if counted:
        return int(counted[1])
    return next((total for total in (read_total(text_of(one)) for one in _TOTAL_TEXT(root)) if total is not None), None)
