"""Read a response of Scrapy's: its text, its host, and the record of it that an archive keeps."""

from __future__ import annotations

import contextlib
from urllib.parse import urlsplit

from scrapy.http import Response, TextResponse

from stj_catalog.crawls import Crawl
from stj_catalog.frontier import LeasedPage
from stj_spiders.archive import ArchivedPage
from stj_spiders.request_meta import RENDERED_BY


def body_text(response: Response) -> str:
    """The decoded body, whatever it is, and whatever character set it claims to have."""
    if isinstance(response, TextResponse):
        # Python knows codecs that are no character sets (`idna`, `punycode`, `undefined`), and those raise what they like.
        with contextlib.suppress(Exception):
            return response.text
    return response.body.decode("utf-8", errors="replace")


def host_of(url: str) -> str:
    """The host of an address, with its port."""
    return urlsplit(url).netloc


def archived(response: Response, page: LeasedPage, crawl: Crawl) -> ArchivedPage:
    """An answer as an archive keeps it."""
    headers = [
        (name.decode("latin-1"), value.decode("latin-1"))
        for name, values in response.headers.items()
        for value in values
    ]
    return ArchivedPage(
        crawl_id=crawl.id,
        began=crawl.began,
        kind=page.kind,
        number=page.number,
        asked=page.url,
        url=response.url,
        status=response.status,
        headers=tuple(headers),
        body=response.body,
        rendered_by=response.meta.get(RENDERED_BY),
    )
