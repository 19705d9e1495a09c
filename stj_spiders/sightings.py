"""From what a page shows to what the catalogue keeps of it; a card that says nothing about its label has a reason."""

from __future__ import annotations

from collections.abc import Sequence

from stj_catalog.intake import CardSighting, NextPage
from stj_core.labels import Category
from stj_core.shops.shop import SHOPS
from stj_core.vocabulary import Reason
from stj_spiders.shops.pages import Card, Product

# The products of a listing page come between it and the next one; no page has more cards.
_PRODUCTS_A_PAGE = 1000


def listing_sightings(cards: Sequence[Card], category: Category, origin: str) -> list[CardSighting]:
    """The cards of a listing page, in the page's order."""
    return [
        CardSighting(
            position=position,
            image_key=card.image_key,
            image_url=card.image_url,
            asin=card.asin,
            title=card.title,
            brand=card.brand,
            product_url=SHOPS[category.shop].product_url(origin, card.asin) if card.asin else card.product_url,
            price=card.price,
            currency=card.currency,
            rating=card.rating,
            sponsored=bool(card.sponsored),
            reason=doubt(category, card.title, card.image_key, sponsored=bool(card.sponsored)),
        )
        for position, card in enumerate(cards, 1)
    ]


def gallery_sightings(product: Product, category: Category, origin: str) -> list[CardSighting]:
    """The pictures of a product's page; its title and its department may contradict the category.

    A page without a picture has one row all the same: what it says counts for the pictures by which listings show it.
    """
    department = product.breadcrumb[-1] if product.breadcrumb else ""
    said = f"{product.title or ''} {department}".strip()
    contradicted = category.contradiction(said) is not None
    return [
        CardSighting(
            position=position,
            image_key=picture.image_key if picture else None,
            image_url=picture.image_url if picture else None,
            asin=product.asin,
            parent_asin=product.parent_asin,
            title=product.title,
            brand=product.brand,
            breadcrumb=" › ".join(product.breadcrumb) or None,
            product_url=SHOPS[category.shop].product_url(origin, product.asin) if product.asin else None,
            price=product.price,
            currency=product.currency,
            reason=Reason.TITLE_MISMATCH if contradicted else None if picture else Reason.NO_IMAGE,
        )
        for position, picture in enumerate(product.pictures or ((None,) if said else ()), 1)
    ]


def product_pages(cards: Sequence[CardSighting], listing: int) -> list[NextPage]:
    """The products' own pages, each once; cards that are not the category's lead nowhere.

    Args:
        cards: of one listing page.
        listing: its number.
    """
    wanted = (card.product_url for card in cards if card.asin and card.reason in {None, Reason.NO_IMAGE})
    addresses = dict.fromkeys(filter(None, wanted))
    first = _PRODUCTS_A_PAGE * listing
    return [NextPage("product", first + place, url) for place, url in enumerate(addresses)]


def doubt(category: Category, title: str | None, picture: str | None, *, sponsored: bool) -> Reason | None:
    """Why a card says nothing about the label of its picture, or None if it does."""
    if picture is None:
        return Reason.NO_IMAGE
    if sponsored:
        return Reason.SPONSORED
    if not title:
        return Reason.TITLE_MISSING
    return Reason.TITLE_MISMATCH if category.contradiction(title) else None
