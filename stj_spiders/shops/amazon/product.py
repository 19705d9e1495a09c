"""A product's own page as data: what it is, where the shop files it, and every picture of its gallery."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

from lxml.etree import _Element as Element

from stj_core.shops.amazon import asin_of, fold_image_url
from stj_spiders.shops.amazon.brands import brand_in
from stj_spiders.shops.amazon.card import price_text
from stj_spiders.shops.amazon.pictures import absolute, picture_of
from stj_spiders.shops.amazon.values import read_price
from stj_spiders.shops.amazon.verdict import judge_tree, product_title
from stj_spiders.shops.html import by_id, classes_of, clean, elements, parse_html, strings, text_of
from stj_spiders.shops.pages import Picture, Product, Verdict

__all__ = ["Picture", "Product", "parse_product"]

_ASIN = re.compile(r"[A-Z0-9]{10}")
_PARENT = re.compile(r"""["']parentAsin["']\s*:\s*["']([A-Z0-9]{10})["']""")
_GALLERY = re.compile(r"""["']colorImages["']\s*:\s*\{\s*["']initial["']\s*:\s*(?=\[)""")
# A page has one gallery of its own; a few more tries are for pages that name it before they fill it.
_TRIES = 8
_CANONICAL = strings('//link[@rel="canonical"]/@href')
_BREADCRUMB = elements('//*[@id="wayfinding-breadcrumbs_feature_div" or @id="wayfinding-breadcrumbs_container"]//a')
_ANY_BREADCRUMB = elements('//*[contains(@class, "a-breadcrumb")]//a')
_ASKED = elements('//span[contains(@class, "priceToPay") or contains(@class, "apexPriceToPay")]')
_CORE_PRICES = elements('//*[starts-with(@id, "corePrice") or @id="apex_desktop"]//span[contains(@class, "a-price")]')
_OLD_PRICES = elements(
    '//*[@id="priceblock_ourprice" or @id="priceblock_dealprice" or @id="priceblock_saleprice" or @id="price_inside_buybox"]'
)
_BRAND_ROW = elements('//tr[contains(@class, "po-brand")]/td[2]')
_MAIN_PICTURE = elements('//img[@id="landingImage" or @id="imgBlkFront" or @id="ebooksImgBlkFront"]')
_THUMBNAILS = elements(
    '//*[@id="altImages"]//li[contains(@class, "item")][not(contains(@class, "videoThumbnail"))]//img'
)
# What stands around the brand's name in the line below the title.
_BYLINE = (
    re.compile(
        r"^(?:brand|marke|marque|marca|merk|märke|marka|ब्रांड|ブランド|品牌|العلامة التجارية)\s*[:：]\s*(?P<name>.+)$",
        re.IGNORECASE,
    ),
    re.compile(r"^visit the (?P<name>.+) store$", re.IGNORECASE),
    re.compile(r"^besuche?n? (?:sie )?den (?P<name>.+)-store$", re.IGNORECASE),
    re.compile(
        r"^(?:visiter la boutique|visita la tienda de|visita lo store di|visite a loja) (?P<name>.+)$", re.IGNORECASE
    ),
    re.compile(r"^(?P<name>.+?)(?:のストアを表示|\s*स्टोर पर जाएं)$"),
)
_BRAND_QUERIES = ("field-brandtextbin", "field-lbr_brands_browse-bin")


def parse_product(text: str, url: str, status: int = 200) -> Product:
    """Read a product's page.

    Args:
        text: the decoded body, whatever it is.
        url: its address; links are read from there.
        status: its HTTP status, for a page whose content does not say what it is.
    """
    tree = parse_html(text)
    root = tree.root
    title = product_title(root)
    verdict = judge_tree(tree, text, url, status, has_content=title is not None)
    if verdict is not Verdict.OK:
        return Product(verdict)
    price, currency = _price(root, url)
    parent = _PARENT.search(text)
    return Product(
        verdict=verdict,
        asin=_asin(root, url),
        parent_asin=parent[1] if parent else None,
        title=title,
        brand=_brand(root),
        breadcrumb=tuple(filter(None, map(text_of, _BREADCRUMB(root) or _ANY_BREADCRUMB(root)))),
        price=price,
        currency=currency,
        pictures=_pictures(root, text, url),
    )


def _asin(root: Element, url: str) -> str | None:
    for field in by_id(root, "ASIN"):
        value = (field.get("value") or "").strip()
        if _ASIN.fullmatch(value):
            return value
    return next(filter(None, map(asin_of, [*_CANONICAL(root), url])), None)


def _brand(root: Element) -> str | None:
    """The brand of the attribute table, else of the line below the title, whose wording is known or whose link names it."""
    for cell in _BRAND_ROW(root):
        named = brand_in(text_of(cell))
        if named:
            return named
    for line in by_id(root, "bylineInfo"):
        printed = text_of(line) or ""
        for wording in _BYLINE:
            match = wording.match(printed)
            named = brand_in(match["name"]) if match else None
            if named:
                return named
        linked = brand_in(_brand_in_link(line.get("href") or ""))
        if linked:
            return linked
    return next(filter(None, (brand_in(text_of(one)) for one in by_id(root, "brand"))), None)


def _brand_in_link(link: str) -> str | None:
    try:
        asked = parse_qs(urlsplit(link).query, max_num_fields=50)
    except ValueError:
        return None
    return next((clean(asked[name][0]) for name in _BRAND_QUERIES if name in asked), None)


def _price(root: Element, url: str) -> tuple[float | None, str | None]:
    for span in [*_ASKED(root), *_CORE_PRICES(root), *_OLD_PRICES(root)]:
        classes = classes_of(span)
        if "a-text-price" in classes or span.get("data-a-strike"):
            continue
        amount, currency = read_price(price_text(span), url)
        if amount is not None:
            return amount, currency
    return None, None


def _pictures(root: Element, text: str, url: str) -> tuple[Picture, ...]:
    """The gallery that the page's script reads; a page without one shows its main picture and the small ones beside it."""
    gallery = _gallery(text)
    addresses = (_best(entry) for entry in gallery) if gallery else _shown(root, url)
    found: dict[str, Picture] = {}
    for address in addresses:
        whole = absolute(address, url)
        if whole:
            key = fold_image_url(whole)
            found.setdefault(key, Picture(whole, key))
    return tuple(found.values())


def _gallery(text: str) -> list[dict[str, object]]:
    decoder = json.JSONDecoder()
    for _, found in zip(range(_TRIES), _GALLERY.finditer(text), strict=False):
        try:
            entries, _end = decoder.raw_decode(text, found.end())
        except (ValueError, RecursionError):
            continue
        pictures = [entry for entry in entries if isinstance(entry, dict)]
        if pictures:
            return pictures
    return []


def _best(entry: dict[str, object]) -> str | None:
    """The address of the best size: `hiRes`, else `large` (the original, then), else the largest of `main`."""
    high = entry.get("hiRes")
    if isinstance(high, str) and high:
        return high
    large = entry.get("large")
    return large if isinstance(large, str) and large else _largest(entry.get("main"))


def _largest(sizes: object) -> str | None:
    """The address with most pixels of `{address: [height, width]}`."""
    if not isinstance(sizes, dict):
        return None
    measured = {address: _pixels(size) for address, size in sizes.items() if isinstance(address, str)}
    return max(measured, key=lambda address: measured[address], default=None)


def _pixels(size: object) -> float:
    if isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) for side in size):
        return float(size[0] * size[1])
    return 0.0


def _shown(root: Element, url: str) -> Iterator[str | None]:
    for image in _MAIN_PICTURE(root):
        yield image.get("data-old-hires") or _largest(_sizes(image)) or picture_of(image, url)
    for image in _THUMBNAILS(root):
        small = picture_of(image, url)
        # A thumbnail without its size is the picture itself.
        yield fold_image_url(small) if small else None


def _sizes(image: Element) -> object:
    try:
        return json.loads(image.get("data-a-dynamic-image") or "null")
    except (ValueError, RecursionError):
        return None
