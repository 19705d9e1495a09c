"""The corner shop's pages: `<article data-number=…>` on a shelf, with `rel=next` behind it."""

from __future__ import annotations

from urllib.parse import urljoin

from stj_spiders.shops.html import elements, read_tree, strings, text_of
from stj_spiders.shops.pages import Card, Ending, Kind, Listing, Product, Verdict
from tests.spiders.corner_shop.addresses import fold_image_url

PARSER = "corner-1"
CONDITIONS = "The corner shop asks to be asked."
_ARTICLES = elements("//article[@data-number]")
_PICTURE = strings(".//img/@src")
_NEXT = strings('//a[@rel="next"]/@href')
_DOOR = strings('//form[@id="who-is-there"]/@id')


def parse_listing(text: str, url: str, status: int = 200) -> Listing:
    """Read a shelf."""
    root = read_tree(text)
    cards = []
    for position, article in enumerate(_ARTICLES(root), 1):
        picture = next((urljoin(url, one) for one in _PICTURE(article)), None)
        heading = article.find(".//h3")
        cards.append(
            Card(
                asin=article.get("data-number") or "",
                title=None if heading is None else text_of(heading),
                brand=None,
                product_url=None,
                image_url=picture,
                image_key=fold_image_url(picture) if picture else None,
                srcset=None,
                price=None,
                currency=None,
                rating=None,
                position=position,
                sponsored=False,
            )
        )
    following = next((urljoin(url, one) for one in _NEXT(root)), None)
    return Listing(
        judge(text, url, status), following, None, tuple(cards), None if following or not cards else Ending.NO_NEXT
    )


def parse_product(text: str, url: str, status: int = 200) -> Product:
    """Items have no pages that are worth a look."""
    return Product(judge(text, url, status, "product"))


def judge(text: str, url: str = "", status: int = 200, kind: Kind = "listing") -> Verdict:
    """A closed door is a robot check."""
    root = read_tree(text)
    if _DOOR(root):
        return Verdict.ROBOT_CHECK
    return Verdict.OK if _ARTICLES(root) else Verdict.EMPTY


def promises_script(text: str) -> bool:
    """The corner shop has no scripts."""
    return False
