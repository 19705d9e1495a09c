"""Read a response of Scrapy's: its text, its host, and the record of it that an archive keeps."""

from __future__ import annotations

import codecs
import contextlib
from urllib.parse import urlsplit

from scrapy.http import Response, TextResponse
from w3lib.encoding import html_body_declared_encoding, http_content_type_encoding, read_bom

from stj_catalog.crawls import Crawl
from stj_catalog.frontier import LeasedPage
from stj_spiders.archive import ArchivedPage
from stj_spiders.request_meta import RENDERED_BY

_NO_CHARACTER_SETS = frozenset(
    [
        "idna",
        "punycode",
        "undefined",
        "unicode-escape",
        "raw-unicode-escape",
        "utf-7",
        "utf-32",
        "utf-32-be",
        "utf-32-le",
    ]
)
"""What Python decodes and no browser: a page that claims one of these is written in something else."""
_MARKUP = 1_000
"""Bytes in which a page's markup begins."""


def body_text(response: Response) -> str:
    """The decoded body, whatever it is, and whatever character set it claims to have."""
    if isinstance(response, TextResponse):
        # A codec raises what it likes, and so does the look-up of one whose name no codec can have.
        with contextlib.suppress(Exception):
            name = codecs.lookup(response.encoding).name
            if name == "utf-8" or (_says_its_set(response) and not _cannot_be(name, response.body)):
                return response.text
    return _guessed(response.body)


def _cannot_be(name: str, body: bytes) -> bool:
    """Whether no page is written so; markup in UTF-16 has a zero in every other byte."""
    return name in _NO_CHARACTER_SETS or (name.startswith("utf-16") and b"\0" not in body[:_MARKUP])


def _says_its_set(response: TextResponse) -> bool:
    header = response.headers.get("Content-Type", b"") or b""
    said = http_content_type_encoding(header.decode("latin-1")) or html_body_declared_encoding(response.body)
    return bool(said or read_bom(response.body)[0])


def _guessed(body: bytes) -> str:
    """UTF-8, of which a few bytes may be broken; where more are than make a character, what browsers fall back to."""
    text = body.decode("utf-8", errors="replace")
    broken = text.count("\N{REPLACEMENT CHARACTER}")
    if not broken:
        return text
    characters = sum(1 for one in text if one > "\x7f") - broken
    return text if broken <= 2 * characters else body.decode("cp1252", errors="replace")


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
