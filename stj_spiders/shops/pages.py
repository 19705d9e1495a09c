"""What every shop's pages come to: the words for an answer, a listing with its cards, a product with its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

Kind = Literal["listing", "product"]


class Verdict(StrEnum):
    """The one word that a page ends in, in the log and in the catalogue."""

    OK = "ok"
    EMPTY = "empty"
    ROBOT_CHECK = "robot_check"
    INTERSTITIAL = "interstitial"
    CHALLENGE = "challenge"
    SIGN_IN = "sign_in"
    UNAVAILABLE = "unavailable"
    INCOMPLETE = "incomplete"


# The verdicts of a page that was read.
READ = frozenset({Verdict.OK, Verdict.EMPTY})
# The shop turned us away. What is neither is a page that did not come whole, or not at all: worth asking again.
BLOCKS = frozenset(Verdict) - READ - {Verdict.INCOMPLETE}


class Ending(StrEnum):
    """By which mark of its own a listing ends on a page."""

    NO_RESULTS = "no_results"
    NEXT_DISABLED = "next_disabled"
    NO_NEXT = "no_next"


@dataclass(frozen=True, slots=True)
class Card:
    """What a card of a listing says; None where it says nothing.

    Attributes:
        asin: the product's number, as the shop counts.
        title: without the mark of an advertisement.
        brand: only where the card prints it apart from the title.
        product_url: absolute, as linked (an advertisement's is a redirect).
        image_url: absolute, in the size that the card shows.
        image_key: `image_url` without its size: the picture's identity.
        srcset: the attribute as it stands on the page.
        price: the amount asked, the lower end of a range; never the crossed-out one.
        currency: ISO 4217 code.
        rating: stars out of five.
        position: 1 for the page's first card, in the page's order.
        sponsored: whether the shop was paid to show it.
    """

    asin: str
    title: str | None
    brand: str | None
    product_url: str | None
    image_url: str | None
    image_key: str | None
    srcset: str | None
    price: float | None
    currency: str | None
    rating: float | None
    position: int
    sponsored: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """What a listing page holds; a page whose verdict is not `ok` holds no cards.

    Attributes:
        next_url: the page after it.
        total_results: how many results the listing says it has.
        cards: in the page's order.
        ending: the mark that the listing ends here; None where it goes on, or where the page does not say.
        unusable_next: what the page names as the one after it, where that is nothing that could be asked for.
        nameless: results of the page that are no cards because what they carry is no product's number.
        later: number and address of the pages after the next one, as far as the page says how many there are.
    """

    verdict: Verdict
    next_url: str | None
    total_results: int | None
    cards: tuple[Card, ...]
    ending: Ending | None = None
    unusable_next: str | None = None
    nameless: int = 0
    later: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture of the gallery: its address in the best size that the page names, and its identity."""

    image_url: str
    image_key: str


@dataclass(frozen=True, slots=True)
class Product:
    """What a product's page says; None where it says nothing, and nothing at all unless the verdict is `ok`.

    Attributes:
        asin: the product's number.
        parent_asin: the number that its sizes and colours share.
        breadcrumb: the departments above it, outermost first.
        price: the amount asked, in `currency` (ISO 4217).
        pictures: the gallery in the page's order, each picture once.
    """

    verdict: Verdict
    asin: str | None = None
    parent_asin: str | None = None
    title: str | None = None
    brand: str | None = None
    breadcrumb: tuple[str, ...] = ()
    price: float | None = None
    currency: str | None = None
    pictures: tuple[Picture, ...] = ()
