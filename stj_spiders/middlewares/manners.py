"""Every request waits for its turn, and none leaves once the crawl is over."""

from __future__ import annotations

import asyncio
import time
from typing import cast

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.utils.httpobj import urlparse_cached

from stj_spiders.manners import ASKED_AT, PICTURE
from stj_spiders.refusals import StoppingError
from stj_spiders.spiders.amazon import CategorySpider

_NAP = 0.5


class MannersMiddleware:
    """Waits for the turn that `Manners` gives."""

    def __init__(self, crawler: Crawler) -> None:
        """Stand in for one crawl."""
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> MannersMiddleware:
        """Build for a crawl."""
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        """Wait, in naps short enough that Ctrl-C is heard."""
        spider = cast("CategorySpider", self.crawler.spider)
        host, picture = urlparse_cached(request).netloc, bool(request.meta.get(PICTURE))
        waiting = spider.manners.reserve(host, picture=picture)
        until = time.monotonic() + waiting
        while True:
            if spider.stopping:
                raise StoppingError(f"Not asked: the crawl is ending ({request.url})")
            left = max(until - time.monotonic(), spider.manners.cooling(host))
            if left <= 0:
                break
            await asyncio.sleep(min(left, _NAP))
        request.meta[ASKED_AT] = time.monotonic()
