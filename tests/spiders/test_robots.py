"""What robots.txt allows, and what happens when it cannot be read."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scrapy import Request
from scrapy.exceptions import DownloadTimeoutError, IgnoreRequest
from scrapy.http import Response
from scrapy.settings import Settings
from scrapy.statscollectors import DummyStatsCollector

from stj_spiders.exceptions import RobotsRefusedError, StoppingError
from stj_spiders.middlewares.robots import ClosedRobotsMiddleware
from stj_spiders.robots import MOST_BYTES, Rules, read_rules

LISTING = "https://www.shop.example/s?rh=n%3A1968256031&fs=true"
PICTURE = "https://m.shop.example/images/I/71abc.jpg"


def test_rules_are_read() -> None:
    """What is not disallowed is allowed."""
    rules = read_rules(200, b"User-agent: *\nDisallow: /gp/cart\n", b"text/plain")
    assert rules.refusal(LISTING) is None
    assert rules.refusal("https://www.shop.example/gp/cart/view") is not None


@pytest.mark.parametrize("status", [404, 410])
def test_no_file_means_no_rules(status: int) -> None:
    """Nobody forbids anything."""
    assert read_rules(status, b"<html>gone</html>", b"text/html").refusal(LISTING) is None


@pytest.mark.parametrize("status", [204, 301, 400, 401, 403, 429, 500, 502, 503])
def test_any_other_answer_means_not_now(status: int) -> None:
    """The status is in the sentence."""
    assert read_rules(status, b"").refusal(LISTING) == f"its robots.txt answers {status}"


@pytest.mark.parametrize(
    ("body", "kind", "why"),
    [
        (b"User-agent: *\nAllow: /", b"text/html; charset=utf-8", "its robots.txt is an HTML page"),
        (b"\n  <!doctype html><title>Hello</title>", b"text/plain", "its robots.txt is an HTML page"),
        (b"\xef\xbb\xbf<html></html>", b"text/plain", "its robots.txt is an HTML page"),
        ("User-agent: *\nDisallow: /".encode("utf-16"), b"text/plain", "its robots.txt is no text"),
        (b"#" * (MOST_BYTES + 1), b"text/plain", "its robots.txt has 500001 bytes, over 500000"),
    ],
)
def test_what_is_no_rule_file_allows_nothing(body: bytes, kind: bytes, why: str) -> None:
    """A page for people, another encoding, something enormous."""
    assert read_rules(200, body, kind).refusal(LISTING) == why


def test_a_byte_order_mark_hides_no_rule() -> None:
    """The first group counts."""
    assert read_rules(200, b"\xef\xbb\xbfUser-agent: *\nDisallow: /\n").refusal(LISTING) is not None


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("User-agent: *\nDisallow: /\n", 'its robots.txt says "User-agent: *" "Disallow: /"'),
        (
            "User-agent: *\nAllow: /\n\nUser-agent: Scrapy\nDisallow: /s\n",
            'its robots.txt says "User-agent: Scrapy" "Disallow: /s"',
        ),
        ("User-agent: STJ\nDisallow: /s?rh\n", 'its robots.txt says "User-agent: STJ" "Disallow: /s?rh"'),
        (
            "User-agent: otherbot\nUser-agent: scrapy\nDisallow: /x\nDisallow: /*fs=true$\n",
            'its robots.txt says "User-agent: scrapy" "Disallow: /*fs=true$"',
        ),
        (
            "User-agent: STJ\nAllow: /\n\nUser-agent: Scrapy\nDisallow: /\n",
            'its robots.txt says "User-agent: Scrapy" "Disallow: /"',
        ),
    ],
)
def test_a_refusal_quotes_its_rule(text: str, quoted: str) -> None:
    """A group for STJ or Scrapy binds, and the sentence says which."""
    assert Rules(text).refusal(LISTING) == quoted


@pytest.mark.parametrize(
    "text",
    [
        "User-agent: *\nDisallow: /\n\nUser-agent: STJ\nAllow: /\n",
        "User-agent: *\nDisallow: /\n\nUser-agent: Scrapy\nDisallow:\n",
        "User-agent: notSTJ\nDisallow: /\n",
        "",
    ],
)
def test_a_group_of_our_own_replaces_the_one_for_everybody(text: str) -> None:
    """As the standard has it; rules for others do not bind."""
    assert Rules(text).refusal(LISTING) is None


def test_the_longest_crawl_delay_of_our_names() -> None:
    """Each name that binds is asked."""
    assert Rules("User-agent: *\nCrawl-delay: 2\n").delay() == 2.0
    assert Rules("User-agent: STJ\nCrawl-delay: 3\n\nUser-agent: scrapy\nCrawl-delay: 7.5\n").delay() == 7.5
    assert Rules("User-agent: *\nCrawl-delay: soon\n").delay() == 0.0


@pytest.mark.parametrize("shop", ["com", "co.uk", "ca", "co.jp"])
def test_saved_rules_of_real_shops(shared: Path, shop: str) -> None:
    """Each plain Disallow line of everybody's group refuses its own path and is quoted; listings and pictures are free."""
    text = (shared / "amazon_pages" / "robots" / f"www.amazon.{shop}_robots.txt").read_text(encoding="utf-8")
    rules = read_rules(200, text.encode(), b"text/plain")
    assert rules.refusal(LISTING) is None
    assert rules.refusal(PICTURE) is None
    everybody = re.split(r"(?mi)^user-agent:\s*\*\s*$", text)[1]
    everybody = re.split(r"(?mi)^user-agent:", everybody)[0]
    plain = re.findall(r"(?mi)^disallow:\s*(/[^\s*$]+)\s*$", everybody)
    assert len(plain) > 20
    for path in plain:
        refusal = rules.refusal(f"https://www.shop.example{path}") or ""
        assert refusal.startswith('its robots.txt says "User-agent: *" "Disallow: /'), path


def test_saved_rules_that_name_scrapy_bind_us(shared: Path) -> None:
    """A shop that shuts Scrapy out shuts STJ out, of everything."""
    text = (shared / "amazon_pages" / "robots" / "amazon.com_recent_EXCERPT.txt").read_bytes()
    for url in (LISTING, PICTURE):
        assert read_rules(200, text).refusal(url) == 'its robots.txt says "User-agent: Scrapy" "Disallow: /"'


@given(st.binary(max_size=300), st.sampled_from([200, 404, 503]))
def test_any_bytes_give_an_answer(body: bytes, status: int) -> None:
    """Never an exception."""
    rules = read_rules(status, body)
    assert rules.refusal(LISTING) is None or isinstance(rules.refusal(LISTING), str)
    assert rules.delay() >= 0


class Shop:
    """Answers to robots.txt, without a network."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.asked: list[str] = []

    async def download_async(self, request: Request) -> Response:
        self.asked.append(request.url)
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return Response(request.url, body=self.answer)


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    ClosedRobotsMiddleware.known.clear()
    ClosedRobotsMiddleware.asking.clear()


def ask(shop: Shop, *urls: str) -> list[BaseException | None]:
    """What the middlewares of two crawls of one process say to requests that come at the same time."""
    delays: list[tuple[str, float]] = []
    spider = SimpleNamespace(manners=SimpleNamespace(obey_crawl_delay=lambda host, s: delays.append((host, s))))
    crawler: Any = SimpleNamespace(
        settings=Settings({"ROBOTSTXT_OBEY": True}),
        engine=shop,
        spider=spider,
        stats=DummyStatsCollector(SimpleNamespace(settings=Settings(), spider=None)),  # type: ignore[arg-type]
    )

    async def both() -> list[BaseException | None]:
        crawls = [ClosedRobotsMiddleware(crawler), ClosedRobotsMiddleware(crawler)]
        return await asyncio.gather(
            *(one.process_request(Request(url)) for one in crawls for url in urls), return_exceptions=True
        )

    return asyncio.run(both())


@pytest.mark.parametrize(
    ("met", "why"),
    [
        (DownloadTimeoutError("Getting it took longer than 30 seconds."), "Getting it took longer than 30 seconds"),
        (IgnoreRequest("max redirections reached"), "max redirections reached"),
        (OSError(), "OSError"),
    ],
)
def test_a_file_that_cannot_be_had_allows_nothing(met: Exception, why: str) -> None:
    """A time-out and a redirect loop among them; it is asked for once."""
    shop = Shop(met)
    refusals = ask(shop, LISTING, LISTING)
    sentence = f"www.shop.example does not allow {LISTING}: its robots.txt cannot be had ({why})."
    assert [sentence] * 4 == [str(refusal) for refusal in refusals]
    assert all(isinstance(refusal, RobotsRefusedError) for refusal in refusals)
    assert shop.asked == ["https://www.shop.example/robots.txt"]


def test_every_host_is_asked_once_by_all_crawls_of_a_process() -> None:
    """Picture hosts too."""
    shop = Shop(b"User-agent: *\nDisallow: /private\n")
    assert ask(shop, LISTING, PICTURE, LISTING) == [None] * 6
    assert sorted(shop.asked) == ["https://m.shop.example/robots.txt", "https://www.shop.example/robots.txt"]


def test_the_end_of_a_crawl_is_no_refusal() -> None:
    """Another crawl asks again."""
    (met, *_) = ask(Shop(StoppingError("the crawl is ending")), LISTING)
    assert isinstance(met, StoppingError)
    assert not ClosedRobotsMiddleware.known
