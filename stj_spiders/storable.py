"""The one place behind the parsers where what a shop says is bounded and made storable.

Pages come from strangers. Whatever stands in them, what goes on from here is text of bounded length that any database,
terminal and file takes, addresses that can be asked for, and numbers in range. What cannot be used becomes None, and
nothing here ever fails.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from urllib.parse import urlsplit

from stj_core.text import clean
from stj_spiders.shops.pages import Card, Listing, Picture, Product

MOST_TITLE = 1_000
MOST_NAME = 200
MOST_NUMBER = 64
MOST_ADDRESS = 8_192
MOST_DEPARTMENTS = 20
MOST_PICTURES = 500
MOST_RESULTS = 10**12
MOST_PRICE = 1e12
_IN_ADDRESS = re.compile("[\0-\x20\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def text(value: str | None, most: int) -> str | None:
    """`value` on one line, without what cannot be stored or would not be seen, and at most `most` characters long."""
    return (clean(value, most) or None) if value is not None else None


def address(value: str | None) -> str | None:
    """`value` if it is an http address that can be asked for, else None."""
    if value is None or len(value) > MOST_ADDRESS or _IN_ADDRESS.search(value):
        return None
    try:
        parts = urlsplit(value)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        host = (parts.hostname or "").encode("idna") if not (parts.hostname or "").isascii() else b"-"
    except ValueError:
        return None
    return value if usable and host else None


def number(value: float | None, least: float, most: float) -> float | None:
    """`value` if it is in range, else None."""
    return value if value is not None and math.isfinite(value) and least <= value <= most else None


def storable_listing(listing: Listing) -> Listing:
    """A listing that can be stored, whatever its page said."""
    total, next_url = listing.total_results, address(listing.next_url)
    unusable = listing.unusable_next if listing.next_url is None or next_url is not None else listing.next_url
    return replace(
        listing,
        next_url=next_url,
        unusable_next=clean(unusable, MOST_TITLE) if unusable is not None else None,
        total_results=total if total is not None and 0 <= total <= MOST_RESULTS else None,
        cards=tuple(map(_card, listing.cards)),
        later=tuple((number, url) for number, url in listing.later if address(url)),
    )


def storable_product(product: Product) -> Product:
    """A product that can be stored, whatever its page said."""
    departments = (text(one, MOST_NAME) for one in product.breadcrumb[:MOST_DEPARTMENTS])
    return replace(
        product,
        asin=text(product.asin, MOST_NUMBER),
        parent_asin=text(product.parent_asin, MOST_NUMBER),
        title=text(product.title, MOST_TITLE),
        brand=text(product.brand, MOST_NAME),
        breadcrumb=tuple(filter(None, departments)),
        price=number(product.price, 0, MOST_PRICE),
        currency=text(product.currency, MOST_NUMBER),
        pictures=tuple(filter(None, map(_picture, product.pictures[:MOST_PICTURES]))),
    )


def _card(card: Card) -> Card:
    image_url, image_key = address(card.image_url), address(card.image_key)
    pictured = image_url is not None and image_key is not None
    return replace(
        card,
        asin=text(card.asin, MOST_NUMBER) or "",
        title=text(card.title, MOST_TITLE),
        brand=text(card.brand, MOST_NAME),
        product_url=address(card.product_url),
        image_url=image_url if pictured else None,
        image_key=image_key if pictured else None,
        price=number(card.price, 0, MOST_PRICE),
        currency=text(card.currency, MOST_NUMBER),
        rating=number(card.rating, 0, 5),
    )


def _picture(picture: Picture) -> Picture | None:
    usable = address(picture.image_url) and address(picture.image_key)
    return picture if usable else None
