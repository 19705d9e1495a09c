"""Where the cards of a listing are, in every layout since 2019."""

from __future__ import annotations

import re

from lxml.etree import _Element as Element

from stj_core.shops.amazon import asin_of
from stj_spiders.shops.html import classes_of, elements, strings

_ASIN = re.compile(r"[A-Z0-9]{10}")
_NAMED_ITEM = re.compile(r"(?:amzn1\.asin\.(?:\d+\.)?)?([A-Z0-9]{10})(?![A-Za-z0-9])")
_RESULT_ID = re.compile(r"result_\d+")
_WHOLE_PAGE = re.compile(r"<(?:html|head|body)[\s>]", re.IGNORECASE)
_NAMED = elements("//*[@data-asin]")
_RESULTS = elements(
    '//div[@data-component-type="s-search-result"][@data-asin] | //li[starts-with(@id, "result_")][@data-asin]'
)
_NAMED_BELOW = elements(".//*[@data-asin]")
_NAMED_IN_TEMPLATES = elements("//template//*[@data-asin]")
_CONTAINERS = elements('//*[contains(@class, "s-card-container") or contains(@class, "puis-card-container")]')
_CONTAINERS_BELOW = elements('.//*[contains(@class, "card-container")]')
_ITEM_NAMES = strings("descendant-or-self::*/@data-csa-c-item-id")
_LINKS = strings('.//a[contains(@href, "dp") or contains(@href, "product")]/@href')


def find_tiles(root: Element, text: str) -> list[tuple[str, Element]]:
    """The listing's own cards with their ASINs, in the page's order, each once.

    A product that stands on the page twice (once as an advertisement) is two cards; a tile inside a tile, or the same
    tile again, is none. But what the layout calls a result of the listing, with a place or a product of its own, is a card
    wherever it stands: a tag before it was never closed. Carousels ("trending now") are not the listing's. A fragment may be one
    card without its tile.
    """
    found: list[tuple[str, Element]] = []
    seen: set[tuple[str, str]] = set()
    # One set instead of a walk up from each element: the walk costs the depth of the page every time.
    passed = set(_NAMED_IN_TEMPLATES(root))
    inside: set[Element] = set()
    for element in _NAMED(root):
        asin = (element.get("data-asin") or "").strip()
        if element in passed or not _ASIN.fullmatch(asin) or not _is_tile(element):
            continue
        place = _place(element)
        if element in inside and not (_is_result(element) and (place or all(asin != other for other, _ in seen))):
            continue
        inside.update(() if element in inside else _NAMED_BELOW(element))
        if place and (asin, place) in seen:
            continue
        seen.add((asin, place))
        found.append((asin, element))
    return found or _lone_cards(root, text)


def count_nameless(root: Element) -> int:
    """Results of the listing whose number is none of a product's; a tile without any belongs to the page, not to the listing."""
    numbers = ((element.get("data-asin") or "").strip() for element in _RESULTS(root))
    return sum(bool(number) and not _ASIN.fullmatch(number) for number in numbers)


def _place(element: Element) -> str:
    """What tells two tiles of one product apart, or "" for a tile that does not say."""
    if element.tag == "li" and _RESULT_ID.fullmatch(element.get("id") or ""):
        return element.get("id") or ""
    return element.get("data-index") or element.get("data-uuid") or ""


def _is_result(element: Element) -> bool:
    """Whether the layout itself calls an element one of the listing's results."""
    if element.get("data-component-type") == "s-search-result":
        return True
    return element.tag == "li" and _RESULT_ID.fullmatch(element.get("id") or "") is not None


def _is_tile(element: Element) -> bool:
    if _is_result(element):
        return True
    classes = classes_of(element)
    return "s-asin" in classes or ("s-result-item" in classes and element.get("role") == "listitem")


def _lone_cards(root: Element, text: str) -> list[tuple[str, Element]]:
    """Cards cut out of their tiles; on a whole page such containers belong to carousels."""
    if _WHOLE_PAGE.search(text):
        return []
    found: list[tuple[str, Element]] = []
    passed: set[Element] = set()
    for container in _CONTAINERS(root):
        asin = None if container in passed else _asin_inside(container)
        if asin:
            passed.update(_CONTAINERS_BELOW(container))
            found.append((asin, container))
    return found


def _asin_inside(container: Element) -> str | None:
    for name in _ITEM_NAMES(container):
        match = _NAMED_ITEM.match(name)
        if match:
            return match[1]
    return next(filter(None, (asin_of(link) for link in _LINKS(container))), None)
