"""The practice shop: a loopback server that speaks Amazon's markup and sells pictures.

Start one with ``stj shop``, or inside a test::

    with PracticeShop(per_class=60) as shop:
        crawl(shop.origin)
        shop.behave(block=Block.ROBOT_CHECK, block_from_page=3)
"""

from __future__ import annotations

import dataclasses
import re
import threading
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote, unquote, urlsplit

from stj_core.labels import Category, load_labels
from stj_core.shops.amazon import asin_of
from stj_demo.behaviour import Behaviour, Block, Robots, robots_rules
from stj_demo.pages import Pages
from stj_demo.pictures import ImageServer
from stj_demo.products import Planted
from stj_demo.server import HTML, Answer, Asked, Log, Server
from stj_demo.stock import fill

_NODE = re.compile(r"(?:^|,)n:(\d+)")
_ASSETS = {"/style.css": "text/css; charset=utf-8", "/listing.js": "text/javascript; charset=utf-8"}
_PLAIN = "text/plain; charset=utf-8"
_HUGE_ROBOTS = 600_000
_BLOCK_STATUS = {Block.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE, Block.TOO_MANY: HTTPStatus.TOO_MANY_REQUESTS}
_ROBOTS_STATUS = {
    Robots.MISSING: HTTPStatus.NOT_FOUND,
    Robots.GONE: HTTPStatus.GONE,
    Robots.FORBIDDEN: HTTPStatus.FORBIDDEN,
    Robots.UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
}


class PracticeShop:
    """A shop in a thread of this process, on 127.0.0.1.

    Args:
        images: a folder of `0_…/ 1_…/ 2_…/` to sell; None draws garments.
        seed: decides everything that the shop shows.
        per_class: products per listing before planting; None is all of a folder's, or 260 drawings.
        labels: another labels.toml.
        behaviour: how it behaves at first; see `behave`.
        port: 0 takes any free one.
        separate_pictures: serve the pictures on a port of their own, as large shops do.
        log: a file that gets one JSON line per request.
        cache: a folder that keeps drawings for the next time.
        planting: plant the cases that a crawl has to notice.

    Raises:
        UsageError: `images` or `labels` cannot be used.
        StjError: `port` is taken, or `log` cannot be written.
    """

    def __init__(
        self,
        images: Path | None = None,
        seed: int = 42,
        per_class: int | None = None,
        *,
        labels: Path | None = None,
        behaviour: Behaviour | None = None,
        port: int = 0,
        separate_pictures: bool = False,
        log: Path | None = None,
        cache: Path | None = None,
        planting: bool = True,
    ) -> None:
        self.categories = load_labels(labels)
        self.behaviour = behaviour or Behaviour()
        self.stock = fill(
            self.categories, images=images, seed=seed, per_class=per_class, cache=cache, planting=planting
        )
        self._images = ImageServer(self.stock.pictures())
        self._products = self.stock.products()
        self._nodes = {category.node: category for category in self.categories}
        self._closing = threading.Event()
        self._lock = threading.Lock()
        self._blocked = 0
        self._pictures_asked = 0
        self._log = Log(log)
        self._servers = [Server(self._respond, self._log, port)]
        if separate_pictures:
            self._servers.append(Server(self._respond, self._log))
        self._pages = Pages(self.categories, self.stock, self.image_origin)

    def __enter__(self) -> Self:
        for server in self._servers:
            server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def origin(self) -> str:
        """Where the pages are."""
        return self._servers[0].origin

    @property
    def image_origin(self) -> str:
        """Where the pictures are."""
        return self._servers[-1].origin

    @property
    def planted(self) -> list[Planted]:
        """The cases that were planted on purpose."""
        return list(self.stock.planted)

    @property
    def requests(self) -> list[Asked]:
        """Every request so far, oldest first."""
        return self._log.snapshot()

    def behave(self, **changes: Any) -> None:  # noqa: ANN401 - each field of Behaviour has its own type
        """Change the manner of answering from the next request on; fields that are not named stay."""
        with self._lock:
            self.behaviour = dataclasses.replace(self.behaviour, **changes)
            self._blocked = 0
            self._pictures_asked = 0

    def forget_requests(self) -> None:
        """Start the list of requests anew."""
        self._log.clear()

    def image_bytes(self, path: str) -> bytes:
        """The bytes that the shop serves for a picture.

        Args:
            path: the picture's address, whole or only its path.

        Raises:
            KeyError: the shop has no such picture.
        """
        served = self._images.serve(unquote(urlsplit(path).path))
        if served is None:
            raise KeyError(path)
        return served.content

    def close(self) -> None:
        """Stop serving."""
        self._closing.set()
        for server in self._servers:
            server.close()
        self._log.close()

    def _respond(self, method: str, target: str) -> Answer:
        parts = urlsplit(target)
        path, query = unquote(parts.path), parse_qs(parts.query)
        if path == "/robots.txt":
            return self._robots()
        if path.startswith("/images/"):
            return self._picture(path)
        if path in _ASSETS:
            return Answer((Path(__file__).parent / "templates" / path[1:]).read_bytes(), _ASSETS[path])
        if method == "POST":
            return Answer(b"{}", "application/json")
        return self._page(path, query, target)

    def _page(self, path: str, query: dict[str, list[str]], target: str) -> Answer:
        self._closing.wait(self.behaviour.page_delay_s)
        if path in {"/s", "/s/query"}:
            return self._listing(path, query, target)
        if path == "/sspa/click":
            return _redirect(query.get("url", ["/"])[0])
        if path == "/ap/signin":
            return _html(self._pages.block(Block.SIGN_IN, target))
        product = self._products.get(asin_of(path) or "")
        if product is not None and not self.behaviour.gone_details:
            blocked = self._block(target) if self.behaviour.block_details else None
            return blocked or _html(self._pages.product(product))
        return _html(self._pages.home()) if path == "/" else _html(self._pages.missing(), HTTPStatus.NOT_FOUND)

    def _listing(self, path: str, query: dict[str, list[str]], target: str) -> Answer:
        number = _number(query.get("page", ["1"])[0])
        if number >= self.behaviour.block_from_page and path == "/s":
            blocked = self._block(target)
            if blocked:
                return blocked
        category = self._category(query.get("rh", [""])[0])
        page = self.stock.page(category.label, number) if category else None
        if page is None or not page.cards:
            return _html(self._pages.no_results(query.get("k", query.get("rh", [""]))[0]))
        make = self._pages.listing if path == "/s" else self._pages.cards
        return _html(make(page, self.behaviour))

    def _category(self, refinements: str) -> Category | None:
        nodes = _NODE.findall(refinements)
        return self._nodes.get(nodes[-1]) if nodes else None

    def _block(self, target: str) -> Answer | None:
        """The block that stands in for `target`, if it is blocked now."""
        behaviour = self.behaviour
        if behaviour.block is Block.NONE:
            return None
        with self._lock:
            self._blocked += 1
            if behaviour.block_first and self._blocked > behaviour.block_first:
                return None
        if behaviour.block is Block.SIGN_IN_REDIRECT:
            return _redirect(f"/ap/signin?openid.return_to={quote(target, safe='')}")
        if behaviour.block is Block.EMPTY:
            return _html(self._pages.no_results(target))
        headers = {"Retry-After": behaviour.retry_after} if behaviour.retry_after else {}
        status = _BLOCK_STATUS.get(behaviour.block, HTTPStatus.OK)
        return Answer(self._pages.block(behaviour.block, target).encode(), HTML, status, headers)

    def _robots(self) -> Answer:
        behaviour = self.behaviour
        if behaviour.robots_text is None:
            if behaviour.robots in _ROBOTS_STATUS:
                return Answer(b"Not now.\n", _PLAIN, _ROBOTS_STATUS[behaviour.robots])
            if behaviour.robots is Robots.HTML:
                return _html(self._pages.home())
            if behaviour.robots is Robots.LOOP:
                return _redirect("/robots.txt")
            if behaviour.robots is Robots.TIMEOUT:
                return Answer(hang_s=behaviour.hang_s)
        rules = robots_rules(behaviour).encode()
        if behaviour.robots is Robots.HUGE:
            line = b"# a rule for every day of the year\n"
            rules += line * (_HUGE_ROBOTS // len(line))
        return Answer(rules, _PLAIN)

    def _picture(self, path: str) -> Answer:
        behaviour = self.behaviour
        self._closing.wait(behaviour.picture_delay_s)
        if behaviour.picture_status != HTTPStatus.OK:
            return Answer(b"Not now.\n", _PLAIN, behaviour.picture_status)
        served = self._images.serve(path)
        if served is None:
            return _html(self._pages.missing(), HTTPStatus.NOT_FOUND)
        with self._lock:
            self._pictures_asked += 1
            broken = bool(behaviour.break_every) and self._pictures_asked % behaviour.break_every == 0
        headers = {"Cache-Control": "max-age=630720000,public"}
        return Answer(served.content, served.content_type, headers=headers, broken=broken)


def _html(text: str, status: int = HTTPStatus.OK) -> Answer:
    return Answer(text.encode(), HTML, status)


def _redirect(location: str) -> Answer:
    """Lead somewhere else on this shop, never to another host."""
    safe = "/" + location.lstrip("/\\").replace("\r", "").replace("\n", "")
    return Answer(status=HTTPStatus.FOUND, headers={"Location": quote(safe, safe="/?&=%#+:,;@!$'()*~[]")})


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 1
