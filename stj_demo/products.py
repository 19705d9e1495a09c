"""What the shop sells: products, and the listings that show them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from random import Random

from stj_demo.pictures import Picture
from stj_demo.sources import Source
from stj_demo.titles import price_for

CARDS_PER_PAGE = 48
ADS_PER_PAGE = 4
_CODE = "0123456789ABCDEFGHJKLMNPQRSTUVWXYZ"
_PICTURE_CODE = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz+-"


@dataclass(frozen=True)
class Product:
    """One thing for sale; the first picture is the one in listings."""

    asin: str
    title: str
    brand: str
    label: int
    price: int
    crossed_out: int
    stars: float
    ratings: int
    pictures: tuple[Picture, ...]

    @property
    def picture(self) -> Picture | None:
        """The picture in listings, if there is one."""
        return self.pictures[0] if self.pictures else None

    @property
    def slug(self) -> str:
        """The readable part of the product's address."""
        words = "".join(letter if letter.isalnum() else " " for letter in f"{self.brand} {self.title}").split()
        return "-".join(words[:6])

    @property
    def path(self) -> str:
        """The address of the detail page."""
        return f"/{self.slug}/dp/{self.asin}"


@dataclass(frozen=True)
class Card:
    """A product as one listing shows it; `position` counts from 1 over the whole listing."""

    product: Product
    position: int
    sponsored: bool = False


class Case(StrEnum):
    """What was planted on purpose."""

    EXACT_COPY = "exact_copy"
    RESIZED_COPY = "resized_copy"
    TWO_CATEGORIES = "two_categories"
    SPONSORED = "sponsored"
    SPONSORED_ELSEWHERE_ORGANIC = "sponsored_elsewhere_organic"
    NO_PICTURE = "no_picture"
    TRUNCATED = "truncated"
    HTML = "html"
    TITLE_MISMATCH = "title_mismatch"
    TINY = "tiny"
    PLACEHOLDER = "placeholder"


@dataclass(frozen=True)
class Planted:
    """One planted case.

    Attributes:
        case: what is wrong.
        labels: the listings that show it.
        asins: the product, and after it the product that it copies.
        pictures: the addresses of the same products' pictures, without a size.
    """

    case: Case
    labels: tuple[int, ...]
    asins: tuple[str, ...]
    pictures: tuple[str, ...] = ()


@dataclass(frozen=True)
class Page:
    """One page of a listing."""

    label: int
    number: int
    pages: int
    total: int
    cards: tuple[Card, ...]


@dataclass
class Stock:
    """Everything in the shop.

    Attributes:
        listings: per label, what its listing shows of itself, in order.
        ads: per label, what others pay to be shown there.
        planted: the cases that were planted.
    """

    listings: dict[int, list[Product]] = field(default_factory=dict)
    ads: dict[int, list[Product]] = field(default_factory=dict)
    planted: list[Planted] = field(default_factory=list)

    def products(self) -> dict[str, Product]:
        """All products by ASIN."""
        shelves = [*self.listings.values(), *self.ads.values()]
        return {product.asin: product for shelf in shelves for product in shelf}

    def pictures(self) -> list[Picture]:
        """All pictures, each once."""
        return list(dict.fromkeys(picture for product in self.products().values() for picture in product.pictures))

    def page(self, label: int, number: int) -> Page:
        """A page of a listing: own products, and advertisements in their usual places; empty beyond the last."""
        own, ads = self.listings[label], self.ads.get(label, [])
        shown = ads_of_page(ads, number)
        room = CARDS_PER_PAGE - len(shown)
        cards = _mix(own[(number - 1) * room : number * room], shown) if 0 < number <= -(-len(own) // room) else []
        first = (number - 1) * CARDS_PER_PAGE + 1
        placed = tuple(Card(product, first + i, sponsored) for i, (product, sponsored) in enumerate(cards))
        return Page(label, number, -(-len(own) // room), len(own), placed)


def ads_of_page(ads: Sequence[Product], number: int) -> list[Product]:
    """The advertisements of one page: they take turns, so that each comes back every few pages."""
    count = min(ADS_PER_PAGE, len(ads))
    return [ads[((number - 1) * count + i) % len(ads)] for i in range(count)]


def _mix(own: Sequence[Product], ads: Sequence[Product]) -> list[tuple[Product, bool]]:
    """Half of the advertisements on top, the others in the middle."""
    top, middle = ads[: len(ads) // 2], ads[len(ads) // 2 :]
    half = min(len(own), CARDS_PER_PAGE // 2)
    parts = ((top, True), (own[:half], False), (middle, True), (own[half:], False))
    return [(product, sponsored) for part, sponsored in parts for product in part]


class Maker:
    """Makes products whose every detail follows from the seed and a name."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def random(self, name: str) -> Random:
        """A generator of its own for each name, so that adding a product changes no other."""
        return Random(f"{self._seed}:{name}")

    def code(self, name: str, alphabet: str, length: int) -> str:
        """`length` letters that belong to `name`."""
        number = int.from_bytes(hashlib.sha256(f"{self._seed}:{name}".encode()).digest())
        letters = []
        for _ in range(length):
            number, rest = divmod(number, len(alphabet))
            letters.append(alphabet[rest])
        return "".join(letters)

    def picture(
        self, name: str, source: Source, extension: str = "jpg", *, fixed: bool = False, header: str = ""
    ) -> Picture:
        """A picture with an id as Amazon gives them."""
        return Picture(f"71{self.code(name, _PICTURE_CODE, 8)}L", extension, source, header, fixed)

    def product(self, name: str, label: int, title: str, brand: str, pictures: Sequence[Picture]) -> Product:
        """A product with an ASIN, a price and stars of its own."""
        random = self.random(f"product {name}")
        price, crossed_out = price_for(random)
        return Product(
            asin=f"B0{self.code(name, _CODE, 8)}",
            title=title,
            brand=brand,
            label=label,
            price=price,
            crossed_out=crossed_out,
            stars=round(random.uniform(2.9, 4.8), 1),
            ratings=int(random.paretovariate(0.6) * 3) % 20_000 + 1,
            pictures=tuple(pictures),
        )
