"""Refuse what leads elsewhere, before its host is asked for anything; redirects pass here, too."""

from __future__ import annotations

from scrapy import Request
from scrapy.crawler import Crawler

from stj_spiders.exceptions import LedElsewhereError
from stj_spiders.politeness import PICTURE
from stj_spiders.reach import shown, shown_host
from stj_spiders.session import session_of


class ReachMiddleware:
    """Keeps pages within the origin, and pictures on the public internet."""

    def __init__(self, crawler: Crawler) -> None:
        """Guard one crawl."""
        self.crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> ReachMiddleware:
        """Build for a crawl."""
        return cls(crawler)

    async def process_request(self, request: Request) -> None:
        """Refuse what the crawl's `Reach` refuses; the rules of a picture's host are reached as its pictures are.

        Raises:
            LedElsewhereError: it does.
        """
        reach = session_of(self.crawler).reach
        anywhere = request.meta.get(PICTURE) or request.meta.get("dont_obey_robotstxt")
        refusal = reach.picture_refusal(request.url) if anywhere else reach.page_refusal(request.url)
        if refusal is not None:
            whence = request.meta.get("redirect_urls")
            led = f"{shown(whence[-1])} leads to {shown(request.url)}" if whence else f"Asked for {shown(request.url)}"
            raise LedElsewhereError(f"{led}, {refusal}.", shown_host(request.url))
