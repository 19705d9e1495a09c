"""The shop's pages, in the markup that Amazon.in had in 2025 and 2026."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from stj_core.labels import Category
from stj_demo.behaviour import Behaviour, Block
from stj_demo.pictures import Picture
from stj_demo.products import CARDS_PER_PAGE, Card, Page, Product, Stock

# The five densities of a card's picture, as the shop asks for them.
_DENSITIES = (
    ("1x", "_AC_UL320_"),
    ("1.5x", "_AC_UL480_QL65_"),
    ("2x", "_AC_UL640_QL65_"),
    ("2.5x", "_AC_UL800_QL65_"),
    ("3x", "_AC_UL960_QL65_"),
)
_GALLERY_WIDTHS = (342, 385, 425, 466, 522, 569, 679)
_BLANK = "data:image/gif;base64,R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7"
_EAGER_IMAGES = 3


class Pages:
    """Renders what a visitor sees.

    Args:
        categories: the listings.
        stock: what there is to show.
        image_origin: scheme and host of the pictures.
    """

    def __init__(self, categories: tuple[Category, ...], stock: Stock, image_origin: str) -> None:
        self._categories = {category.label: category for category in categories}
        self._stock = stock
        self._image_origin = image_origin
        self._environment = Environment(
            loader=PackageLoader("stj_demo"),
            autoescape=select_autoescape(),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._environment.globals |= {
            "image": self.image_url,
            "srcset": self._srcset,
            "rupees": rupees,
            "categories": categories,
        }

    def home(self) -> str:
        """The front page: the listings that there are."""
        return self._render("home.html", stock=self._stock)

    def listing(self, page: Page, behaviour: Behaviour) -> str:
        """A listing page, or its shell where a script makes the cards."""
        shell = behaviour.script_made
        return self._render("listing.html", **self._listing_words(page), shell=shell, lazy=behaviour.lazy_images)

    def cards(self, page: Page, behaviour: Behaviour) -> str:
        """What the script of a shell fetches."""
        return self._render("cards.html", **self._listing_words(page), lazy=behaviour.lazy_images)

    def no_results(self, asked: str) -> str:
        """A listing with nothing in it."""
        return self._render("empty.html", asked=asked)

    def product(self, product: Product) -> str:
        """A detail page."""
        gallery = [self._gallery_entry(picture, index) for index, picture in enumerate(product.pictures)]
        return self._render(
            "product.html",
            product=product,
            category=self._categories[product.label],
            gallery=gallery,
            dynamic=gallery[0]["main"] if gallery else {},
            related=self._related(product),
        )

    def block(self, kind: Block, asked: str) -> str:
        """The page that a blocked visitor gets instead of `asked`, a path with its query."""
        token = base64.urlsafe_b64encode(asked.encode()).decode()
        return self._render(f"block_{kind}.html", asked=asked, token=token)

    def missing(self) -> str:
        """The page for an address that leads nowhere."""
        return self._render("missing.html")

    def image_url(self, picture: Picture, size: str = "") -> str:
        """A picture's whole address."""
        return f"{self._image_origin}{picture.path(size)}"

    def _render(self, template: str, **words: object) -> str:
        return self._environment.get_template(template).render(words)

    def _listing_words(self, page: Page) -> dict[str, object]:
        category = self._categories[page.label]
        start = (page.number - 1) * CARDS_PER_PAGE + 1
        return {
            "page": page,
            "category": category,
            "cards": [self._card_words(card, index) for index, card in enumerate(page.cards)],
            "range": f"{start}-{start + len(page.cards) - 1}",
            "page_url": lambda number: listing_path(category, number),
            "numbers": list(page_numbers(page.number, page.pages)),
        }

    def _card_words(self, card: Card, index: int) -> dict[str, object]:
        return {
            "product": card.product,
            "sponsored": card.sponsored,
            "index": index + 1,
            "position": card.position,
            "href": card_href(card),
            "eager": index < _EAGER_IMAGES,
            "blank": _BLANK,
        }

    def _srcset(self, picture: Picture) -> str:
        if picture.fixed and picture.extension == "gif":
            return ""
        return ", ".join(f"{self.image_url(picture, size)} {density}" for density, size in _DENSITIES)

    def _gallery_entry(self, picture: Picture, index: int) -> dict[str, object]:
        """One picture as the page's script lists it; every third has no large size, as happens in real shops."""
        twin = self._image_origin + picture.twin_path()
        main = {self.image_url(picture, f"_SX{width}_"): [round(width * 4 / 3), width] for width in _GALLERY_WIDTHS}
        return {
            "hiRes": self.image_url(picture, "_SL1500_") if index % 3 < 2 else None,
            "thumb": self._image_origin + picture.twin_path("_SX38_SY50_CR,0,0,38,50_"),
            "large": twin if index % 3 < 2 else self.image_url(picture),
            "main": main,
            "variant": "MAIN" if index == 0 else f"PT{index:02d}",
            "lowRes": None,
            "shoppableScene": None,
        }

    def _related(self, product: Product) -> list[Product]:
        """A few neighbours on the shelf, for the row below the product."""
        shelf = [other for other in self._stock.listings[product.label] if other.picture and other.asin != product.asin]
        return shelf[:4]


def listing_path(category: Category, number: int = 1) -> str:
    """The address of a listing page on the shop."""
    return category.listing_path if number == 1 else f"{category.listing_path}&page={number}&ref=sr_pg_{number}"


def card_href(card: Card) -> str:
    """Where a card leads: to the product, or through the counter of clicks if somebody paid for it."""
    kind = "sspa" if card.sponsored else ""
    target = f"{card.product.path}/ref=sr_1_{card.position}{'_sspa' if kind else ''}?sr=1-{card.position}"
    if not card.sponsored:
        return target
    ticket = base64.urlsafe_b64encode(f"{card.position}:{card.product.asin}:sp_atf_browse".encode()).decode()
    return "/sspa/click?" + urlencode(
        {"ie": "UTF8", "spc": ticket, "url": f"{target}-spons&psc=1"}, quote_via=quote, safe=""
    )


def page_numbers(current: int, last: int) -> Iterator[int | None]:
    """The numbers below a listing; None stands for the dots between."""
    shown = sorted({1, *range(max(1, current - 1), min(last, current + 1) + 1), last})
    before = 0
    for number in shown:
        if number > before + 1:
            yield None
        yield number
        before = number


def rupees(amount: int) -> str:
    """An amount with India's separators: ₹1,23,456."""
    digits = str(amount)
    head, tail = digits[:-3], digits[-3:]
    pairs = [head[max(0, end - 2) : end] for end in range(len(head), 0, -2)][::-1]
    return "₹" + ",".join([*pairs, tail])
