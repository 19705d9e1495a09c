"""A shop of our own that does what it is told, page by page: its listings look like Amazon's, and its lies are a test's."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

from tests.spiders.servers import Answer, Server

NODES = {"1968256031": "Saree", "1968125031": "Trousers", "1968076031": "Jeans"}


def picture(number: int, *, size: tuple[int, int] = (160, 200)) -> bytes:
    """A picture that is like no other."""
    noise = np.random.default_rng(number).integers(0, 255, (10, 8, 3), dtype=np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).resize(size).save(data, "JPEG")
    return data.getvalue()


def asin_of(number: int) -> str:
    """The product's number."""
    return f"B0{number:08d}"


def tile(
    number: int,
    title: str | None = None,
    *,
    image: str | None = None,
    above: str = "",
    below: str = "",
    end: str = "</div>",
) -> str:
    """A card; `above` and `below` stand around its title, `end` closes it."""
    title = f"Silk saree number {number}" if title is None else title
    image = f"/images/I/p{number:08d}._AC_UL320_.jpg" if image is None else image
    link = f"/x/dp/{asin_of(number)}/ref=sr_1_{number}"
    heading = f'<a href="{link}"><h2 aria-label="{title}"><span>{title}</span></h2></a>' if title else ""
    return (
        f'<div role="listitem" data-asin="{asin_of(number)}" data-index="{number}" data-component-type="s-search-result" '
        f'class="s-result-item s-asin"><span data-component-type="s-product-image"><a href="{link}">'
        f'<img class="s-image" src="{image}" alt="{title}"></a></span><div data-cy="title-recipe">{above}{heading}{below}</div>'
        f'<span class="a-price"><span class="a-offscreen">₹{number}</span></span>'
        f'<i class="a-icon"><span class="a-icon-alt">4.1 out of 5 stars</span></i>{end}'
    )


def listing(
    tiles: list[str], *, following: str | None = None, total: str = "", pager: bool = True, last: int | None = None
) -> str:
    """A page of cards; without a `following` one its "next" is disabled, or missing without a `pager`.

    `last` is the last page's number, as the pagination shows it.
    """
    counted = f'<span data-component-type="s-result-info-bar"><h2><span>{total}</span></h2></span>' if total else ""
    after = (
        f'<a class="s-pagination-item s-pagination-next" href="{following}">Next</a>'
        if following
        else '<span class="s-pagination-item s-pagination-next s-pagination-disabled">Next</span>'
    )
    if last is not None:
        after = f'<span class="s-pagination-item s-pagination-disabled" aria-disabled="true">{last}</span>{after}'
    return (
        '<!doctype html><html><head><meta charset="utf-8"><title>Amazon.in</title></head><body>'
        f'{counted}<div class="s-main-slot s-result-list">{"".join(tiles)}</div>{after if pager or following else ""}'
        "</body></html>"
    )


@dataclass
class LyingShop:
    """What it shows, and the lies that it tells instead.

    Attributes:
        pages: of each listing.
        cards: on each page.
        total: what the listing says of the number of its results.
        last: what the listing says of the number of its pages.
        lies: by a listing page's number, or by its garment and number, or by a picture's name, what is answered in its
            place, called with the honest answer; `"picture"` is for every picture.
        server: the server it answers through.
    """

    pages: int = 2
    cards: int = 4
    total: str = ""
    last: int | None = None
    lies: dict[object, Callable[[Answer], Answer]] = field(default_factory=dict)
    server: Server | None = None

    def __call__(self, path: str) -> Answer:
        """Answer a request."""
        parts = urlsplit(path)
        if parts.path == "/robots.txt":
            return Answer(b"", 404)
        if parts.path.startswith("/images/I/"):
            name = parts.path.removeprefix("/images/I/").partition(".")[0]
            honest = Answer(picture(int(name[1:])), content_type="image/jpeg")
            return self._told(name, "picture", honest)
        if parts.path == "/s":
            asked = parse_qs(parts.query)
            number = int(asked.get("page", ["1"])[0])
            return self._told((_name_in(path).lower(), number), number, Answer(self.page(number, path).encode()))
        return Answer(b"<html><body>nothing here</body></html>", 404)

    def page(self, number: int, path: str = "/s?rh=n%3A1968256031&fs=true") -> str:
        """A listing page without a lie."""
        node = _node_in(path)
        name, offset = _name_in(path), 100_000 * list(NODES).index(node)
        numbers = range(offset + 1000 * number, offset + 1000 * number + self.cards)
        following = f"/s?rh=n%3A{node}&fs=true&page={number + 1}" if number < self.pages else None
        tiles = [tile(n, f"{name} number {n}") for n in numbers]
        return listing(tiles, following=following, total=self.total, last=self.last)

    def _told(self, what: object, kind: object, honest: Answer) -> Answer:
        lie = self.lies.get(what) or self.lies.get(kind)
        return lie(honest) if lie else honest


def _node_in(path: str) -> str:
    node = path.replace("%3A", ":").partition("n:")[2][:10]
    return node if node in NODES else next(iter(NODES))


def _name_in(path: str) -> str:
    return NODES[_node_in(path)]


def saying(body: str | bytes, status: int = 200, **headers: str | None) -> Callable[[Answer], Answer]:
    """A lie that always says the same; header names have underscores for dashes."""
    data = body.encode() if isinstance(body, str) else body
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Answer(data, status, headers=named)


def once(lie: Callable[[Answer], Answer], times: int = 1) -> Callable[[Answer], Answer]:
    """A lie that is told so many times, and then the truth."""
    told = [0]

    def tell(honest: Answer) -> Answer:
        told[0] += 1
        return lie(honest) if told[0] <= times else honest

    return tell
