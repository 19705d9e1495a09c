"""Read one card of a listing: title, brand, price, rating, picture, and whether it is an advertisement."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator
from itertools import chain
from urllib.parse import unquote

from lxml.etree import _Element as Element

from stj_core.shops.amazon import fold_image_url
from stj_spiders.shops.amazon.brands import brand_in, starts_with_brand
from stj_spiders.shops.amazon.parts import Parts, find_parts
from stj_spiders.shops.amazon.pictures import absolute, picture_of, srcset_of
from stj_spiders.shops.amazon.values import read_price, read_rating
from stj_spiders.shops.html import classes_of, clean, text_of, title_of
from stj_spiders.shops.pages import Card

_DETAIL = re.compile(r"/(?:dp|gp/product|gp/aw/d|exec/obidos/ASIN)/|%2Fdp%2F|%2Fgp%2Fproduct%2F", re.IGNORECASE)
_AD_LINKS = ("/sspa/click", "/gp/slredirect/", "picassoRedirect")
# "Sponsored", as the shops of other countries print it.
_AD_WORDS = (
    r"sponsored|gesponse?r[dt]e?|sponsoris[ée]e?|patrocinad[oa]|sponsorizzat[oa]|sponsrad|sponset|sponsorowan[ey]|sponsorlu"
    r"|スポンサー|贊助|赞助|推廣|推广|प्रायोजित|சான்சர்|ممول(?:ة)?|إعلان مُمول"
)
_AD_WORD = re.compile(rf"\[?(?:{_AD_WORDS})\]?", re.IGNORECASE)
# In front of a title: Sponsored Ad - ..., [Gesponsert]..., 贊助廣告 - ...
_AD_PREFIX = re.compile(
    rf"^(?:\[(?:{_AD_WORDS})\]\s*|(?:{_AD_WORDS})(?:\s*(?:ad|anzeige|廣告|广告|広告|प्रोडक्ट|विज्ञापन))?\s+[-–:]\s+)",
    re.IGNORECASE,
)
# Where the words of a product's address begin: after the host, or after url= in an advertisement's link.
_SLUG = re.compile(r"(?<![:/])/(?!/)|[?&]url=/")
_BY = frozenset({"by", "von", "de", "di", "par", "da", "door", "av", "od", "por"})


def read_card(asin: str, tile: Element, position: int, base: str, others: Collection[Element] = ()) -> Card:
    """Read the card in `tile`.

    Args:
        asin: its product's number.
        tile: its element.
        position: 1 for the page's first card.
        base: the address that its links start from.
        others: the other cards' elements; an unclosed tag puts those that follow inside this one.
    """
    parts = find_parts(tile, others)
    if parts.bare:
        return Card(asin, None, None, None, None, None, None, None, None, None, position, parts.marked)
    heading = _title_heading(parts.headings)
    image = _image(parts)
    image_url = None if image is None else picture_of(image, base)
    price, currency = _price(parts, base)
    product_url = _product_url(asin, heading, parts, base)
    return Card(
        asin=asin,
        title=_title(heading, parts),
        brand=_brand(heading, parts, product_url, is_row=tile.tag == "li"),
        product_url=product_url,
        image_url=image_url,
        image_key=fold_image_url(image_url) if image_url else None,
        srcset=None if image is None or image_url is None else srcset_of(image),
        price=price,
        currency=currency,
        rating=next((stars for stars in (read_rating(text_of(one)) for one in parts.stars) if stars is not None), None),
        position=position,
        sponsored=_is_sponsored(parts),
    )


def _product_url(asin: str, heading: Element | None, parts: Parts, base: str) -> str | None:
    """The first link to the product's page; a film's title links to an edition with another number."""
    links = (link.get("href") or "" for link in parts.links)
    named = (link for link in links if asin in link and _DETAIL.search(link))
    titled = (link.get("href") for link in _title_links(heading))
    return next(filter(None, (absolute(link, base) for link in chain(named, titled))), None)


def _title_links(heading: Element | None) -> Iterator[Element]:
    if heading is not None:
        parent = heading.getparent()
        if parent is not None and parent.tag == "a":
            yield parent
        yield from heading.iter("a")


def _title_heading(headings: list[Element]) -> Element | None:
    """The heading that links to the product; a card's other one is its brand."""
    for heading in headings:
        if heading.get("aria-label") or "s-access-title" in classes_of(heading) or _linked(heading):
            return heading
    return headings[0] if len(headings) == 1 else None


def _linked(heading: Element) -> bool:
    return next(_title_links(heading), None) is not None


def _title(heading: Element | None, parts: Parts) -> str | None:
    if heading is None:
        printed = next((link.get("title") for link in parts.links if "s-access-detail-page" in classes_of(link)), None)
    else:
        printed = heading.get("data-attribute") or title_of(heading) or heading.get("aria-label")
    return without_mark(printed) if printed else None


def without_mark(title: str | None) -> str | None:
    """`title` without "Sponsored Ad - " or the like in front."""
    return clean(_AD_PREFIX.sub("", clean(title) or ""))


def _brand(title: Element | None, parts: Parts, product_url: str | None, *, is_row: bool) -> str | None:
    """The brand from its own heading or row above the title (2021 and later) or from "by …" below it (the rows of 2019).

    What stands below the title in the same grey type says other things: a date, a size, a scent, a certificate. A row
    that is no heading counts only if the title, the picture's description or the product's address begins with it.
    """
    if is_row:
        return brand_in(_byline(one for one in parts.small_print if "a-color-secondary" in classes_of(one)))
    if title is None:
        return None
    place = parts.headings.index(title)
    for one in parts.headings[:place]:
        if not _linked(one):
            return brand_in(text_of(one))
    for row, headings_before in parts.rows:
        if headings_before > place or row.find(".//a") is not None or row.find(".//h2") is not None:
            continue
        brand = brand_in(text_of(row))
        if brand and not _AD_WORD.fullmatch(brand) and _named_elsewhere(brand, title, parts, product_url):
            return brand
    return None


def _named_elsewhere(brand: str, title: Element, parts: Parts, product_url: str | None) -> bool:
    said = [_title(title, parts), *(without_mark(image.get("alt")) for image in (*parts.pictures, *parts.loose))]
    path = unquote(product_url or "")
    said += [path[found.end() :] for found in _SLUG.finditer(path)]
    return any(starts_with_brand(one, brand) for one in said)


def _byline(spans: Iterable[Element]) -> str | None:
    """The name after a leading "by"; a date before it means a book, and its author is no brand."""
    words = iter(spans)
    first = next(words, None)
    second = next(words, None)
    if first is None or second is None or (text_of(first) or "").lower() not in _BY:
        return None
    return text_of(second)


def _image(parts: Parts) -> Element | None:
    """The card's main picture, never the small ones that show its colours."""
    return next(chain(parts.pictures, (image for image in parts.loose if image not in parts.swatches)), None)


def _price(parts: Parts, base: str) -> tuple[float | None, str | None]:
    for span in parts.prices:
        if _is_asked(span):
            amount, currency = read_price(price_text(span), base)
            if amount is not None:
                return amount, currency
    return None, None


def _is_asked(span: Element) -> bool:
    classes = classes_of(span)
    return (
        "a-price" in classes and "a-text-price" not in classes and not span.get("data-a-strike")
    ) or "s-price" in classes


def price_text(span: Element) -> str:
    """A price as one string: the copy for screen readers, or its symbol, whole and fraction put together."""
    whole = ""
    for part in span.iter("span"):
        classes = classes_of(part)
        if "a-offscreen" in classes:
            spoken = text_of(part)
            if spoken:
                return spoken
        elif not {"a-price-symbol", "a-price-whole", "a-price-fraction"}.isdisjoint(classes):
            whole += text_of(part) or ""
    return whole or text_of(span) or ""


def _is_sponsored(parts: Parts) -> bool:
    """By the layout's own marks, then by where the links lead, last by the word in the shop's language."""
    if parts.marked or any(mark in (link.get("href") or "") for link in parts.links for mark in _AD_LINKS):
        return True
    labels = [heading.get("aria-label") for heading in parts.headings]
    labels += [image.get("alt") for image in (*parts.pictures, *parts.loose)]
    if any(_AD_PREFIX.match(label.strip()) for label in labels if label):
        return True
    return any(_AD_WORD.fullmatch((one.text or "").strip()) for one in parts.small_print)
