"""How many pages a listing has, and where the later ones are, as its pagination says.

Its count of results says nothing of that: of "over 50,000 results" twenty pages are shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from lxml.etree import _Element as Element

from stj_spiders.shops.amazon.pictures import absolute
from stj_spiders.shops.html import elements, text_of

MOST_PAGES = 400
"""Amazon shows no more of any listing; a larger number is a mistake, or a trap."""
_NUMBERS = elements(
    '//*[contains(@class, "s-pagination-item")][contains(concat(" ", @class, " "), " s-pagination-item ")]'  # the quick one first
    ' | //ul[contains(@class, "a-pagination")]/li'
    ' | //*[@id="pagn"]//*[contains(@class, "pagnLink") or contains(@class, "pagnDisabled")]'
)
_PAGE = re.compile(r"(?P<before>[?&]page=)(?P<number>\d{1,6})(?=[&#]|$)")
_MOST_DIGITS = 6
_OF_THE_VISIT = frozenset({"qid", "ref", "ref_", "xpid", "crid", "sprefix", "ds", "rdc"})
_PAGE_LINKS = elements('//a[contains(@href, "page=")] | //link[@rel="next"][@href]')
_COUNTED = re.compile(r"(?P<before>\bref=sr_pg_)\d+")


@dataclass(frozen=True, slots=True)
class _Listing:
    """Which listing an address is of, and which page of it."""

    path: str
    query: Mapping[str, str]
    number: int


def later_pages(root: Element, next_url: str | None) -> tuple[tuple[int, str], ...]:
    """Number and address of the pages after the next one.

    The addresses are the next page's with another number; where that has none, nothing is known of the later ones.

    Args:
        root: the page.
        next_url: the page after it.
    """
    found = _PAGE.search(next_url or "")
    if next_url is None or found is None:
        return ()
    following = int(found["number"])
    last = min(_last_page(root), MOST_PAGES)
    return tuple((number, _numbered(next_url, number)) for number in range(following + 1, last + 1))


def numbered_next(root: Element, url: str) -> str | None:
    """The page after this one by its number alone, where no layout that is known names a next one.

    It is a link that says that it is the next, or one to the same listing with the number after this page's: a listing that
    links to its second page does not end on its first.

    Args:
        root: the page.
        url: its address.
    """
    here = _listing_of(url)
    if here is None:
        return None
    for link in _PAGE_LINKS(root):
        address = absolute(link.get("href") or "", url)
        there = _listing_of(address) if address else None
        if there is None or there.number != here.number + 1 or there.path != here.path:
            continue
        says_so = "next" in (link.get("rel") or "").split()
        if says_so or all(here.query.get(name, value) == value for name, value in there.query.items()):
            return address
    return None


def _listing_of(url: str) -> _Listing | None:
    """A listing's address, taken apart; None for what is none."""
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query, max_num_fields=50))
    except ValueError:
        return None
    number = query.pop("page", "1")
    if not number.isdecimal() or len(number) > _MOST_DIGITS:
        return None
    # What changes from page to page, or from visit to visit, says nothing of the listing.
    kept = {name: value for name, value in query.items() if name not in _OF_THE_VISIT}
    return _Listing(parts.path.partition("/ref=")[0], kept, int(number))


def _last_page(root: Element) -> int:
    """The highest number in the pagination; 0 where there is none."""
    texts = ((text_of(one) or "").strip() for one in _NUMBERS(root))
    return max((int(one) for one in texts if one.isdecimal() and len(one) < 6), default=0)


def _numbered(url: str, number: int) -> str:
    return _COUNTED.sub(rf"\g<before>{number}", _PAGE.sub(rf"\g<before>{number}", url, count=1))
