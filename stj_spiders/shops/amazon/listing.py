"""A listing page as data: its cards, the page after it, and what kind of answer it is.

Pure: text in, frozen values out; no network, no clock, no catalogue. Any text whatever gives an answer, in time linear
in its size.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import replace

from lxml.etree import _Element as Element

from stj_spiders.shops.amazon.card import read_card
from stj_spiders.shops.amazon.pagination import later_pages, numbered_next
from stj_spiders.shops.amazon.pictures import absolute, shared_by_many
from stj_spiders.shops.amazon.tiles import count_nameless, find_tiles
from stj_spiders.shops.amazon.values import read_total
from stj_spiders.shops.amazon.verdict import found_nothing, judge_tree
from stj_spiders.shops.html import condition, elements, is_page, is_whole, parse_html, text_of
from stj_spiders.shops.pages import READ, Card, Ending, Listing, Verdict

__all__ = ["Card", "Listing", "parse_listing"]

# The layouts since 2019, newest first.
_NEXT = (
    elements(
        '//a[contains(concat(" ", @class, " "), " s-pagination-next ")]'
        '[not(contains(@class, "s-pagination-disabled"))][not(@aria-disabled="true")]'
    ),
    elements(
        '//ul[contains(@class, "a-pagination")]/li[contains(@class, "a-last")][not(contains(@class, "a-disabled"))]/a'
    ),
    elements('//a[@id="pagnNextLink"]'),
    elements('//li[contains(@class, "a-last")][not(contains(@class, "a-disabled"))]/a[contains(@href, "page")]'),
)
_NEXT_DISABLED = condition(
    '//*[contains(@class, "s-pagination-next")][contains(@class, "s-pagination-disabled") or @aria-disabled="true"]'
    ' | //li[contains(@class, "a-last")][contains(@class, "a-disabled")]'
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
    tree = parse_html(text)
    root = tree.root
    if is_whole(tree, text) and found_nothing(root, text):
        return Listing(Verdict.EMPTY, None, _total(root, text), (), Ending.NO_RESULTS)
    tiles = find_tiles(root, text)
    verdict = judge_tree(tree, text, url, status, has_content=bool(tiles))
    if verdict not in READ:
        return Listing(verdict, None, None, ())
    cards = _read_cards(tiles, url)
    next_url, named = _next_url(root, url)
    ending = _ending(root, text, cards) if named is None else None
    unusable = named if next_url is None else None
    later = later_pages(root, next_url)
    return Listing(verdict, next_url, _total(root, text), cards, ending, unusable, count_nameless(root), later)


def _read_cards(tiles: Sequence[tuple[str, Element]], url: str) -> tuple[Card, ...]:
    elements_of_cards = {tile for _, tile in tiles}
    # Tiles inside tiles are rare, and looking out for them costs a quarter of the parse.
    nested = elements_of_cards if _are_nested(elements_of_cards) else ()
    cards = [read_card(asin, tile, position, url, nested) for position, (asin, tile) in enumerate(tiles, start=1)]
    nobodys = shared_by_many(cards)
    return tuple(
        replace(card, image_url=None, image_key=None, srcset=None) if card.image_key in nobodys else card
        for card in cards
    )


def _are_nested(tiles: Collection[Element]) -> bool:
    return any(parent in tiles for tile in tiles for parent in tile.iterancestors("div", "li"))


def _ending(root: Element, text: str, cards: Sequence[Card]) -> Ending | None:
    """How a page without a next one says that it is the last; a fragment, or a page without cards, says nothing."""
    if not cards or not is_page(text):
        return None
    return Ending.NEXT_DISABLED if _NEXT_DISABLED(root) else Ending.NO_NEXT


def _next_url(root: Element, url: str) -> tuple[str | None, str | None]:
    """The page after this one, and what the page says of it: an address that nobody can ask for is no end of a listing."""
    named = None
    for layout in _NEXT:
        for link in layout(root):
            said = link.get("href") or ""
            address = absolute(said, url)
            if address:
                return address, said
            named = said if named is None else named
    if named is None and not _NEXT_DISABLED(root):
        address = numbered_next(root, url)
        return address, address
    return None, named


def _total(root: Element, text: str) -> int | None:
    """The number that the page's script was given, else the one that it prints."""
    counted = _TOTAL.search(text)
    if counted:
        return int(counted[1])
    return next((total for total in (read_total(text_of(one)) for one in _TOTAL_TEXT(root)) if total is not None), None)
