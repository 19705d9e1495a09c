"""What robots.txt allows, and what happens when it cannot be read."""

from __future__ import annotations

import asyncio
import itertools
import re
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from protego import Protego
from scrapy import Request
from scrapy.exceptions import DownloadCancelledError, DownloadTimeoutError, IgnoreRequest
from scrapy.http import Response
from scrapy.settings import Settings
from scrapy.statscollectors import DummyStatsCollector

from stj_spiders.config import CrawlConfig
from stj_spiders.exceptions import (
    RobotsOutageError,
    RobotsRefusedError,
    RobotsTurnedAwayError,
    RobotsUnreadError,
    StoppingError,
)
from stj_spiders.middlewares.robots import ClosedRobotsMiddleware
from stj_spiders.robots import MOST_BYTES, Rules, read_rules
from stj_spiders.session import _sessions as sessions

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
        (b"# moved\n<html><pre>User-agent: *\nAllow: /</pre>", b"text/plain", "its robots.txt is an HTML page"),
        (b"Oops <body>gone</body>\nUser-agent: *", b"text/plain", "its robots.txt is an HTML page"),
        (b"Not Found", b"text/html", "its robots.txt holds no rule: it begins 'Not Found'"),
        (
            b'{"error": "maintenance"}',
            b"text/plain",
            """its robots.txt holds no rule: it begins '{"error": "maintenance"}'""",
        ),
        (b"\n  <!doctype html><title>Hello</title>", b"text/plain", "its robots.txt is an HTML page"),
        (b"\xef\xbb\xbf<html></html>", b"text/plain", "its robots.txt is an HTML page"),
        ("User-agent: *\nDisallow: /".encode("utf-16"), b"text/plain", "its robots.txt is no text"),
        (b"#" * (MOST_BYTES + 1), b"text/plain", "its robots.txt has 500001 bytes, over 500000"),
    ],
)
def test_what_is_no_rule_file_allows_nothing(body: bytes, kind: bytes, why: str) -> None:
    """A page for people, another encoding, something enormous."""
    assert read_rules(200, body, kind).refusal(LISTING) == why


@pytest.mark.parametrize(
    "body",
    [
        b"User-agent: *\nDisallow: /s\n",
        b"# <p>Hello, robots</p>\nUser-agent: *\nDisallow: /s\n",
        b"User-agent: *\nDisallow: /s\n<script>count()</script>\n",
        b"\n\nUser-agent *\nDisallow /s\n",
    ],
)
@pytest.mark.parametrize("kind", [b"text/html; charset=utf-8", b"application/octet-stream", b""])
def test_rules_are_rules_whatever_type_they_are_sent_as(body: bytes, kind: bytes) -> None:
    """Many shops send them as HTML; what is obeyed is what they say."""
    rules = read_rules(200, body, kind)
    assert rules.refusal("https://www.shop.example/gp/bestsellers") is None
    assert (rules.refusal(LISTING) or "").endswith('"Disallow: /s"')


@pytest.mark.parametrize(
    "body", [b"", b"\n", b"# nobody is forbidden anything\n", b"Sitemap: https://www.shop.example/map.xml\n"]
)
def test_a_file_without_rules_forbids_nothing(body: bytes) -> None:
    """Empty, nothing but comments, nothing but lines for other purposes."""
    assert read_rules(200, body).refusal(LISTING) is None


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
    assert Rules("User-agent: *\nCrawl-delay: 4\nCrawl-delay: 9\nCrawl-delay: 1\n").delay() == 9.0


@pytest.mark.parametrize(
    ("rate", "seconds"),
    [
        ("1/5", 5.0),
        ("1 / 10s", 10.0),
        ("30/1m", 2.0),
        ("1/1h 0800-1300", 3600.0),
        ("2/1D", 43_200.0),
        ("0/5", 0.0),
        ("often", 0.0),
    ],
)
def test_a_request_rate_is_a_delay_between_two_requests(rate: str, seconds: float) -> None:
    assert Rules(f"User-agent: *\nRequest-rate: {rate}\nDisallow: /x").delay() == seconds


@pytest.mark.parametrize("said", ["soon", "nan", "-1", "-inf", "10 seconds", "1,5"])
def test_a_crawl_delay_that_is_no_length_of_time_is_told(said: str) -> None:
    """It holds nobody up, and it is never passed over in silence."""
    rules = Rules(f"User-agent: *\nCrawl-delay: {said}\n")
    assert rules.delay() == 0.0
    assert rules.unread_delays() == [said]


@pytest.mark.parametrize("said", ["999999999", "9" * 25, "9" * 400_000, "1e300", "inf", "1e999"])
def test_an_enormous_crawl_delay_is_enormous(said: str) -> None:
    """Whatever its digits, and at once."""
    assert Rules(f"User-agent: *\nCrawl-delay: {said}\n").delay() >= 999999999


def test_a_name_is_a_name_in_any_dress() -> None:
    """With a version, a star, in capitals; a longer name is another one."""
    for agent in ("scrapy", "SCRAPY", "Scrapy/2.11", "Scrapy*", "stj", "STJ/0.1 (anything)"):
        assert Rules(f"User-agent: {agent}\nDisallow: /\n").refusal(LISTING) is not None, agent
    for agent in ("Scrapybot", "notstj", "stj2", "s", "st"):
        assert Rules(f"User-agent: {agent}\nDisallow: /\n").refusal(LISTING) is None, agent


def test_a_quoted_rule_is_short_and_shows_no_control_characters() -> None:
    """It stands in a sentence on a terminal."""
    long = Rules("User-agent: *\nDisallow: /" + "*" * 100_000 + "\n").refusal(LISTING) or ""
    assert len(long) < 300
    hidden = Rules("User-agent: s\x1b[31mtj\nUser-agent: *\nDisallow: /\u202e\nDisallow: *\x9b*\nDisallow: /s*\x1b*\n")
    escaped = hidden.refusal("https://www.shop.example/s\x1b") or ""
    assert "\x1b" not in escaped
    assert r"\x1b" in escaped


WORDS = [
    "/",
    "a",
    "b",
    "s",
    "*",
    "$",
    "%41",
    "%2F",
    "%2f",
    "~",
    "%7e",
    "é",
    "%C3%A9",
    "?",
    "=",
    "&",
    "%24",
    "index.html",
    "%2A",
    "%",
]
PATHS = st.lists(st.sampled_from(WORDS), max_size=7).map("".join)
FIELDS = st.sampled_from(
    ["Disallow", "Allow", "disallow", "ALLOW", "Dissallow", "Sitemap", "Crawl-delay", "Noindex", "Host", "Request-rate"]
)
AGENTS = st.sampled_from(["*", "STJ", "Scrapy", "scrapy", "Googlebot", "stj", "Otherbot", "bingbot/2.0"])
LINES = st.one_of(
    AGENTS.map(lambda agent: f"User-agent: {agent}"),
    st.tuples(FIELDS, PATHS).map(lambda one: f"{one[0]}: /{one[1]}"),
    st.tuples(FIELDS, PATHS).map(lambda one: f"  {one[0]} :{one[1]}  # why"),
    st.tuples(FIELDS, PATHS).map(lambda one: f"{one[0]} /{one[1]}"),
    st.sampled_from(["", "# nothing", "Disallow:"]),
)


@given(st.lists(LINES, max_size=14).map("\n".join), PATHS)
@settings(max_examples=300)
def test_ordinary_rules_mean_what_protego_reads_in_them(text: str, path: str) -> None:
    """Groups, precedence, stars, anchors, escapes and the spellings that it forgives."""
    url = f"https://www.shop.example/{path}"
    peer = Protego.parse(text)
    named = [name for name in ("STJ", "Scrapy") if name.lower() in peer._user_agents] or ["STJ"]
    allowed = all(peer.can_fetch(url, name) for name in named)
    assert (Rules(text).refusal(url) is None) is allowed


def full(head: str, line: Callable[[int], str]) -> str:
    """A file of the largest size allowed."""
    lines, size = [head], len(head)
    for number in itertools.count():
        lines.append(line(number))
        size += len(lines[-1].encode())
        if size > MOST_BYTES:
            return "".join(lines[:-1])
    raise AssertionError


HARD = "https://www.shop.example/" + "a" * 2_000
WORST = {
    "agents and rules": "".join(f"User-agent: a{n}\n" for n in range(13_000))
    + "".join(f"Disallow: /{n}\n" for n in range(15_000)),
    "groups of three names": full("User-agent: *\nUser-agent: STJ\nUser-agent: Scrapy\n", lambda n: f"allow /{n:x}*\n"),
    "short patterns": full("User-agent: *\n", lambda n: f"allow *a*a*{n:x}\n"),
    "long patterns": full("User-agent: *\n", lambda n: "Disallow: /" + "*a" * 1_990 + f"*{n:x}\n"),
    "one giant pattern": "User-agent: *\nDisallow: /" + "*a" * 249_000 + "b$\n",
    "anchors": full("User-agent: *\n", lambda n: f"allow /{n:x}$\n"),
    "index pages": full("User-agent: *\n", lambda n: f"allow /{n:x}/index.html\n"),
    "escapes": "User-agent: *\nDisallow: /" + "%41" * 166_000,
    "letters of two bytes": "User-agent: *\nDisallow: /" + "é" * 249_000,
    "lengths": full("User-agent: *\n", lambda n: "Disallow: /" + "a" * n + "b\n"),
    "words": "a " * 249_999,
    "tiny lines": "a:\n" * 166_000,
    "delays": full("User-agent: *\n", lambda n: f"crawl-delay:{n}\n"),
}


@pytest.mark.parametrize("shape", WORST)
def test_the_largest_file_in_its_worst_shape_costs_a_second_at_most(shape: str) -> None:
    """Of CPU time, with an address that is as hard to match as it can be; the best of three, since a core may be shared."""
    body = WORST[shape].encode()[:MOST_BYTES]

    def seconds() -> float:
        began = time.process_time()
        read_rules(200, body).refusal(HARD)
        return time.process_time() - began

    assert any(seconds() < 1.0 for _ in range(3))


@pytest.mark.parametrize("shape", ["groups of three names", "letters of two bytes"])
def test_the_largest_file_costs_50_mb_at_most(shape: str) -> None:
    """In the two shapes that were found to need the most."""
    body = WORST[shape].encode()[:MOST_BYTES]
    tracemalloc.start()
    read_rules(200, body).refusal(HARD)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 50e6


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

    def __init__(self, answer: Any, status: int = 200) -> None:
        self.answer = answer
        self.status = status
        self.asked: list[str] = []

    async def download_async(self, request: Request) -> Response:
        self.asked.append(request.url)
        await asyncio.sleep(0)
        if isinstance(self.answer, Exception):
            raise self.answer
        return Response(request.url, self.status, body=self.answer)


@pytest.fixture(autouse=True)
def _nothing_known() -> None:
    ClosedRobotsMiddleware.known.clear()
    ClosedRobotsMiddleware.asking.clear()


def project_settings() -> Settings:
    """The settings of this project as a crawl has them."""
    settings = Settings()
    settings.setmodule("stj_spiders.settings")
    return settings


class Standing:
    """What the middleware asks of a crawler; one that is known by itself, as Scrapy's is."""

    def __init__(self, **parts: Any) -> None:
        self.__dict__.update(parts)


def ask(shop: Shop, *urls: str) -> list[BaseException | None]:
    """What the middlewares of two crawls of one process say to requests that come at the same time."""
    delays: list[tuple[str, float]] = []
    session: Any = SimpleNamespace(
        manners=SimpleNamespace(obey_crawl_delay=lambda host, s: delays.append((host, s))),
        settings=CrawlConfig.from_settings(project_settings(), "amazon"),
    )
    crawler: Any = Standing(
        settings=Settings({"ROBOTSTXT_OBEY": True}),
        engine=shop,
        stats=DummyStatsCollector(SimpleNamespace(settings=Settings(), spider=None)),  # type: ignore[arg-type]
    )

    sessions[crawler] = session

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
        (OSError(), "OSError"),
        (ConnectionRefusedError("Connection refused\x1b[2J."), r"Connection refused\x1b[2J"),
    ],
)
def test_a_host_that_cannot_be_reached_refuses_nothing_and_is_not_asked(met: Exception, why: str) -> None:
    """An outage is told as one; it is asked for once."""
    shop = Shop(met)
    refusals = ask(shop, LISTING, LISTING)
    cause = f"its robots.txt cannot be had ({why})"
    sentence = f"www.shop.example is out of order: {cause}, and without it {LISTING} is not asked for."
    assert [sentence] * 4 == [str(refusal) for refusal in refusals]
    assert all(isinstance(refusal, RobotsOutageError) for refusal in refusals)
    assert shop.asked == ["https://www.shop.example/robots.txt"]


@pytest.mark.parametrize(
    ("status", "kind", "sentence"),
    [
        (401, RobotsUnreadError, f"www.shop.example does not allow {LISTING}: its robots.txt answers 401."),
        (403, RobotsUnreadError, f"www.shop.example does not allow {LISTING}: its robots.txt answers 403."),
        (429, RobotsTurnedAwayError, f"www.shop.example does not allow {LISTING}: its robots.txt answers 429."),
        (
            503,
            RobotsOutageError,
            f"www.shop.example is out of order: its robots.txt answers 503, and without it {LISTING} is not asked for.",
        ),
    ],
)
def test_a_refusal_a_turning_away_and_an_outage_are_three_things(
    status: int, kind: type[RobotsRefusedError], sentence: str
) -> None:
    """In the sentence, and in how the crawl ends."""
    (met, *_) = ask(Shop(b"", status), LISTING)
    assert type(met) is kind
    assert str(met) == sentence


@pytest.mark.parametrize(
    ("met", "why"),
    [
        (IgnoreRequest("max redirections reached"), "its robots.txt cannot be had (max redirections reached)"),
        (DownloadCancelledError("larger than the limit"), "its robots.txt has over 500000 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_allows_nothing(met: Exception, why: str) -> None:
    """A redirect loop, and a file without end."""
    shop = Shop(met)
    refusals = ask(shop, LISTING, LISTING)
    assert [f"www.shop.example does not allow {LISTING}: {why}."] * 4 == [str(refusal) for refusal in refusals]
    assert all(type(refusal) is RobotsUnreadError for refusal in refusals)
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
