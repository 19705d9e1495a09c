"""How many pages a listing has, and where the later ones are, as its pagination says.

Its count of results says nothing of that: of "over 50,000 results" twenty pages are shown.
"""

from __future__ import annotations

import re

from lxml.etree import _Element as Element

from stj_spiders.shops.html import elements, text_of

MOST_PAGES = 400
"""Amazon shows no more of any listing; a larger number is a mistake, or a trap."""
_NUMBERS = elements(
    '//*[contains(@class, "s-pagination-item")][contains(concat(" ", @class, " "), " s-pagination-item ")]'  # the quick one first
    ' | //ul[contains(@class, "a-pagination")]/li'
    ' | //*[@id="pagn"]//*[contains(@class, "pagnLink") or contains(@class, "pagnDisabled")]'
)
_PAGE = re.compile(r"(?P<before>[?&]page=)(?P<number>\d{1,6})(?=[&#]|$)")
_COUNTED = re.compile(r"(?P<before>\bref=sr_pg_)\d+")


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


def _last_page(root: Element) -> int:
    """The highest number in the pagination; 0 where there is none."""
    texts = ((text_of(one) or "").strip() for one in _NUMBERS(root))
    return max((int(one) for one in texts if one.isdecimal() and len(one) < 6), default=0)


def _numbered(url: str, number: int) -> str:
    return _COUNTED.sub(rf"\g<before>{number}", _PAGE.sub(rf"\g<before>{number}", url, count=1))
