"""Fetch the pictures of a page that the catalogue does not know: original bytes, fingerprinted in a thread, one row each.

Not Scrapy's ImagesPipeline: that one encodes every picture anew and decodes on the event loop, and its file store believes a
torn file for ninety days (docs/decisions/0002).
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from scrapy import Request
from scrapy.crawler import Crawler
from scrapy.exceptions import DownloadTimeoutError, DropItem
from scrapy.http import Response
from scrapy.http.request import NO_CALLBACK
from scrapy.utils.httpobj import urlparse_cached
from twisted.internet.error import TimeoutError as TwistedTimeoutError

from stj_catalog.errors import NotAnImageError, PictureError, StjError, TooSmallError
from stj_catalog.fingerprint import fingerprint
from stj_catalog.intake import FetchedPicture, known_pictures
from stj_catalog.urls import sized_image_url
from stj_spiders.items import PageItem
from stj_spiders.manners import ASKED_AT, PICTURE, retry_after_seconds
from stj_spiders.outcome import failed, refused
from stj_spiders.refusals import RobotsRefusedError, StoppingError
from stj_spiders.spiders.amazon import CategorySpider

_TURNED_AWAY = (429, 503)
_THREADS = 2
_TIME_OUTS = (DownloadTimeoutError, TwistedTimeoutError, asyncio.TimeoutError)


class PicturesPipeline:
    """Sees to it that every card's picture has a row before the page is written."""

    def __init__(self, crawler: Crawler) -> None:
        """Stand ready for one crawl."""
        self.crawler = crawler
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="pictures")
        self._flying: dict[str, asyncio.Task[None]] = {}

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> PicturesPipeline:
        """Build for a crawl."""
        return cls(crawler)

    @property
    def spider(self) -> CategorySpider:
        """The spider whose pages come by."""
        return cast("CategorySpider", self.crawler.spider)

    def close_spider(self) -> None:
        """Give the threads back."""
        self._threads.shutdown()

    async def process_item(self, item: PageItem) -> PageItem:
        """Fetch what is unknown on the page; a page that cannot be completed is dropped, to be read again later."""
        spider = self.spider
        wanted = {card.image_key: card.image_url or "" for card in item.cards if card.image_key}
        try:
            known = await spider.desk.run(known_pictures, spider.desk.catalog, list(wanted), spider.crawl.id)
            tasks = [self._fly(key, url) for key, url in wanted.items() if key not in known]
            results = await asyncio.gather(*tasks, return_exceptions=True)
            await spider.desk.flush()
        except StjError as error:
            spider.stop(failed(str(error)))
            raise DropItem(str(error)) from error
        finally:
            for key in wanted:
                self._flying.pop(key, None)
        for met in results:
            if isinstance(met, StjError):
                spider.stop(failed(str(met)))
            elif isinstance(met, BaseException) and not isinstance(met, StoppingError):
                raise met
        if any(isinstance(met, BaseException) for met in results):
            raise DropItem(f"page {item.page.number} is left for later: the crawl is ending")
        return item

    def _fly(self, key: str, url: str) -> asyncio.Task[None]:
        """The one task that fetches a picture, however many pages show it meanwhile."""
        if key not in self._flying:
            self._flying[key] = asyncio.ensure_future(self._settle(key, url))
        return self._flying[key]

    async def _settle(self, key: str, url: str) -> None:
        """Fetch one picture and have its row written, whatever it turned out to be."""
        address = sized_image_url(url, self.spider.settings_read.image_size)
        picture = await self._fetch(key, address)
        self.spider.count_picture(picture.reason)
        self.spider.desk.record(picture)

    async def _fetch(self, key: str, url: str) -> FetchedPicture:
        spider, host = self.spider, urlparse_cached(Request(url)).netloc
        crawl_id = spider.crawl.id
        while True:
            async with spider.manners.gate(host):
                if spider.stopping:
                    raise StoppingError(f"Not asked: the crawl is ending ({url})")
                try:
                    response = await self._download(url)
                except _TIME_OUTS:
                    return FetchedPicture(key, url, crawl_id, reason="timeout")
                except RobotsRefusedError as error:
                    spider.stop(refused(str(error)))
                    raise StoppingError(str(error)) from error
                except StoppingError:
                    raise
                except Exception as error:  # noqa: BLE001 - every way a line can break ends in one word
                    spider.logger.info("picture %s could not be had: %r", url, error)
                    return FetchedPicture(key, url, crawl_id, reason="network_error")
            if response.status not in _TURNED_AWAY:
                break
            self._turned_away(host, response)
        if response.status != 200:
            return FetchedPicture(key, url, crawl_id, reason="http_error", http_status=response.status)
        spider.manners.answered(host)
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._take_in, key, url, response.body)

    async def _download(self, url: str) -> Response:
        request = Request(url, callback=NO_CALLBACK, meta={PICTURE: True}, headers={"Accept": "image/*"})
        return await self.crawler.engine.download_async(request)

    def _turned_away(self, host: str, response: Response) -> None:
        """Cool the picture host down; the same picture is asked for again unless the crawl had better end."""
        asked_at = response.request.meta[ASKED_AT] if response.request else 0.0
        wait = retry_after_seconds((response.headers.get(b"Retry-After") or b"").decode("latin-1"))
        self.spider.turned_away(host, f"picture answered {response.status}", asked_at, wait)
        if self.spider.stopping:
            raise StoppingError(f"{host} turned us away")

    def _take_in(self, key: str, url: str, body: bytes) -> FetchedPicture:
        """Fingerprint and store a picture's bytes; runs in a thread."""
        spider = self.spider
        try:
            if not body:
                raise NotAnImageError("The answer is empty.")
            found = fingerprint(body)
            if found.width < spider.settings_read.min_width or found.height < spider.settings_read.min_height:
                raise TooSmallError(f"The picture has {found.width}x{found.height} pixels.")
        except PictureError as error:
            return FetchedPicture(key, url, spider.crawl.id, reason=error.reason, http_status=200)
        path = spider.desk.store.put(found.sha256, found.extension, body)
        return FetchedPicture(key, url, spider.crawl.id, found, path, http_status=200)
