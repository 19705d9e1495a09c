"""The few questions that pages and pictures are asked alike."""

from __future__ import annotations

from urllib.parse import urlsplit

from scrapy.http import Response, TextResponse


def body_text(response: Response) -> str:
    """The decoded body, whatever it is."""
    return response.text if isinstance(response, TextResponse) else response.body.decode("utf-8", errors="replace")


def host_of(url: str) -> str:
    """The host of an address, with its port."""
    return urlsplit(url).netloc
