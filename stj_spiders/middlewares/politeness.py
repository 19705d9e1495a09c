"""Every request waits for its turn, and none leaves once the crawl is over."""

from __future__ import annotations

import asyncio
import logging
import time

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.utils.httpobj import urlparse_cached

from stj_spiders.exceptions import StoppingError
from stj_spiders.politeness import ASKED_AT, PICTURE, spell
from stj_spiders.session import session_of

# Long waits are slept in naps, so that Ctrl-C is heard.
_NAP = 0.5
# A wait that people wonder about.
_LONG = 10.0
_log = logging.getLogger(__name__)


class MannersMiddleware:
    """Waits for the leave that `Manners` gives."""

    def __init__(self, crawler: Crawler) -> None:
        """Stand in for one crawl."""
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> MannersMiddleware:
        """Build for a crawl."""
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        """Hold the request back until it may go."""
        session = session_of(self.crawler)
        host, picture = urlparse_cached(request).netloc, bool(request.meta.get(PICTURE))
        told = False
        while True:
            if session.stopping:
                raise StoppingError(f"Not asked: the crawl is ending ({request.url})")
            wait = await session.pace.turn(host, picture=picture)
            if not wait:
                break
            if wait > _LONG and not told:
                told = True
                _log.info("%s is asked next in %s", host, spell(wait))
            await asyncio.sleep(min(wait, _NAP))
        request.meta[ASKED_AT] = time.monotonic()
