"""The same listing, crawled the stock way: Scrapy's own pipelines, with and without imagehash, and a plain loop of aiohttp."""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import scrapy
from scrapy.pipelines.images import ImagesPipeline

from stj_core.shops.amazon import fold_image_url

SETTINGS: dict[str, Any] = {
    "ROBOTSTXT_OBEY": True,
    "TELNETCONSOLE_ENABLED": False,
    "REMOTE_CONTROL_ENABLED": False,
    "LOG_LEVEL": "WARNING",
    "FILES_STORE": "images",
    "IMAGES_STORE": "images",
    "CONCURRENT_REQUESTS_PER_DOMAIN": 8,
}
LOOP = "aiohttp loop"
PIPELINES = {
    "FilesPipeline": "scrapy.pipelines.files.FilesPipeline",
    "ImagesPipeline": "scrapy.pipelines.images.ImagesPipeline",
    "ImagesPipeline + imagehash": "bench.peers.HashingPipeline",
}


class HashingPipeline(ImagesPipeline):
    """The stock pipeline, with the perceptual hash that most people add."""

    def get_images(self, *args: object, **kwargs: object) -> Iterator[Any]:
        """Hash each picture as it comes."""
        import imagehash

        for path, image, buffer in super().get_images(*args, **kwargs):
            imagehash.phash(image)
            yield path, image, buffer


class PeerSpider(scrapy.Spider):
    """Reads the same listing as `amazon_sarees`, and asks for the same pictures."""

    name = "peer"

    async def start(self) -> AsyncIterator[scrapy.Request]:
        """Begin with the first page."""
        yield scrapy.Request(self.origin + "/s?rh=n%3A1968256031&fs=true")  # type: ignore[attr-defined]  # from -a

    def parse(self, response: scrapy.http.TextResponse) -> Iterator[Any]:
        """One item per page, with its pictures' addresses."""
        found = response.css("img.s-image::attr(src)").getall()
        urls = [fold_image_url(response.urljoin(one)) for one in found]
        yield {"file_urls": urls, "image_urls": urls}
        following = response.css("a.s-pagination-next::attr(href)").get()
        if following:
            yield response.follow(following, self.parse)


def crawl(origin: str, pipeline: str) -> None:
    """Run one peer to its end."""
    from scrapy.crawler import AsyncCrawlerProcess

    process = AsyncCrawlerProcess({**SETTINGS, "ITEM_PIPELINES": {PIPELINES[pipeline]: 1}})
    process.crawl(PeerSpider, origin=origin)
    process.start()


def walk(origin: str) -> Iterator[tuple[str, list[str]]]:
    """Each page of the listing, in its order, with its pictures' addresses."""
    following: str | None = origin + "/s?rh=n%3A1968256031&fs=true"
    while following:
        with urllib.request.urlopen(following) as answer:
            text = answer.read().decode()
        page = scrapy.Selector(text=text)
        shown = page.css("img.s-image::attr(src)").getall()
        yield text, [fold_image_url(urljoin(following, one)) for one in shown]
        link = page.css("a.s-pagination-next::attr(href)").get()
        following = urljoin(following, link) if link else None


async def loop(origin: str, authority: str | None) -> None:
    """The least that a crawl can be: page by page, eight pictures at a time, each written as it came.

    No robots.txt, no pace, no retries, no row of what was met: what everything else costs is measured against it.
    """
    import aiohttp
    from lxml import html

    gate = asyncio.Semaphore(8)
    trusted = ssl.create_default_context(cafile=authority) if authority else True
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusted)) as session:

        async def fetch(url: str) -> None:
            async with gate, session.get(url) as answer:
                answer.raise_for_status()
                _write(url.rsplit("/", 1)[-1], await answer.read())

        following: str | None = origin + "/s?rh=n%3A1968256031&fs=true"
        while following:
            async with session.get(following) as answer:
                page = html.fromstring(await answer.text())
            found = page.xpath('//img[contains(@class, "s-image")]/@src')
            await asyncio.gather(*(fetch(fold_image_url(urljoin(following, one))) for one in found))
            links = page.xpath('//a[contains(@class, "s-pagination-next")]/@href')
            following = urljoin(following, links[0]) if links else None


def _write(name: str, body: bytes) -> None:
    """On the event loop, as FilesPipeline does."""
    Path("images", name).write_bytes(body)


if __name__ == "__main__":
    import sys

    if sys.argv[2] == LOOP:
        Path("images").mkdir()
        asyncio.run(loop(sys.argv[1], sys.argv[3] if len(sys.argv) > 3 else None))
    else:
        crawl(sys.argv[1], sys.argv[2])
