"""A small shop that changes from night to night: new and gone products, new photographs, other listings, other markup."""

from __future__ import annotations

import io
import random
import threading
from dataclasses import dataclass, field, replace
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import numpy as np
from PIL import Image

NODES = {"1968256031": "saree", "1968125031": "trousers", "1968076031": "jeans"}
WORDS = {"saree": "Silk saree", "trousers": "Formal trousers", "jeans": "Slim jeans"}
A_PAGE = 12
LAYOUTS = ("aria", "link", "recipe")


@dataclass(frozen=True)
class Product:
    """One thing for sale: its number, the listing it stands in, and which photograph it has."""

    number: int
    listing: str
    photograph: int

    @property
    def asin(self) -> str:
        """The shop's number."""
        return f"B0{self.number:08d}"


@dataclass
class Changes:
    """What happened to the stock so far."""

    new: int = 0
    gone: int = 0
    photographed: int = 0
    moved: int = 0


@dataclass
class ChangingShop:
    """The stock of tonight, and how the shop behaves.

    Attributes:
        seed: decides the whole year.
        each: products of each listing on the first night.
        layout: tonight's markup: one of LAYOUTS, or `unknown`, whose titles nobody can find.
        block: what is answered instead of listings: nothing, `robot check` or `busy`.
        changes: what happened so far.
    """

    seed: int
    each: int = 20
    layout: str = LAYOUTS[0]
    block: str = ""
    changes: Changes = field(default_factory=Changes)
    stock: list[Product] = field(default_factory=list)
    origin: str = ""

    def __post_init__(self) -> None:
        """Fill the shelves."""
        self._dice = random.Random(self.seed)
        self._last = 0
        self._photographs = 0
        for name in NODES.values():
            self.stock += [self._made(name) for _ in range(self.each)]

    def _made(self, listing: str) -> Product:
        self._last += 1
        self._photographs += 1
        return Product(self._last, listing, self._photographs)

    def night(self) -> None:
        """Let a day pass: some products come, some go, some are photographed anew, and seldom one changes its listing."""
        dice = self._dice
        for name in NODES.values():
            if dice.random() < 0.12:
                self.stock.append(self._made(name))
                self.changes.new += 1
        for place in range(len(self.stock) - 1, -1, -1):
            chance = dice.random()
            if chance < 0.002:
                del self.stock[place]
                self.changes.gone += 1
            elif chance < 0.003:
                self._photographs += 1
                self.stock[place] = replace(self.stock[place], photograph=self._photographs)
                self.changes.photographed += 1
            elif chance < 0.0035:
                others = [name for name in NODES.values() if name != self.stock[place].listing]
                self.stock[place] = replace(self.stock[place], listing=dice.choice(others))
                self.changes.moved += 1
        # The order of a listing is another every night.
        dice.shuffle(self.stock)

    def page(self, listing: str, number: int) -> str:
        """A listing page in tonight's markup."""
        found = [one for one in self.stock if one.listing == listing]
        shown = found[(number - 1) * A_PAGE : number * A_PAGE]
        cards = "".join(self._card(place, one) for place, one in enumerate(shown))
        node = next(node for node, name in NODES.items() if name == listing)
        after = '<span class="s-pagination-item s-pagination-next s-pagination-disabled">Next</span>'
        if number * A_PAGE < len(found):
            address = f"/s?rh=n%3A{node}&amp;fs=true&amp;page={number + 1}"
            after = f'<a class="s-pagination-item s-pagination-next" href="{address}">Next</a>'
        return (
            '<!doctype html><html><head><meta charset="utf-8"><title>Amazon.in</title></head><body>'
            f'<span data-component-type="s-result-info-bar"><h2><span>1-{len(shown)} of {len(found)} results</span></h2></span>'
            f'<div class="s-main-slot s-result-list">{cards}</div>{after}</body></html>'
        )

    def _card(self, place: int, one: Product) -> str:
        title = f"{WORDS[one.listing]} number {one.number}"
        link = f"/x/dp/{one.asin}/ref=sr_1_{place}"
        labelled = f'<a href="{link}"><h2 aria-label="{title}"><span>{title}</span></h2></a>'
        heading = {
            "aria": labelled,
            "link": f'<h2><a href="{link}"><span>{title}</span></a></h2>',
            "recipe": f'<div data-cy="title-recipe">{labelled}</div>',
            "unknown": f'<a href="{link}"><strong class="n">{title}</strong></a>',
        }[self.layout]
        picture = f"/images/I/g{one.photograph:06d}._AC_UL320_.jpg"
        alt = "" if self.layout == "unknown" else f' alt="{title}"'
        return (
            f'<div role="listitem" data-asin="{one.asin}" data-index="{place}" data-component-type="s-search-result" '
            f'class="s-result-item s-asin"><a href="{link}"><img class="s-image" src="{picture}"{alt}>'
            f"</a>{heading}</div>"
        )

    def answer(self, path: str) -> tuple[int, str, bytes]:
        """Status, content type and body."""
        parts = urlsplit(path)
        if parts.path.startswith("/images/I/g"):
            return 200, "image/jpeg", photograph(int(parts.path.removeprefix("/images/I/g")[:6]), self.seed)
        if parts.path != "/s":
            return 404, "text/plain", b""
        if self.block == "robot check":
            return (
                200,
                "text/html",
                b"<html><title>Robot Check</title><form action=/errors/validateCaptcha></form></html>",
            )
        if self.block:
            return 503, "text/html", b"<html><title>Sorry</title></html>"
        asked = parse_qs(parts.query)
        listing = NODES[asked["rh"][0].removeprefix("n:")]
        return 200, "text/html; charset=utf-8", self.page(listing, int(asked.get("page", ["1"])[0])).encode()


@lru_cache(maxsize=1024)
def photograph(number: int, seed: int) -> bytes:
    """A picture that is like no other number's, 200 by 260."""
    dice = np.random.default_rng([seed, number])
    blocks = Image.fromarray(dice.integers(0, 256, (10, 8, 3), dtype=np.uint8))
    made = Image.new("RGB", (200, 260), (246, 244, 240))
    made.paste(blocks.resize((160, 220), Image.Resampling.BICUBIC), (20, 20))
    stream = io.BytesIO()
    made.save(stream, "JPEG", quality=85)
    return stream.getvalue()


def serve(shop: ChangingShop) -> ThreadingHTTPServer:
    """Open the shop on a free port of 127.0.0.1, in a thread of its own."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            status, kind, body = shop.answer(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    shop.origin = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    return server
