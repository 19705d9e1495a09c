"""Which of the addresses that an `<img>` carries is the picture's."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urljoin, urlsplit

from lxml.etree import _Element as Element

from stj_spiders.shops.pages import Card

# /images/G/ holds the shop's own graphics: grey pixels, badges, logos.
_OF_A_PRODUCT = re.compile(r"/images/(?:I|S|P|W)/")
_PLACEHOLDER = re.compile(r"(?:grey|gray|transparent|blank)[-_]?pixel|/images/G/|/loading", re.IGNORECASE)
# What the shop shows in place of a picture that it does not have. Picture ids begin with a size: 01 is an icon's, and
# an icon in GIF is no photograph of a product.
_NO_PICTURE = re.compile(
    r"/images/(?:I|S|P)/(?:01RmK(?:\+|%2B)J4pJL|01MKUOLsA5L|01[^/.]{6,}\.(?:[^/]*\.)?gif\b)"
    r"|no[-_]?(?:image|img|picture|photo)(?:[-_.]|avail|$)|image[-_]?(?:not[-_]?available|unavailable|coming[-_]?soon|missing)"
    r"|(?:default|missing|dummy)[-_]?(?:image|picture|photo)|[-_/]placeholder\b",
    re.IGNORECASE,
)
# So many products of one page do not share a photograph: what they share is the shop's own.
_MANY_PRODUCTS = 3
# Lazily loaded pictures keep a placeholder in src.
_SOURCES = ("data-src", "data-lazy-src", "src")
_SETS = ("data-srcset", "srcset")


def absolute(address: str | None, base: str) -> str | None:
    """`address` as seen from `base`, if that is an http address; None for scripts, data and rubbish."""
    if not address:
        return None
    try:
        address = address.strip()
        # Joining costs two more splits, and nearly every address of a large shop is whole.
        joined = address if address.startswith(("https://", "http://")) else urljoin(base, address)
        parts = urlsplit(joined)
        # A port that is no number, or too large a one, is only noticed when it is asked for.
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return None
    return joined if usable else None


def picture_of(image: Element, base: str) -> str | None:
    """The picture's address: a product picture before anything else, never a placeholder.

    A page that a browser saved names a local copy in `src`; its `srcset` still has the true address.
    """
    other = None
    for offered in _offered(image):
        address = absolute(offered, base)
        if address and _NO_PICTURE.search(address):
            return None
        if address and _OF_A_PRODUCT.search(address):
            return address
        if address and other is None and not _PLACEHOLDER.search(address):
            other = address
    return other


def shared_by_many(cards: Iterable[Card]) -> set[str]:
    """The pictures, by identity, that stand under so many products of a page that they are none of them's."""
    products: dict[str, set[str]] = {}
    for card in cards:
        if card.image_key:
            products.setdefault(card.image_key, set()).add(card.asin)
    return {key for key, numbers in products.items() if len(numbers) >= _MANY_PRODUCTS}


def srcset_of(image: Element) -> str | None:
    """The `srcset`, as the page has it."""
    return next((value.strip() for value in map(image.get, _SETS) if value and value.strip()), None)


def addresses_in(srcset: str | None) -> list[str]:
    """The addresses of a srcset; commas inside an address belong to it."""
    words = (word.rstrip(",") for word in (srcset or "").split())
    return [word for word in words if "/" in word]


def _offered(image: Element) -> Iterator[str]:
    yield from filter(None, map(image.get, _SOURCES))
    yield from addresses_in(srcset_of(image))
