"""Ask each host for its robots.txt before anything else, once for all crawls of the process, and obey it.

In the place of Scrapy's middleware, which goes on when robots.txt cannot be had and leaves Crawl-delay aside
(docs/decisions/0003).
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from typing import ClassVar

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import NotConfigured
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.httpobj import urlparse_cached

from stj_spiders.exceptions import RobotsRefusedError, RobotsUnreadError, StoppingError
from stj_spiders.robots import Rules, read_rules
from stj_spiders.session import session_of

KEPT_SECONDS = 24 * 3600
# The request for robots.txt itself.
ASKS_RULES = "dont_obey_robotstxt"


class ClosedRobotsMiddleware:
    """Lets through what robots.txt allows; a refusal is a sentence that names the rule."""

    known: ClassVar[dict[str, Rules]] = {}
    asking: ClassVar[defaultdict[str, asyncio.Lock]] = defaultdict(asyncio.Lock)

    def __init__(self, crawler: Crawler) -> None:
        """Stand in for one crawl.

        Raises:
            NotConfigured: the user has the shop's permission, and said ROBOTSTXT_OBEY=False.
        """
        if not crawler.settings.getbool("ROBOTSTXT_OBEY"):
            raise NotConfigured
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> ClosedRobotsMiddleware:
        """Build for a crawl."""
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        """Refuse what the rules refuse.

        Raises:
            RobotsRefusedError: they do.
        """
        if request.meta.get(ASKS_RULES):
            return
        parts = urlparse_cached(request)
        rules = await self._rules(f"{parts.scheme}://{parts.netloc}", parts.netloc)
        refusal = rules.refusal(request.url)
        if refusal is not None:
            self.crawler.stats.inc_value("robotstxt/forbidden")
            kind = RobotsUnreadError if rules.closed else RobotsRefusedError
            raise kind(f"{parts.netloc} does not allow {request.url}: {refusal}.")

    async def _rules(self, origin: str, host: str) -> Rules:
        async with self.asking[origin]:
            rules = self.known.get(origin)
            if rules is None or time.monotonic() - rules.read_at > KEPT_SECONDS:
                rules = await self._ask(origin)
                self.known[origin] = rules
                if rules.delay():
                    session_of(self.crawler).manners.obey_crawl_delay(host, rules.delay())
            return rules

    async def _ask(self, origin: str) -> Rules:
        self.crawler.stats.inc_value("robotstxt/request_count")
        request = Request(f"{origin}/robots.txt", meta={ASKS_RULES: True}, callback=NO_CALLBACK)
        try:
            response = await self.crawler.engine.download_async(request)
        except StoppingError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever kept the rules from us, it was no permission
            return Rules("", closed=f"its robots.txt cannot be had ({str(error).rstrip('.') or type(error).__name__})")
        self.crawler.stats.inc_value(f"robotstxt/response_status_count/{response.status}")
        return read_rules(response.status, response.body, response.headers.get(b"Content-Type", b"") or b"")
