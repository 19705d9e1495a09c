"""robots.txt that fails closed: what cannot be read allows nothing, and a refusal names its rule.

404 and 410 mean that there are no rules. Any other answer than a text file of at most 500 KB means "not now": 401, 403, 429, 5xx,
a time-out, a redirect loop, an HTML page. A rule for STJ or for Scrapy binds; Crawl-delay is kept.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

from protego import Protego
from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.http import Response
from scrapy.robotstxt import RobotParser
from scrapy.utils.httpobj import urlparse_cached

from stj_spiders.identity import AGENT_NAMES
from stj_spiders.refusals import RobotsRefusedError, StoppingError
from stj_spiders.spiders.amazon import CategorySpider

MOST_BYTES = 500 * 1000
KEPT_SECONDS = 24 * 3600
_NO_RULES = (404, 410)


class Rules(RobotParser):
    """One host's robots.txt, or the reason why it allows nothing."""

    def __init__(self, text: str, closed: str | None = None) -> None:
        """Read the rules.

        Args:
            text: of the file.
            closed: why nothing is allowed now; None when the file could be read.
        """
        self.closed = closed
        self.read_at = time.monotonic()
        self._text = text
        self._rules = Protego.parse(text)

    @classmethod
    def from_crawler(cls, crawler: Crawler, robotstxt_body: bytes) -> Rules:
        """Read the rules as Scrapy hands them over."""
        return cls(robotstxt_body.decode("utf-8", errors="replace"))

    def allowed(self, url: str | bytes, user_agent: str | bytes) -> bool:
        """Whether every name we go by may fetch `url`."""
        return self.refusal(url.decode() if isinstance(url, bytes) else url) is None

    def refusal(self, url: str) -> str | None:
        """Why `url` may not be fetched, quoting the rule, or None when it may."""
        if self.closed:
            return self.closed
        for name in AGENT_NAMES:
            if not self._rules.can_fetch(url, name):
                agent, rule = self._rule(url, name)
                return f'its robots.txt says "User-agent: {agent}" "{rule}"'
        return None

    def delay(self) -> float:
        """The longest Crawl-delay asked of any name we go by, in seconds."""
        return max((self._rules.crawl_delay(name) or 0.0 for name in AGENT_NAMES), default=0.0)

    def _rule(self, url: str, name: str) -> tuple[str, str]:
        """The longest Disallow line that alone would refuse `url`, of the group that binds `name`."""
        groups = list(_groups(self._text))
        named = [(agent, rule) for agent, rule in groups if name.lower() in agent.lower()]
        candidates = named or [(agent, rule) for agent, rule in groups if agent == "*"]
        refusing = [
            (agent, rule)
            for agent, rule in candidates
            if not Protego.parse(f"User-agent: *\n{rule}").can_fetch(url, name)
        ]
        return max(refusing, key=lambda pair: len(pair[1]), default=(name, "Disallow"))


def _groups(text: str) -> Iterator[tuple[str, str]]:
    """Each Disallow line with each agent of its group."""
    agents: list[str] = []
    in_rules = False
    for raw in text.splitlines():
        field, _, value = raw.partition("#")[0].partition(":")
        field, value = field.strip().lower(), value.strip()
        if field == "user-agent":
            agents = [value] if in_rules else [*agents, value]
            in_rules = False
        elif field in {"allow", "disallow", "crawl-delay"}:
            in_rules = True
            if field == "disallow" and value:
                yield from ((agent, f"Disallow: {value}") for agent in agents)


class ClosedRobotsMiddleware(RobotsTxtMiddleware):
    """Scrapy's robots.txt middleware, failing closed and keeping Crawl-delay."""

    async def robot_parser(self, request: Request) -> RobotParser | None:
        """The rules of the request's host, read anew after a day."""
        host = urlparse_cached(request).netloc
        known = self._parsers.get(host)
        if isinstance(known, Rules) and time.monotonic() - known.read_at > KEPT_SECONDS:
            del self._parsers[host]
        return await super().robot_parser(request)

    def process_request_2(self, rp: RobotParser | None, request: Request) -> None:
        """Refuse with a sentence that names the rule."""
        refusal = cast("Rules", rp).refusal(request.url)
        if refusal is not None:
            self._stats.inc_value("robotstxt/forbidden")
            host = urlparse_cached(request).netloc
            raise RobotsRefusedError(f"{host} does not allow {request.url}: {refusal}.")

    async def _parse_robots(self, response: Response, netloc: str, request: Request) -> None:
        """Judge what came for robots.txt, then let those who wait for it go on."""
        self._stats.inc_value("robotstxt/response_count")
        self._stats.inc_value(f"robotstxt/response_status_count/{response.status}")
        rules = read_rules(response.status, response.body, response.headers.get(b"Content-Type", b"") or b"")
        self._settle(netloc, rules)

    def _robots_error(self, exc: Exception, netloc: str) -> None:
        """Treat no answer as a no."""
        self._stats.inc_value(f"robotstxt/exception_count/{type(exc)}")
        what = (
            "the crawl is ending" if isinstance(exc, StoppingError) else f"its robots.txt cannot be had ({_word(exc)})"
        )
        self._settle(netloc, Rules("", closed=what))

    def _settle(self, netloc: str, rules: Rules) -> None:
        waiting = self._parsers[netloc]
        self._parsers[netloc] = rules
        if rules.delay():
            cast("CategorySpider", self.crawler.spider).manners.obey_crawl_delay(netloc, rules.delay())
        waiting.callback(rules)  # type: ignore[union-attr]  # Scrapy leaves a Deferred here until now


def read_rules(status: int, body: bytes, content_type: bytes = b"") -> Rules:
    """What an answer to /robots.txt allows."""
    if status in _NO_RULES:
        return Rules("")
    if status != 200:
        return Rules("", closed=f"its robots.txt answers {status}")
    if len(body) > MOST_BYTES:
        return Rules("", closed=f"its robots.txt has {len(body)} bytes, over {MOST_BYTES}")
    if b"html" in content_type.lower() or body.lstrip()[:1] == b"<":
        return Rules("", closed="its robots.txt is an HTML page")
    return Rules(body.decode("utf-8-sig", errors="replace"))


def _word(error: Exception) -> str:
    return str(error) or type(error).__name__
